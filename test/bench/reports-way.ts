/**
 * The cluster that the university report describes, to measure against: the same image, network and etcd, its loop written anew. Every
 * container starts etcd as one of a new cluster, says every 40 s that it lives (for 60 s), writes /etc/hosts from who does, and starts
 * Jupyter when its etcd leads.
 */
import { ports } from '../../executor-image/contract.js';
import {
  createTestNetwork,
  docker,
  imageUnderTest,
  removeContainer,
  startContainer,
  type TestNetwork,
  uniqueName,
} from '../support/docker.js';

/** How long a turn of its loop takes, but for what is done in it. */
export const reportsLoopS = 40;

/**
 * $1 the own address, then those of all. The report's etcdctl spoke etcd's v2 API and gave up at once where nothing listens, as at a
 * container's start; today's would wait. Hence the look at the port.
 */
const loop = `
me=$1; shift
unset ETCDCTL_ENDPOINTS ETCDCTL_CACERT ETCDCTL_CERT ETCDCTL_KEY
members=$(for one in "$@"; do printf '%s=http://%s:2380,' "$one" "$one"; done)
etcd --name "$me" --data-dir /tmp/etcd --initial-cluster "\${members%,}" --initial-cluster-state new \\
  --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls "http://$me:2380" \\
  --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls "http://$me:2379" --log-level error &
while :; do
  if ! (: < /dev/tcp/127.0.0.1/2379) 2> /dev/null; then
    sleep ${reportsLoopS}
    continue
  fi
  lease=$(etcdctl lease grant 60 | awk '{ print $2 }')
  etcdctl put --lease="$lease" "alive/$me" yes
  {
    echo 127.0.0.1 localhost
    etcdctl get --prefix alive/ --keys-only | sed -n 's,^alive/,,p' | sort | awk '{ print $1 " node" NR-1 }'
  } > /tmp/hosts && cat /tmp/hosts > /etc/hosts
  status=$(etcdctl endpoint status -w fields)
  member=$(echo "$status" | sed -n 's/^"MemberID" : //p')
  if [ -n "$member" ] && [ "$member" = "$(echo "$status" | sed -n 's/^"Leader" : //p')" ] && [ -z "$jupyter" ]; then
    jupyter lab --allow-root --ip=0.0.0.0 --port=${ports.notebook} --no-browser \\
      --ServerApp.base_url=/notebook/ --IdentityProvider.token=report > /tmp/jupyter.log 2>&1 &
    jupyter=$!
  fi
  sleep ${reportsLoopS}
done
`;

export class ReportsCluster {
  readonly addresses: readonly string[];
  readonly #network: TestNetwork;
  readonly #names: readonly string[];

  private constructor(
    network: TestNetwork,
    firstHost: number,
    size: number,
    readonly ownsNetwork: boolean,
  ) {
    this.#network = network;
    this.addresses = Array.from({ length: size }, (_, node) => network.address(firstHost + node));
    this.#names = this.addresses.map((_, node) => uniqueName(`mj-report-${node}`));
  }

  static async create(size = 3): Promise<ReportsCluster> {
    return new ReportsCluster(await createTestNetwork('mj-report'), 10, size, true);
  }

  /** One of several in a network that outlives it, at the addresses from number `firstHost` on. */
  static on(network: TestNetwork, firstHost: number, size = 3): ReportsCluster {
    return new ReportsCluster(network, firstHost, size, false);
  }

  async start(): Promise<void> {
    await Promise.all(
      this.#names.map((name, node) =>
        startContainer(
          name,
          [
            ...['--net', this.#network.name, '--ip', this.addresses[node] ?? ''],
            ...['--init', '--entrypoint', 'bash'],
          ],
          imageUnderTest(),
          ['-c', loop, 'report', this.addresses[node] ?? '', ...this.addresses],
        ),
      ),
    );
  }

  container(node: number): string {
    return this.#names[node] ?? '';
  }

  /** Where Docker keeps a node's /etc/hosts. */
  hostsFile(node: number): Promise<string> {
    return docker('inspect', '-f', '{{.HostsPath}}', this.container(node));
  }

  async remove(): Promise<void> {
    await Promise.all(this.#names.map(removeContainer));
    if (this.ownsNetwork) await this.#network.remove();
  }
}
