import { after, before, describe, it } from 'node:test';
import { docker, imageUnderTest, removeContainer, startContainer, uniqueName } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { Deployment, showLogOnFailure } from './deployment.js';

describe('an address that is taken', () => {
  let cluster: Deployment;
  let squatter: string;
  before(async () => {
    cluster = await Deployment.create(1);
    squatter = uniqueName('mesos-jupyter-e2e-squatter');
    await startContainer(
      squatter,
      ['--net', cluster.network, '--ip', cluster.address(0), '--entrypoint', 'sleep'],
      imageUnderTest(),
      ['600'],
    );
  });
  after(async () => {
    await removeContainer(squatter);
    await cluster?.remove();
  });
  showLogOnFailure(() => cluster);

  it('is told with Docker’s words and the cure, and released by the operator’s command', async () => {
    // In the place of calicoctl: what frees an address on a plain bridge is the end of the container that has it.
    cluster.startScheduler(
      '--release-address',
      `test {address} = ${cluster.address(0)} && docker rm -f ${squatter}`,
    );
    await waitFor('the reason and the cure', 60_000, () =>
      cluster.log.includes(
        `Address already in use. Once no container of node 0 runs anywhere, release it: calicoctl ipam release --ip=${cluster.address(0)}`,
      ),
    );
    await waitFor(
      'the end of what had the address',
      60_000,
      async () => (await docker('ps', '-q', '--filter', `name=${squatter}`)) === '',
    );
    await cluster.settled(60_000);
  });
});
