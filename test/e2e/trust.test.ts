import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { authorityFileName, containerPaths, ports } from '../../executor-image/contract.js';
import { newKeyPem, readKey } from '../../framework/store/key-pair.js';
import { readRecord } from '../../framework/store/record-format.js';
import { docker, logsOf } from '../support/docker.js';
import { secretsOf } from '../support/secrets.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

describe('a scheduler that reaches its nodes', () => {
  let cluster: Deployment;
  let leader: number;

  before(async () => {
    cluster = await Deployment.create();
    cluster.startScheduler();
    leader = await cluster.settled(90_000);
  });
  after(() => cluster?.remove());
  showLogOnFailure(() => cluster);

  const storedCa = (): string | undefined =>
    readRecord(readFileSync(cluster.stateFile, 'utf8'), cluster.stateFile).ca;
  const inTrusted = (name: string): Promise<string> =>
    cluster.exec(leader, 'cat', `${containerPaths.trusted}/${name}`);

  it('gets to know the cluster’s CA by the first node, and keeps it', async () => {
    const ca = await waitFor('the CA in the state file', 30_000, storedCa);
    assert.ok((await inTrusted(authorityFileName)).includes(ca.trim()));
  });

  it('tells the survivors of a holder’s death, so that Jupyter is back before its lease runs out', async (t) => {
    const survivors = cluster.nodes.filter((node) => node !== leader);
    const taken = async (): Promise<number> => {
      const statuses = await Promise.all(survivors.map((node) => cluster.status(node)));
      return statuses.reduce((sum, { control }) => sum + control.taken, 0);
    };
    const before = await taken();
    await docker('kill', '--signal', 'KILL', cluster.container(leader));
    const killed = performance.now();
    await waitFor('Jupyter elsewhere', 30_000, async () => (await cluster.serving(survivors)).length === 1);
    t.diagnostic(
      `kill -9 of the leader's container, with Mesos' word → Jupyter answers elsewhere: ${Math.round(performance.now() - killed)} ms`,
    );
    assert.ok((await taken()) > before, 'nobody was told');
    const logs = await Promise.all(survivors.map((node) => logsOf(cluster.container(node))));
    assert.ok(logs.some((log) => /is dead, says Mesos: its leases are ended/.test(log)));
    leader = await cluster.settled(90_000);
  });

  it('goes on with the key and the CA that it had when it is started anew', async () => {
    const before = storedCa();
    await cluster.stopScheduler('SIGKILL');
    cluster.startScheduler();
    leader = await cluster.settled(90_000);
    await docker('kill', '--signal', 'KILL', cluster.container(leader));
    const dead = leader;
    const survivors = cluster.nodes.filter((node) => node !== dead);
    await waitFor('Jupyter elsewhere', 30_000, async () => (await cluster.serving(survivors)).length === 1);
    leader = await cluster.settled(90_000);
    assert.equal(storedCa(), before);
    for (const node of cluster.nodes) {
      assert.deepEqual((await cluster.status(node)).control.refused, {
        wrongKey: 0,
        wrongTask: 0,
        malformed: 0,
        noTls: 0,
      });
    }
  });

  it('shows no secret: not in the master’s state, its own status, log, state or process, nor through Docker', async () => {
    const key = readFileSync(`${cluster.stateFile}.key`, 'utf8');
    assert.ok(readKey(key, 'the key'));
    const secrets = await secretsOf(cluster, { 'the scheduler’s key': key });
    // What finds a secret must find one that is there.
    assert.notDeepEqual(secrets.foundIn(`x${key}`), []);
    assert.deepEqual(secrets.foundIn(newKeyPem()), []);

    const url = [...cluster.log.matchAll(/status at (http:\S+)/g)].at(-1)?.[1] ?? assert.fail('no status');
    const places: Record<string, string> = {
      'the master’s state': JSON.stringify(await cluster.masterState()),
      'the scheduler’s status': await (await fetch(url)).text(),
      'the scheduler’s log': cluster.log,
      'the state file': readFileSync(cluster.stateFile, 'utf8'),
      'the processes of this machine': execFileSync('ps', ['axewwo', 'args'], {
        encoding: 'utf8',
        maxBuffer: 2 ** 26,
      }),
    };
    for (const node of cluster.nodes) {
      const name = cluster.container(node);
      places[`node ${node}’s log`] = await logsOf(name);
      places[`node ${node}’s docker inspect`] = await docker('inspect', name);
      places[`node ${node}’s processes`] = await docker('top', name, 'axewwo', 'pid,args');
      places[`node ${node}’s status`] = JSON.stringify(await cluster.status(node));
      places[`node ${node}’s metrics`] = await (
        await fetch(`http://${cluster.address(node)}:${ports.nodeAgent}/metrics`)
      ).text();
    }
    for (const [place, text] of Object.entries(places)) {
      assert.ok(text.length > 0, place);
      assert.deepEqual(secrets.foundIn(text), [], place);
    }
  });
});
