/**
 * Stands in for Marathon: starts an app's one task on a Mesos agent that a test chooses, by the translation that Marathon 1.6 makes
 * (mesosphere/marathon, v1.6.322: TaskBuilder.scala and EnvironmentHelper.scala), on the embedded Mesos, which runs it by `docker run`,
 * probes its health in its network namespace and kills it with its grace period. What Marathon decides, a test does by hand.
 */
import { randomUUID } from 'node:crypto';
import type { Offer, Resource, TaskInfo } from '../../framework/mesos/schema/codec.js';
import { Scheduler, type Task } from '../conformance/scheduler.js';
import { waitFor } from '../support/wait.js';
import { type App, portsOf } from './app-schema.js';

/** Where Mesos is, and as whom it is asked. */
interface Access {
  readonly master: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly principal: string;
}

export interface Launched {
  readonly task: Task;
  /** What Marathon gave it as `$PORT0`. */
  readonly port: number;
}

export class Marathon {
  readonly #framework: Scheduler;

  private constructor(framework: Scheduler) {
    this.#framework = framework;
  }

  static async start(access: Access): Promise<Marathon> {
    const framework = await Scheduler.subscribe(
      {
        ...access,
        role: '*',
        // What tasks of the suite's own making run; Marathon's bring theirs.
        image: '',
        network: '',
        addresses: [],
        close: async () => {},
      },
      { codec: 'application/json', info: { name: 'marathon' }, isSuppressed: true, keepsOffers: true },
    );
    const { subscription } = framework;
    await subscription.until('the subscription', () =>
      subscription.events.find(({ type }) => type === 'SUBSCRIBED'),
    );
    return new Marathon(framework);
  }

  /** Resolves when the task runs. */
  async launch(app: App, hostname: string): Promise<Launched> {
    const framework = this.#framework;
    await framework.subscription.call({ type: 'REVIVE' });
    const offer = await waitFor(`an offer of ${hostname}`, 20_000, () =>
      [...framework.outstanding.values()].find((each) => each.hostname === hostname),
    );
    const port = portOf(offer);
    const id = `${app.id.slice(1).replaceAll('/', '_')}.${randomUUID()}`;
    const task = framework.expect({ script: '' }, id);
    await framework.accept([offer], [taskInfoOf(app, { id, offer, port })]);
    // Others are to have the rest.
    await framework.subscription.call({ type: 'SUPPRESS' });
    await framework.decline(3600);
    await task.next('TASK_STARTING');
    await task.next('TASK_RUNNING');
    return { task, port };
  }

  /** As at a redeploy: SIGTERM, and SIGKILL when the grace period is over. */
  async kill({ task }: Launched): Promise<void> {
    await this.#framework.kill(task);
  }

  async stop(): Promise<void> {
    await this.#framework.teardown();
  }
}

function portOf(offer: Offer): number {
  const ports = (offer.resources ?? []).find(({ name }) => name === 'ports');
  const port = ports?.ranges?.range?.[0]?.begin;
  if (port === undefined) throw new Error(`${offer.hostname} offers no port`);
  return port;
}

interface Placement {
  readonly id: string;
  readonly offer: Offer;
  /** Of the host; all apps here have one port. */
  readonly port: number;
}

function taskInfoOf(app: App, { id, offer, port }: Placement): TaskInfo {
  const [network] = app.networks;
  const { docker, volumes = [], portMappings = [] } = app.container;
  const [mapping] = portMappings;
  const [check] = app.healthChecks;
  return {
    name: app.id.slice(1),
    task_id: { value: id },
    agent_id: offer.agent_id,
    resources: [
      scalar('cpus', app.cpus),
      scalar('mem', app.mem),
      {
        name: 'ports',
        type: 'RANGES',
        ranges: { range: [{ begin: port, end: port }] },
        allocation_info: { role: '*' },
      },
    ],
    command: {
      shell: false,
      arguments: app.args ?? [],
      environment: {
        variables: Object.entries(environmentOf(app, { id, offer, port })).map(([name, value]) => ({
          name,
          value,
        })),
      },
    },
    container: {
      type: 'DOCKER',
      volumes: volumes.map(({ containerPath, hostPath, mode }) => ({
        container_path: containerPath,
        host_path: hostPath,
        mode,
      })),
      docker: {
        image: docker.image,
        network: network?.mode === 'host' ? 'HOST' : network?.mode === 'container' ? 'USER' : 'BRIDGE',
        force_pull_image: docker.forcePullImage ?? false,
        port_mappings:
          mapping === undefined
            ? []
            : [
                {
                  host_port: port,
                  container_port: mapping.containerPort,
                  protocol: mapping.protocol ?? 'tcp',
                },
              ],
        parameters: [...(docker.parameters ?? []), { key: 'label', value: `MESOS_TASK_ID=${id}` }],
      },
      ...(network?.mode === 'container' && { network_infos: [{ name: network.name }] }),
    },
    ...(check !== undefined && {
      health_check: {
        type: 'HTTP',
        // A mapped port is probed inside, in the container's own network.
        http: { scheme: 'http', port: mapping?.containerPort ?? port, path: check.path ?? '/' },
        delay_seconds: check.delaySeconds ?? 15,
        interval_seconds: check.intervalSeconds ?? 60,
        timeout_seconds: check.timeoutSeconds ?? 20,
        consecutive_failures: check.maxConsecutiveFailures ?? 3,
        grace_period_seconds: check.gracePeriodSeconds ?? 300,
      },
    }),
    kill_policy: { grace_period: { nanoseconds: app.taskKillGracePeriodSeconds * 1e9 } },
  };
}

const scalar = (name: string, value: number): Resource => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  allocation_info: { role: '*' },
});

/** The host's port goes by its number, its index and its name; what the app sets is stronger. */
function environmentOf(app: App, { id, offer, port }: Placement): Record<string, string> {
  const text = String(port);
  const [named] = portsOf(app);
  const asked = app.container.portMappings?.[0]?.containerPort ?? app.portDefinitions?.[0]?.port ?? 0;
  return {
    MESOS_TASK_ID: id,
    MARATHON_APP_ID: app.id,
    MARATHON_APP_VERSION: new Date(0).toISOString(),
    MARATHON_APP_DOCKER_IMAGE: app.container.docker.image,
    MARATHON_APP_RESOURCE_CPUS: String(app.cpus),
    MARATHON_APP_RESOURCE_MEM: String(app.mem),
    MARATHON_APP_RESOURCE_DISK: String(app.disk ?? 0),
    MARATHON_APP_RESOURCE_GPUS: '0',
    MARATHON_APP_LABELS: Object.keys(app.labels).join(' '),
    ...Object.fromEntries(
      Object.entries(app.labels).map(([name, value]) => [`MARATHON_APP_LABEL_${name}`, value]),
    ),
    PORT0: text,
    PORT: text,
    PORTS: text,
    [`PORT_${asked === 0 ? text : asked}`]: text,
    ...(named?.name !== undefined && { [`PORT_${named.name.toUpperCase()}`]: text }),
    HOST: offer.hostname,
    ...app.env,
  };
}
