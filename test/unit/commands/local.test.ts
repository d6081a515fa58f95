import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { contractVersion, type NodeStatus } from '../../../executor-image/contract.js';
import { checkSettings } from '../../../framework/config/load.js';
import { settingTable } from '../../../framework/config/settings.js';
import { CodedError } from '../../../framework/errors.js';
import { mustRun, run } from '../../../framework/local/command.js';
import { instanceName, isStale } from '../../../framework/local/instance.js';
import {
  completeSettings,
  localFlagSettings,
  localSettings,
} from '../../../framework/local/local-settings.js';
import { createTerminal, duration } from '../../../framework/local/terminal.js';
import {
  changed,
  combine,
  missing,
  notebookUrl,
  type ScheduledNode,
  servingAddress,
} from '../../../framework/local/watch.js';

const scheduled: ScheduledNode[] = [0, 1, 2].map((number) => ({
  number,
  address: `192.0.2.10${number}`,
  hostname: 'host-1',
  state: 'TASK_RUNNING',
  reason: 'its task runs',
}));

function status(node: number, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    contractVersion,
    node,
    address: `192.0.2.10${node}`,
    taskId: `node${node}.1.x`,
    incarnation: 1,
    generation: 1,
    bootId: 'boot-1',
    uptimeS: 60,
    ready: true,
    reason: 'all is well',
    etcd: { role: node === 1 ? 'leader' : 'follower' },
    notebook: { state: node === 1 ? 'serving' : 'stopped' },
    volume: { lookAgeS: 1, fresh: true },
    live: scheduled.map(({ address }) => address),
    control: { taken: 0, refused: { wrongKey: 0, wrongTask: 0, malformed: 0, noTls: 0 } },
    ...more,
  };
}

const well = combine(scheduled, [status(0), status(1), status(2)]);

describe('the view of a local cluster', () => {
  test('all is well when each node is ready, one leads and one serves', () => {
    assert.deepEqual(missing(well), []);
    assert.equal(servingAddress(well), '192.0.2.101');
  });

  test('a node agent that does not answer is not ready, whatever Mesos says', () => {
    const nodes = combine(scheduled, [status(0), status(1), undefined]);
    assert.deepEqual(missing(nodes), ['node 2 (192.0.2.102) is TASK_RUNNING, etcd -: its task runs']);
  });

  test('a node whose task does not run is not ready, whatever its container says', () => {
    const lost = scheduled.map((node) => (node.number === 0 ? { ...node, state: 'TASK_UNREACHABLE' } : node));
    assert.match(missing(combine(lost, [status(0), status(1), status(2)]))[0] ?? '', /TASK_UNREACHABLE/);
  });

  test('Jupyter on two nodes, or on none, is not well', () => {
    const twice = combine(scheduled, [status(0, { notebook: { state: 'serving' } }), status(1), status(2)]);
    assert.deepEqual(missing(twice), ['Jupyter runs on 2 nodes']);
    assert.equal(servingAddress(twice), undefined);
    const nowhere = combine(scheduled, [
      status(0),
      status(1, { notebook: { state: 'starting' } }),
      status(2),
    ]);
    assert.deepEqual(missing(nowhere), ['Jupyter runs on no node']);
  });

  test('only what looks different is a change', () => {
    assert.deepEqual(
      changed(well, combine(scheduled, [status(0, { uptimeS: 61 }), status(1), status(2)])),
      [],
    );
    const moved = combine(scheduled, [status(0), status(1, { etcd: { role: 'follower' } }), status(2)]);
    assert.deepEqual(
      changed(well, moved).map(({ number }) => number),
      [1],
    );
    assert.equal(changed([], well).length, 3);
  });

  test('a node that is to leave is a change, and not well', () => {
    const why = 'this node is to leave (the mount is dead)';
    const leaving = combine(scheduled, [status(0), status(1, { reason: why, leaving: why }), status(2)]);
    assert.deepEqual(
      changed(well, leaving).map(({ number }) => number),
      [1],
    );
    assert.deepEqual(missing(leaving), [`node 1 (192.0.2.101) is TASK_RUNNING, etcd leader: ${why}`]);
  });

  test("the notebook's URL carries the base path and the token", () => {
    assert.equal(
      notebookUrl('192.0.2.101', '/notebook/', 'a+b'),
      'http://192.0.2.101:8888/notebook/lab?token=a%2Bb',
    );
  });
});

