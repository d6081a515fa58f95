import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import type { TaskRecord } from '../../../framework/cluster/model.js';
import { newRecord } from '../../../framework/cluster/record.js';
import { packageRoot, packageVersion } from '../../../framework/local/package.js';
import { openFileStore } from '../../../framework/store/file-store.js';
import { writeRecord } from '../../../framework/store/record-format.js';
import { waitFor } from '../../support/wait.js';

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line as a user does, with none of this process's own settings. */
function start(args: readonly string[], env: Record<string, string> = {}) {
  const bare = Object.entries(process.env).filter(([name]) => !name.startsWith('MESOS_JUPYTER_'));
  return spawn(process.execPath, [join(packageRoot, 'dist/framework/main.js'), ...args], {
    env: { ...Object.fromEntries(bare), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function mesosJupyter(args: readonly string[], env?: Record<string, string>): Promise<Outcome> {
  const child = start(args, env);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { status, stdout, stderr };
}

const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
after(() => rmSync(scratch, { recursive: true }));
const stateFile = (name: string) => `--state-file=${join(scratch, name)}.json`;

const run = [
  'run',
  '--dry-run',
  '--master=http://10.0.0.1:5050',
  '--image=node:1',
  '--network=calico',
  '--ips=192.0.2.100,192.0.2.101,192.0.2.102',
  '--shared=/srv/shared',
];

/** What a run needs beside its master, at any port; its state is a file of its own. */
const more = ['--image=node:1', '--ips=192.0.2.100', '--shared=/srv/shared', '--http-port=0'];

/** The same flags, with some replaced or left out. */
function runWith(...flags: readonly string[]): string[] {
  const replaced = new Set(flags.map((flag) => flag.split('=')[0]));
  return [...run.filter((flag) => !replaced.has(flag.split('=')[0])), ...flags];
}

describe('the command line', { concurrency: 2 }, () => {
  test('confirm-dead takes a task that may live on, and no other', async () => {
    const path = join(scratch, 'confirm.json');
    const confirm = (task: string) => mesosJupyter(['confirm-dead', task, `--state-file=${path}`]);
    const missing = await confirm('node0.1.abc');
    assert.deepEqual([missing.status, missing.stderr.split(': ')[1]], [3, 'STATE_MISSING']);
    const record = newRecord(['198.51.100.100'], 'abc');
    const doubtful: TaskRecord = {
      id: 'node0.1.abc',
      node: 0,
      incarnation: 1,
      generation: 1,
      agentId: 'agent',
      hostname: 'host-1',
      attributes: {},
      seenAlive: true,
    };
    writeFileSync(path, writeRecord({ ...record, unproven: [doubtful] }));
    const unknown = await confirm('node0.2.abc');
    assert.equal(unknown.status, 2);
    assert.match(unknown.stderr, /TASK_UNKNOWN: .*those are node0\.1\.abc/);
    const known = await confirm('node0.1.abc');
    assert.equal(known.status, 0, known.stderr);
    const store = await openFileStore(path);
    const [given] = await store.orders();
    assert.deepEqual(given?.order, { kind: 'confirmDead', taskId: 'node0.1.abc' });
    await store.close();
  });

  test('pause and resume are left for the next scheduler where none runs', async () => {
    const path = join(scratch, 'pause.json');
    const flag = `--state-file=${path}`;
    const paused = await mesosJupyter(['pause', '--reason=switch work', flag]);
    assert.deepEqual([paused.status, paused.stderr], [0, '']);
    assert.match(paused.stdout, /^The cluster is paused as soon as a scheduler works with .*pause\.json/);
    assert.match((await mesosJupyter(['resume', flag])).stdout, /^The pause ends as soon as/);
    const store = await openFileStore(path);
    const [first, second] = (await store.orders()).map(({ order }) => order);
    assert.ok(first?.kind === 'pause' && first.reason === 'switch work');
    assert.deepEqual(second, { kind: 'resume' });
    await store.close();
  });

  test('hand-over says that no scheduler runs, and which node numbers are none', async () => {
    const flag = stateFile('hand-over');
    const absent = await mesosJupyter(['hand-over', flag]);
    assert.deepEqual([absent.status, absent.stderr.split(': ')[1]], [3, 'SCHEDULER_ABSENT']);
    const wrong = await mesosJupyter(['hand-over', '--to=first', flag]);
    assert.deepEqual([wrong.status, wrong.stderr.split(': ')[1]], [2, 'CONFIG_INVALID']);
  });

  test('hand-over takes its order back when no scheduler answers it', async () => {
    const path = join(scratch, 'unanswered.json');
    const store = await openFileStore(path);
    const unanswered = await mesosJupyter(['hand-over', `--state-file=${path}`]);
    assert.deepEqual([unanswered.status, unanswered.stderr.split(': ')[1]], [4, 'ORDER_UNANSWERED']);
    assert.deepEqual(await store.orders(), []);
    await store.close();
  });

  test('--help names the commands and how settings are given', async () => {
    const { status, stdout } = await mesosJupyter(['--help']);
    assert.equal(status, 0);
    for (const word of ['local', 'run', 'teardown', '--config', 'MESOS_JUPYTER_LEASE_TTL_S']) {
      assert.ok(stdout.includes(word), `no ${word} in:\n${stdout}`);
    }
    assert.doesNotMatch(stdout, /\[string\]/);
  });

  test('run --help lists every setting with its default', async () => {
    const { status, stdout } = await mesosJupyter(['run', '--help']);
    assert.equal(status, 0);
    for (const flag of [
      '--master',
      '--image',
      '--network',
      '--ips',
      '--shared',
      '--failover-timeout-s',
      '--dry-run',
    ]) {
      assert.ok(stdout.includes(flag), `no ${flag} in:\n${stdout}`);
    }
    assert.match(stdout, /--lease-ttl-s .*\[default: 5\]/);
  });

  test('local --help has its own flags, and none for what it makes itself', async () => {
    const { status, stdout } = await mesosJupyter(['local', '--help']);
    assert.equal(status, 0);
    assert.match(stdout, /--exit-when-ready/);
    assert.doesNotMatch(stdout, /--master/);
  });

  test('--version is that of the package', async () => {
    assert.deepEqual(await mesosJupyter(['--version']), {
      status: 0,
      stdout: `${packageVersion()}\n`,
      stderr: '',
    });
  });

  const wrong: readonly [what: string, args: readonly string[], code: string, message: RegExp][] = [
    ['no command', [], 'CONFIG_INVALID', /give a command: local, check, run, status, teardown/],
    ['an unknown command', ['lokal'], 'CONFIG_UNKNOWN', /no command "lokal"\. Did you mean local\?/],
    [
      'an unknown word after host',
      ['host', 'chek', '--hosts=a'],
      'CONFIG_UNKNOWN',
      /no command "host chek"\. Did you mean check\?/,
    ],
    [
      'a host command without its hosts',
      ['host', 'check', '--shared=/s', '--subnet=192.0.2.0/24'],
      'CONFIG_INVALID',
      /^mesos-jupyter: CONFIG_INVALID: hosts is not set: give --hosts/,
    ],
    [
      'an arbiter without a third host',
      ['host', 'check', '--hosts=a,b', '--arbiter=b', '--shared=/s', '--subnet=192.0.2.0/24'],
      'CONFIG_INVALID',
      /there are 2 hosts: it takes three/,
    ],
    [
      'a part that there is not',
      ['host', 'prepare', '--only=x', '--hosts=a', '--shared=/s', '--subnet=192.0.2.0/24'],
      'CONFIG_INVALID',
      /neither volume nor network/,
    ],
    [
      'macvlan without its interface',
      ['host', 'prepare', '--network-driver=macvlan', '--hosts=a', '--shared=/s', '--subnet=192.0.2.0/24'],
      'CONFIG_INVALID',
      /given without networkParent/,
    ],
    [
      'an unknown flag',
      runWith('--mastre=x'),
      'CONFIG_UNKNOWN',
      /no flag --mastre here\. Did you mean --master\?/,
    ],
    ['a flag of another command', runWith('--no-install'), 'CONFIG_UNKNOWN', /no flag --no-install here\.$/m],
    ['a word too many', ['local', 'now'], 'CONFIG_UNKNOWN', /"now" is one word too many/],
    ['a flag without its value', ['run', '--master'], 'CONFIG_INVALID', /--master is without a value/],
    [
      'a malformed address',
      runWith('--ips=192.0.2.300'),
      'CONFIG_INVALID',
      /"192\.0\.2\.300", which is not an IPv4/,
    ],
    ['an even number of nodes', runWith('--ips=192.0.2.1,192.0.2.2'), 'CONFIG_INVALID', /has 2 addresses/],
    [
      'two equal addresses',
      runWith('--ips=192.0.2.9,192.0.2.9,192.0.2.8'),
      'CONFIG_INVALID',
      /has 192\.0\.2\.9 twice/,
    ],
    [
      'an address outside the network',
      runWith('--subnet=198.51.100.0/24'),
      'CONFIG_INVALID',
      /has 192\.0\.2\.100, which is not in the subnet 198\.51\.100\.0\/24/,
    ],
    [
      'no image',
      run.filter((flag) => !flag.startsWith('--image')),
      'CONFIG_INVALID',
      /image is not set: give --image, MESOS_JUPYTER_IMAGE/,
    ],
    ['an unknown master scheme', runWith('--master=ftp://x'), 'CONFIG_INVALID', /does not start with http/],
    ['a settings file that is not there', runWith('--config=/none.yaml'), 'CONFIG_FILE', /\/none\.yaml/],
    ['an even number of local nodes', ['local', '--nodes=4'], 'CONFIG_INVALID', /"4" is even/],
    ['a port that is none', ['local', '--port=http'], 'CONFIG_INVALID', /whole number from 0 to 65535/],
  ];
  for (const [what, args, code, message] of wrong) {
    test(`${what} is one clear error`, async () => {
      const { status, stdout, stderr } = await mesosJupyter(args);
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.ok(stderr.startsWith(`mesos-jupyter: ${code}: `), stderr);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at /, 'has a stack');
    });
  }

  test('an unknown variable is one clear error', async () => {
    const { status, stderr } = await mesosJupyter(run, { MESOS_JUPYTER_IMGE: 'x' });
    assert.equal(status, 2);
    assert.match(stderr, /CONFIG_UNKNOWN: .*MESOS_JUPYTER_IMGE.* Did you mean MESOS_JUPYTER_IMAGE\?/);
  });

  test('--log-level debug adds where an error happened', async () => {
    const { stderr } = await mesosJupyter(runWith('--ips=x', '--log-level=debug'));
    assert.match(stderr, /\n {4}at /);
  });

  test('run --dry-run prints a TaskInfo for each address, and needs no master', async () => {
    const { status, stdout, stderr } = await mesosJupyter(runWith('--docker-parameters=memory-swap=4g'));
    assert.equal(status, 0, stderr);
    const tasks = JSON.parse(stdout) as unknown[];
    assert.equal(tasks.length, 3);
    for (const [node, task] of tasks.entries()) {
      const json = JSON.stringify(task);
      for (const part of [`192.0.2.10${node}`, 'node:1', 'calico', '/srv/shared', 'memory-swap']) {
        assert.ok(json.includes(part), `no ${part} in ${json}`);
      }
    }
  });

  const around: readonly [what: string, args: readonly string[], code: string, message: RegExp][] = [
    [
      'a master that does not answer',
      ['run', ...more, '--master=http://127.0.0.1:1', '--master-timeout-s=1', stateFile('unreachable')],
      'MASTER_UNREACHABLE',
      /127\.0\.0\.1:1/,
    ],
    [
      'a master whose name is unknown',
      [
        'run',
        ...more,
        '--master=http://no-such-host.invalid:5050',
        '--master-timeout-s=1',
        stateFile('unknown'),
      ],
      'MASTER_UNREACHABLE',
      /no-such-host\.invalid/,
    ],
    [
      // Not even root can write there.
      'a state file that cannot be written',
      ['run', ...more, '--master=http://127.0.0.1:1', '--state-file=/proc/state.json'],
      'STATE_UNWRITABLE',
      /\/proc\/state\.json/,
    ],
    [
      'a status that nobody serves',
      ['status', '--url=http://127.0.0.1:1'],
      'STATUS_UNREACHABLE',
      /nothing answers at http:\/\/127\.0\.0\.1:1\/status/,
    ],
    [
      'a teardown of what never ran',
      ['teardown', '--master=http://127.0.0.1:1', stateFile('never-ran')],
      'STATE_MISSING',
      /names no framework/,
    ],
  ];
  for (const [what, args, code, message] of around) {
    test(`${what} is one clear error`, async () => {
      const { status, stderr } = await mesosJupyter(args);
      assert.equal(status, 3, stderr);
      assert.match(stderr, new RegExp(`^mesos-jupyter: ${code}: `, 'm'));
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n {4}at /, 'has a stack');
    });
  }

  test('SIGTERM ends run with status 0, as it leaves nodes to the next scheduler', async () => {
    const child = start(['run', ...more, '--master=http://127.0.0.1:1', stateFile('stopped')]);
    const closed = once(child, 'close') as Promise<[number | null]>;
    child.stdout.resume();
    // Its first words: it has started, and tries.
    child.stderr.once('data', () => child.kill('SIGTERM'));
    assert.deepEqual(await closed, [0, null]);
  });

  test('a scheduler that finds no master yet tells its status, and a second one at its port ends at once', async () => {
    // It looks for a master for as long as the other commands take, however slow the machine is.
    const patience = '--master-timeout-s=600';
    const child = start(['run', ...more, patience, '--master=http://127.0.0.1:1', stateFile('asked')]);
    const closed = once(child, 'close');
    try {
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        said += chunk;
      });
      const url = await waitFor(
        'its address',
        20_000,
        () => /status at (http:\/\/127\.0\.0\.1:\d+)\/status/.exec(said)?.[1],
      );
      const { status, stdout } = await mesosJupyter(['status', `--url=${url}`]);
      assert.equal(status, 0);
      assert.match(stdout, /^mesos-jupyter: .*127\.0\.0\.1:1.*trying again, generation 1\n/);
      assert.match(stdout, /node 0 +192\.0\.2\.100 +- +waiting for an offer/);
      const json = await mesosJupyter(['status', `--url=${url}`, '--json']);
      assert.equal((JSON.parse(json.stdout) as { state: string }).state, 'connecting');
      const port = `--http-port=${new URL(url).port}`;
      const health = await mesosJupyter(['status', '--health', port]);
      assert.deepEqual([health.status, health.stderr], [0, '']);
      const second = await mesosJupyter([
        'run',
        ...more.slice(0, -1),
        port,
        '--master=http://127.0.0.1:1',
        stateFile('other'),
      ]);
      assert.equal(second.status, 3);
      assert.match(second.stderr, /PORT_TAKEN: .*--http-port/);
    } finally {
      child.kill('SIGTERM');
      await closed;
    }
  });

  test('a port that is taken ends local before anything is made', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    try {
      const { status, stderr } = await mesosJupyter(['local', `--port=${address.port}`]);
      assert.equal(status, 3);
      assert.match(stderr, /PORT_TAKEN: port \d+.*--port/);
    } finally {
      server.close();
    }
  });

  test('a Docker engine that does not answer is one clear error', async () => {
    const env = { DOCKER_HOST: 'tcp://127.0.0.1:1' };
    const { status, stderr } = await mesosJupyter(['local', '--port=0', '--no-install'], env);
    assert.equal(status, 3, stderr);
    assert.match(stderr, /DOCKER_UNAVAILABLE: .*DOCKER_HOST=tcp:\/\/127\.0\.0\.1:1/);
  });
});
