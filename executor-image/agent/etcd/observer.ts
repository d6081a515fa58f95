/** What the live peers say of the cluster, and for how long they have said so. */
import type { Etcd3 } from 'etcd3';
import { ports, type TaskEnvironment } from '../../contract.js';
import { askNodeAgent } from '../ask.js';
import { bootClockMs } from '../clock.js';
import type { Credentials } from '../trust/credentials.js';
import { getByTls } from '../trust/get.js';
import { connect, hexId, listMembers, type Member, statusOf } from './client.js';
import { newestIncarnation } from './incarnation.js';
import { type ClusterState, connectedPeers, speaksForCluster } from './membership.js';

const answerWithinMs = 800;

export interface View {
  readonly cluster?: ClusterState;
  /** The leader's address, where changes of members are sent. */
  readonly leaderAddress?: string;
  readonly silent: readonly string[];
}

/** Remembers since when something is so. */
class Since {
  #since = new Map<string, number>();

  /** For how long each of `present` has been there; what is no more is forgotten. */
  update(present: readonly string[], nowMs: number): Map<string, number> {
    this.#since = new Map(present.map((id) => [id, this.#since.get(id) ?? nowMs]));
    return new Map([...this.#since].map(([id, since]) => [id, nowMs - since]));
  }
}

export class Observer {
  readonly #clients = new Map<string, Etcd3>();
  readonly #disconnected = new Since();
  readonly #learners = new Since();

  constructor(
    /** Addresses of the other nodes. */
    readonly peers: readonly string[],
    readonly task: Pick<TaskEnvironment, 'node' | 'generation'>,
    readonly credentials: Credentials,
  ) {
    // Others take their place when they are asked for.
    credentials.onRenewed(() => this.close());
  }

  client(address: string): Etcd3 {
    let client = this.#clients.get(address);
    if (client === undefined) {
      client = connect(address, this.credentials);
      this.#clients.set(address, client);
    }
    return client;
  }

  async look(): Promise<View> {
    const voters: { address: string; leader: string }[] = [];
    const silent = new Set<string>();
    // In one order, so that a reason is another only when something is.
    const inOrder = () => this.peers.filter((address) => silent.has(address));
    await Promise.all(
      this.peers.map(async (address) => {
        const [status, agent] = await Promise.all([
          statusOf(this.client(address), answerWithinMs).catch(() => undefined),
          askNodeAgent(address, answerWithinMs).catch(() => undefined),
        ]);
        const peer = { status, generation: agent?.generation };
        if (speaksForCluster(peer, this.task.generation))
          voters.push({ address, leader: peer.status.leader });
        else silent.add(address);
      }),
    );
    for (const { address, leader } of voters) {
      try {
        const members = await listMembers(this.client(address));
        const leaderAddress = members.find(({ id }) => id === leader)?.address;
        if (leaderAddress === undefined || !voters.some((voter) => voter.address === leaderAddress)) continue;
        const cluster = await this.#clusterOf(leaderAddress, leader);
        return { cluster, leaderAddress, silent: inOrder() };
      } catch {
        silent.add(address);
      }
    }
    return { silent: inOrder() };
  }

  async #clusterOf(leaderAddress: string, leader: string): Promise<ClusterState> {
    const metrics = await getByTls(`https://${leaderAddress}:${ports.etcdClient}/metrics`, {
      ...this.credentials.tls,
      servername: this.credentials.nameOf(leaderAddress),
    });
    const connected = connectedPeers(metrics);
    const client = this.client(leaderAddress);
    const members = await listMembers(client);
    const newest = await newestIncarnation(client, this.task.node);
    const now = bootClockMs();
    const ids = (which: (member: Member) => boolean) => members.filter(which).map(({ id }) => id);
    return {
      members,
      disconnectedForMs: this.#disconnected.update(
        ids(({ id }) => id !== leader && !connected.has(hexId(id))),
        now,
      ),
      learnerForMs: this.#learners.update(
        ids(({ learner }) => learner),
        now,
      ),
      newestIncarnation: newest,
    };
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