describe('the settings of a local cluster', () => {
  test('are complete with nothing given', () => {
    const settings = completeSettings(checkSettings({}, {}, localSettings), {
      master: 'http://127.0.0.1:5050',
      ips: ['192.0.2.100'],
      stateFile: '/x',
      image: 'node:1',
      shared: '/y',
      subnet: '192.0.2.0/24',
      network: 'calico',
      dockerParameters: [],
    });
    assert.equal(settings.frameworkName, 'mesos-jupyter');
    assert.equal(settings.leaseTtlS, 5);
    assert.equal(settings.master, 'http://127.0.0.1:5050');
  });

  test('are not asked for where the cluster makes them itself', () => {
    for (const name of ['master', 'ips', 'stateFile'] as const) assert.ok(!localFlagSettings.includes(name));
    for (const name of localFlagSettings) assert.notEqual(settingTable[name].group, 'Mesos', name);
    for (const name of ['image', 'shared', 'subnet'] as const) assert.ok(localFlagSettings.includes(name));
  });
});

describe('the name of a run', () => {
  test('is live as long as its process is', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const name = instanceName(child.pid);
    assert.equal(isStale(name), false);
    child.kill('SIGKILL');
    await once(child, 'close');
    assert.equal(isStale(name), true);
  });

  test('is stale when its process id is used again by another', () => {
    assert.equal(isStale(instanceName().replace(/\d+$/, '1')), true);
  });

  test('is never stale when it is of another machine, or no name of a run', () => {
    assert.equal(isStale('elsewhere.99999999.1'), false);
    assert.equal(isStale('something else'), false);
  });
});

describe('the terminal', () => {
  /** What is printed to a stream of this kind. */
  async function printed(
    isTTY: boolean,
    env: Record<string, string>,
    work: (t: ReturnType<typeof createTerminal>) => unknown,
  ) {
    const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
    await work(createTerminal({ stream, env }));
    stream.end();
    return String(stream.read() ?? '');
  }
  const esc = '\u001b';

  test('has no colour and moves no cursor where there is no terminal', async () => {
    const text = await printed(false, {}, async (terminal) => {
      terminal.warn('careful');
      terminal.good('fine');
      await terminal.step('Building', async (progress) => progress('layer 1'));
    });
    assert.equal(text, 'careful\nfine\nBuilding …\nBuilding: done in 0 s\n');
  });

  test('has colour on a terminal, and none with NO_COLOR', async () => {
    assert.ok((await printed(true, {}, (terminal) => terminal.warn('careful'))).includes(`${esc}[33m`));
    assert.equal(await printed(true, { NO_COLOR: '1' }, (terminal) => terminal.warn('careful')), 'careful\n');
  });

  test('says of a step that fails how long it took, and passes its error on', async () => {
    const text = await printed(false, {}, (terminal) =>
      assert.rejects(
        terminal.step('Pulling', () => Promise.reject(new Error('no route'))),
        /no route/,
      ),
    );
    assert.match(text, /Pulling: failed after 0 s\n$/);
  });

  test('sets out a table in columns', async () => {
    const text = await printed(false, {}, (terminal) => terminal.table(['node', 'task'], [['node 0', 'X']]));
    assert.equal(text, '  node    task\n  node 0  X\n');
  });

  test('writes durations as people say them', () => {
    assert.deepEqual([999, 59_000, 60_000, 125_000].map(duration), [
      '1 s',
      '59 s',
      '1 min 00 s',
      '2 min 05 s',
    ]);
  });
});

describe('a program that is run', () => {
  const shell = (script: string) => ['sh', ['-c', script]] as const;

  test('gives its output and its status', async () => {
    const result = await run(...shell('echo out; echo err >&2; exit 3'));
    assert.deepEqual([result.status, result.stdout], [3, 'out\n']);
    assert.match(result.output, /err/);
  });

  test('that is not there is a status, too', async () => {
    assert.equal((await run('no-such-program-at-all', [])).status, 127);
  });

  test('that must succeed and does not is an error with the end of its output', async () => {
    await assert.rejects(
      mustRun('DOCKER_FAILED', ...shell('echo the reason; exit 1')),
      (error) =>
        error instanceof CodedError && error.code === 'DOCKER_FAILED' && /the reason/.test(error.message),
    );
  });

  test('is ended with its children when it takes too long', async () => {
    const result = await run(...shell('sleep 60 & wait'), { timeoutMs: 100 });
    assert.equal(result.status, 137);
    assert.match(result.output, /took longer than 0\.1 s/);
  });

  test('is ended with its children when interrupted', async () => {
    const stop = new AbortController();
    const running = run(...shell('echo started; sleep 60 & wait'), {
      signal: stop.signal,
      onLine: () => stop.abort(),
    });
    await assert.rejects(running, (error) => error instanceof CodedError && error.code === 'INTERRUPTED');
  });
});
