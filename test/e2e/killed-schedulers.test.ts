import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { docker } from '../support/docker.js';
import { SeededRandom } from '../support/random.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

/** MESOS_JUPYTER_TEST_LONG: twenty times. */
const rounds = process.env['MESOS_JUPYTER_TEST_LONG'] === undefined ? 5 : 20;

describe('a scheduler that is killed at random moments while nodes are being killed', () => {
  let cluster: Deployment;
  before(async () => {
    cluster = await Deployment.create();
  });
  after(() => cluster?.remove());
  showLogOnFailure(() => cluster);

  it('never runs two containers for one address, never loses its framework id, and gets all nodes back', async (t) => {
    const random = new SeededRandom(randomInt(2 ** 31));
    t.diagnostic(`seed ${random.seed}`);
    cluster.startScheduler();
    await cluster.settled(90_000);
    const id = (await cluster.framework())?.id;

    const twice: string[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        for (const [address, containers] of cluster.containers()) {
          if (containers.length > 1) twice.push(`${address}: ${containers.join(', ')}`);
        }
        await delay(200, undefined, { signal: watching.signal }).catch(() => {});
      }
    })();

    for (let round = 0; round < rounds; round++) {
      const victims = [...cluster.containers().values()].flat();
      if (victims.length > 0) await docker('kill', random.pick(victims)).catch(() => {});
      // The moment is what is random here: in the middle of the end's storing, the launch, the reconciliation.
      await delay(random.between(0, 4_000));
      await cluster.stopScheduler('SIGKILL');
      cluster.startScheduler();
      await delay(random.between(0, 3_000));
    }
    await cluster.settled(180_000);
    watching.abort();
    await watch;
    assert.deepEqual(twice, []);
    assert.equal((await cluster.framework())?.id, id);
    await waitFor(
      'three tasks, and no other',
      30_000,
      async () => (await cluster.runningTasks()).length === 3,
    );
  });
});
