/** A container at a fixed address of the network, as Mesos would start a node's; removed again whatever comes of it. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ports } from '../../executor-image/contract.js';
import { dockerWords } from '../cluster/explain.js';
import { run } from '../local/command.js';
import type { Trial } from './observation.js';

const dockerLimitMs = 30_000;
/** What Node.js in the container takes to listen, on a slow machine. */
const reachLimitMs = 8_000;
const connectLimitMs = 2_000;

/**
 * Says a word to whoever connects: that something refuses a connection proves nothing, since where no route leads into the network
 * a router elsewhere may do so. It ends by itself, should nobody be left to remove it.
 */
const answering = `require('net').createServer((socket) => socket.end(process.argv[1])).listen(${ports.nodeAgent}); setTimeout(process.exit, 60000)`;

export async function tryAddress(network: string, address: string, image: string): Promise<Trial> {
  const name = `mesos-jupyter-check-${process.pid}`;
  const word = randomUUID();
  const command = ['--entrypoint', '/usr/bin/node', image, '-e', answering, word];
  try {
    const started = await run(
      'docker',
      ['run', '--detach', '--rm', '--name', name, '--net', network, '--ip', address, ...command],
      { timeoutMs: dockerLimitMs },
    );
    if (started.status !== 0) {
      return { kind: 'failed', address, words: dockerWords(started.output) ?? `status ${started.status}` };
    }
    const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
    const { stdout } = await run('docker', ['inspect', '--format', format, name], {
      timeoutMs: dockerLimitMs,
    });
    return { kind: 'ran', address, got: stdout.trim(), reached: await reaches(address, word) };
  } finally {
    await run('docker', ['rm', '--force', '--volumes', name], { timeoutMs: dockerLimitMs });
  }
}

async function reaches(address: string, word: string): Promise<boolean> {
  const deadline = performance.now() + reachLimitMs;
  do {
    if ((await wordOf(address)) === word) return true;
    await delay(200);
  } while (performance.now() < deadline);
  return false;
}

/** What is said there to whoever connects; nothing where nobody answers. */
function wordOf(address: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: ports.nodeAgent, timeout: connectLimitMs });
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(said));
  });
}
