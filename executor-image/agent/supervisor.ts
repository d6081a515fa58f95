/** Starts a node's duties in order, keeps them running, and takes them down in order with a hand-over. */
import { networkInterfaces } from 'node:os';
import type { Logger } from 'winston';
import { contractVersion, type NodeStatus, type TaskEnvironment } from '../contract.js';
import { bootIdOfHost, sleep } from './clock.js';
import { Control } from './control.js';
import { Directory, type NodeRecord } from './directory.js';
import { messageOf, NodeEnd } from './errors.js';
import { EtcdMember } from './etcd/member.js';
import { Fence } from './fence.js';
import { claimGeneration } from './generation.js';
import { Heartbeat } from './heartbeat.js';
import { writeHosts } from './hosts.js';
import { ownAddress } from './identity.js';
import { Leadership } from './leadership.js';
import { causeToLeave, Leaving } from './leaving.js';
import { Looks } from './looks.js';
import { Notebook } from './notebook.js';
import { ExecutorWatch } from './orphan.js';
import { beginPause, endPause } from './pause.js';
import { revokeLeasesOf } from './revocation.js';
import { Ssh } from './ssh/duty.js';
import { serveStatus } from './status.js';
import { clusterAuthority } from './trust/authority-file.js';
import { Credentials } from './trust/credentials.js';
import { prepareVolume } from './volume.js';

/**
 * Runs the node until `stop` is aborted, then takes it down.
 * @throws NodeEnd when the node cannot go on.
 */
