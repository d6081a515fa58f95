/**
 * A node's status as Prometheus reads it (text format 0.0.4). By hand: prom-client takes 13 MB of resident memory for
 * it (15.1.3, measured), an eighth of what the whole node agent may have.
 */
import type { NodeStatus } from '../contract.js';

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string | number>>;

interface Metric {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  /** No sample where nothing is known. */
  readonly samples: readonly { readonly value: number | boolean; readonly labels?: Labels }[];
}

/** What the node agent's own process has taken of the machine. */
export interface Usage {
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

const prefix = 'mesos_jupyter_node_';
const roles: readonly NodeStatus['etcd']['role'][] = ['none', 'learner', 'follower', 'leader'];
const notebookStates: readonly NodeStatus['notebook']['state'][] = [
  'stopped',
  'starting',
  'serving',
  'frozen',
  'stopping',
];

export function renderMetrics(status: NodeStatus, usage: Usage): string {
  return metricsOf(status, usage).map(render).join('');
}

function metricsOf(status: NodeStatus, usage: Usage): Metric[] {
  const { etcd, notebook, volume, control } = status;
  const gauge = (name: string, help: string, ...values: (number | boolean | undefined)[]): Metric => ({
    name: prefix + name,
    type: 'gauge',
    help,
    samples: values.filter((value) => value !== undefined).map((value) => ({ value })),
  });
  /** One sample a state, of which one is 1. */
  const states = (
    name: string,
    help: string,
    label: string,
    all: readonly string[],
    present: string,
  ): Metric => ({
    name: prefix + name,
    type: 'gauge',
    help,
    samples: all.map((state) => ({ value: state === present, labels: { [label]: state } })),
  });
  const { node, address, taskId, incarnation, generation, contractVersion } = status;
  return [
    {
      name: `${prefix}info`,
      type: 'gauge',
      help: 'Who this is; always 1.',
      samples: [
        {
          value: 1,
          labels: { node, address, task: taskId, incarnation, generation, contract_version: contractVersion },
        },
      ],
    },
    gauge('ready', 'Whether the node serves its purpose, as /readyz says.', status.ready),
    gauge('uptime_seconds', 'Since the node agent started.', status.uptimeS),
    gauge(
      'leaving',
      'Whether the node is to leave: an orphan, or one whose mount is dead.',
      status.leaving !== undefined,
    ),
    states('etcd_role', 'What the node is in etcd.', 'role', roles, etcd.role),
    states('notebook_state', "Jupyter's state in this container.", 'state', notebookStates, notebook.state),
    gauge('holds_notebook', 'Whether this task holds the notebook key.', notebook.holderTaskId === taskId),
    gauge('volume_look_age_seconds', 'Age of the last look that saw the shared volume.', volume.lookAgeS),
    gauge('volume_fresh', 'Whether that is young enough for Jupyter to run here.', volume.fresh),
    gauge('fenced', 'Whether no task of an earlier generation can run Jupyter any more.', status.fenced),
    gauge('paused', 'Whether the operator has the cluster paused.', status.paused),
    gauge('live_nodes', 'Nodes whose heartbeat the cluster hears.', status.live.length),
    {
      name: `${prefix}control_calls_total`,
      type: 'counter',
      help: 'Control calls that were taken.',
      samples: [{ value: control.taken }],
    },
    {
      name: `${prefix}control_calls_refused_total`,
      type: 'counter',
      help: 'Control calls that were refused, by reason.',
      samples: Object.entries(control.refused).map(([reason, value]) => ({ value, labels: { reason } })),
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory of the node agent itself.',
      samples: [{ value: usage.residentBytes }],
    },
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'Processor time of the node agent itself, user and system.',
      samples: [{ value: usage.cpuSeconds }],
    },
  ];
}

function render({ name, type, help, samples }: Metric): string {
  const lines = samples.map(({ value, labels = {} }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${quoted(String(text))}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${Number(value)}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

const quoted = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
