/** A container at a fixed address of the network, as Mesos would start a node's; removed again whatever comes of it. */
import { connect } from 'node:net';
import { ports } from '../../executor-image/contract.js';
import { dockerWords } from '../cluster/explain.js';
import { run } from '../local/command.js';
import type { Trial } from './observation.js';

const dockerLimitMs = 30_000;
const reachLimitMs = 3_000;

export async function tryAddress(network: string, address: string, image: string): Promise<Trial> {
  const name = `mesos-jupyter-check-${process.pid}`;
  const command = ['--entrypoint', 'sleep', image, '60'];
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
    return { kind: 'ran', address, got: stdout.trim(), reached: await reaches(address) };
  } finally {
    await run('docker', ['rm', '--force', '--volumes', name], { timeoutMs: dockerLimitMs });
  }
}

/** Nothing listens there: what is reached refuses the connection. */
function reaches(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port: ports.nodeAgent, timeout: reachLimitMs });
    const end = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.on('connect', () => end(true));
    socket.on('timeout', () => end(false));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'ECONNREFUSED'));
  });
}