export async function runNode(task: TaskEnvironment, log: Logger, stop: AbortSignal): Promise<void> {
  const of = (duty: string) => log.child({ duty });
  const address = ownAddress(task.node, task.addresses, networkInterfaces());
  const self: NodeRecord = { node: task.node, address, taskId: task.taskId, incarnation: task.incarnation };

  const credentials = new Credentials(task, of('trust'));
  const etcd = new EtcdMember(task, address, credentials, of('etcd'));
  const directory = new Directory(etcd, of('directory'));
  const heartbeat = new Heartbeat(self, task.leaseTtlS, etcd, of('heartbeat'));
  const notebook = new Notebook(task, of('notebook'));
  const looks = new Looks(task.generation, task.lookLimitS, of('volume'));
  const fence = new Fence(task, etcd, directory, looks, of('fence'));
  const leadership = new Leadership(
    self,
    task.leaseTtlS,
    etcd,
    directory,
    notebook,
    looks,
    fence,
    of('leadership'),
  );
  const control = new Control(
    task,
    {
      revokeLeases: async (deadTaskId) => {
        const count = await revokeLeasesOf(deadTaskId, etcd);
        if (count > 0) of('control').info(`task ${deadTaskId} is dead, says Mesos: its leases are ended`);
        return `${count} leases ended`;
      },
      handOver: (to) => leadership.handOver('an operator wants it so', to === undefined ? {} : { to }),
      pause: (pause) => beginPause(etcd, pause),
      resume: () => endPause(etcd),
    },
    of('control'),
  );
  const ssh = new Ssh(task, () => etcd.serves, of('ssh'));
  const executor = new ExecutorWatch(task.healthChecks);
  const leaving = new Leaving(
    self,
    task.addresses.length,
    task.leaseTtlS,
    etcd,
    directory,
    () => {
      executor.tick();
      const { deadMount } = looks;
      return causeToLeave({ executorIsGone: executor.isGone, ...(deadMount !== undefined && { deadMount }) });
    },
    of('leaving'),
  );

  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    stop.addEventListener('abort', () => resolve(), { once: true });
  });
  const startedAt = performance.now();
  const bootId = bootIdOfHost();
  let phase = 'looking at the shared volume';
  const readStatus = (): NodeStatus => {
    const ready = phase === '' && etcd.serves && heartbeat.heard;
    const view = directory.view;
    const { ageMs } = looks;
    return {
      contractVersion,
      ...self,
      generation: task.generation,
      bootId,
      uptimeS: Math.round((performance.now() - startedAt) / 1000),
      ready,
      reason:
        phase ||
        leaving.reason ||
        reasonOf(etcd, heartbeat, looks) ||
        (view?.fenced === false && fence.reason) ||
        etcd.reason,
      ...(leaving.reason === '' ? {} : { leaving: leaving.reason }),
      etcd: etcd.status,
      notebook: {
        ...(view?.holder === undefined ? {} : { holderTaskId: view.holder.taskId }),
        state: notebook.state,
      },
      volume: {
        ...(ageMs === undefined ? {} : { lookAgeS: ageMs / 1000 }),
        fresh: looks.fresh,
        ...(looks.trouble === undefined ? {} : { trouble: looks.trouble }),
      },
      ...(view === undefined ? {} : { fenced: view.fenced, ...(etcd.serves && { paused: view.isPaused }) }),
      live: (view?.live ?? []).map((node) => node.address),
      control: control.counts,
    };
  };

  directory.onRead = (view, changed) => {
    try {
      // Also when nothing changed: Docker writes the file anew when a network is connected.
      if (writeHosts(view)) log.info(`hosts: ${view.live.map(({ node }) => node).join(', ')} live`);
    } catch (error) {
      log.error(`/etc/hosts cannot be written: ${messageOf(error)}`);
    }
    if (!changed) return;
    ssh.nudge();
    etcd.nudge();
    leadership.nudge();
  };
  notebook.onCrash = () => leadership.nudge();
  notebook.volumeHangs = () => looks.hangs;
  looks.onLook = () => leadership.runIfAllowed();
  etcd.onRevision = (revision) => directory.heard(revision);
  etcd.onChange = () => {
    // It may not hear of others from now on.
    ssh.nudge();
    heartbeat.nudge();
    directory.nudge();
    leadership.nudge();
  };

  const running = new AbortController();
  const status = await serveStatus(readStatus, () => executor.checked());
  // From the start: checks are due from then on.
  const left = leaving.run(running.signal);
  const volumeType = await prepareVolume(task);
  log.info(`the shared volume is there (${volumeType})`);
  const isFounder = task.founders[task.node] === task.taskId;
  const [authority] = await Promise.all([clusterAuthority(), isFounder && claimGeneration(task)]);
  phase = 'making keys';
  await credentials.open(authority);
  await control.listen(credentials);
  // etcd needs no key, and the first start is worth a parallel.
  const duties = [etcd.run(running.signal), directory.run(running.signal)];
  duties.push(
    ssh.prepare().then(() => {
      phase = '';
      // Who hears of this node finds its keys on the volume.
      return Promise.race([ssh.run(running.signal), heartbeat.run(running.signal)]);
    }),
  );
  duties.push(notebook.run(running.signal));
  duties.push(leadership.run(running.signal), looks.run(running.signal), fence.run(running.signal));
  duties.push(credentials.run(running.signal));

  const end = await Promise.race([left, ...duties, stopped])
    .then(async (first) => {
      await takeDown();
      return first instanceof NodeEnd ? first : undefined;
    })
    .catch(async (error) => {
      // The node ends with that error's code whatever else fails; Jupyter must not outlive its keeper.
      await within(3000, 'the end of Jupyter', notebook.kill('the node agent ends'));
      throw error;
    });
  if (end !== undefined) throw end;

  /** About 6 s at the most, of the 10 s that Mesos leaves between SIGTERM and SIGKILL. */
  async function takeDown(): Promise<void> {
    phase = 'leaving';
    heartbeat.fade();
    log.info('leaving: Jupyter first, then the key, leadership, the heartbeat, etcd');
    await within(4000, 'the hand-over', leadership.leave());
    await within(1000, 'the farewell', heartbeat.leave());
    running.abort();
    await Promise.all([etcd.stop(), ssh.stop()]);
    control.close();
    status.close();
    log.info('gone');
  }

  async function within(ms: number, what: string, work: Promise<void>): Promise<void> {
    const tooLong = sleep(ms).then(() => Promise.reject(new Error(`took longer than ${ms / 1000} s`)));
    await Promise.race([work, tooLong]).catch((error) => log.warn(`${what}: ${messageOf(error)}`));
  }
}

/** What is not as it should be, in one sentence; empty when all is well. */
function reasonOf(etcd: EtcdMember, heartbeat: Heartbeat, looks: Looks): string {
  if (!etcd.serves) {
    if (etcd.start === undefined || etcd.standing.role === 'learner') return etcd.reason;
    return 'etcd has no leader yet: a majority of its voters has to run';
  }
  if (!heartbeat.heard) return 'the cluster does not hear this node';
  if (!looks.fresh)
    return `Jupyter may not run here: ${looks.trouble ?? 'the shared volume was not looked at yet'}`;
  return '';
}
