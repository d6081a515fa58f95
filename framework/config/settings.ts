/**
 * What an operator can set: one table that types, defaults, checks, `--help` and docs/settings.md come from.
 * Names are those of the code and of the YAML file; flags and variables follow from them (`names.ts`).
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { leaseTtlTrouble } from '../../executor-image/lease-times.js';
import { type Constraint, parseConstraint } from '../cluster/constraints.js';
import { logLevels } from '../log.js';
import { contains, parseAddress, parseNetwork } from './addresses.js';
import { parseStoreUrl } from './store-url.js';

/** How a text, from a flag or from the environment, becomes the value that the schema checks. */
export type SettingKind = 'text' | 'number' | 'list' | 'parameters';

export const settingGroups = ['Mesos', 'Nodes', 'Notebook', 'Behaviour', 'Web', 'Hosts'] as const;

/** How the Docker network comes about; docs/hosts.md says what each keeps and loses. */
export const networkDrivers = ['calico', 'bridge', 'macvlan', 'ipvlan'] as const;
export type NetworkDriver = (typeof networkDrivers)[number];
export type SettingGroup = (typeof settingGroups)[number];

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  readonly kind: SettingKind;
  readonly group: SettingGroup;
  /** What stands for the value in `--help`. */
  readonly takes: string;
  /** One line for `--help`. */
  readonly help: string;
  /** What else docs/settings.md says. */
  readonly more?: string;
  /** For defaults that depend on the machine or on another setting: what to print. */
  readonly defaultText?: string;
  /** The default in a task of Marathon's, with `$NAME` for its variables; none where one of these is missing. */
  readonly underMarathon?: string;
  readonly schema: Schema;
}

function setting<Schema extends z.ZodType>(entry: Setting<Schema>): Setting<Schema> {
  return entry;
}

const text = (what: string) => z.string(`is not ${what}`).trim().min(1, 'is empty');
/** Names that end up in Mesos, in Docker or in a file's name. */
const name = (what: string) =>
  text(what).regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
    'may have letters, digits, "_", "." and "-" only, and starts with a letter or a digit',
  );
const amount = (least: number) => z.number('is not a number').min(least, `is less than ${least}`);
const whole = (least: number) => amount(least).refine(Number.isSafeInteger, 'is not a whole number');
const positive = () => z.number('is not a number').positive('is not more than 0');
const absolutePath = (what: string) =>
  text(what).refine(
    (path) => isAbsolute(path) && !path.includes('\0') && !path.split('/').includes('..'),
    'is not an absolute path: give it from "/" on, without ".."',
  );

/** Docker options that our own task sets, or with which `docker run` would end with a status that means nothing. */
const refusedDockerOptions: Readonly<Record<string, string>> = {
  attach: 'Mesos attaches to the container',
  cidfile: 'it has no meaning under Mesos',
  detach: "docker run's exit status would not be the container's",
  'detach-keys': 'Mesos attaches to the container',
  entrypoint: "the node agent is the image's entry point",
  hostname: 'each node has a host name of its own',
  ip: 'each node has an address of its own: use ips',
  name: 'Mesos names the container',
  net: 'use network',
  network: 'use network',
  pid: "the node agent's signals must stay in its container",
  restart: 'Mesos, not Docker, must see a container end',
  rm: 'Mesos removes the container',
  'sig-proxy': "Mesos' signals must reach the container",
  uts: 'each node has a host name of its own',
};

const dockerParameter = z
  .strictObject({
    key: z
      .string('has no key')
      .regex(/^[a-z][a-z0-9-]*$/, 'is not the long name of a docker run option without its dashes'),
    value: z.union([z.string(), z.number(), z.boolean()], 'has no "=value"').transform(String),
  })
  .superRefine(({ key, value }, context) => {
    const why = refusedDockerOptions[key];
    if (why !== undefined) context.addIssue(`may not set "${key}": ${why}`);
    if (key === 'env' && value.startsWith('MJ_')) {
      context.addIssue('may not set a variable MJ_…: these are what the scheduler tells the node agent');
    }
  });

export type DockerParameter = Readonly<z.output<typeof dockerParameter>>;

/** An URL of a master, or of several, or of the masters' path in ZooKeeper. */
const master = text('text').transform((value, context) => {
  const help = 'give http://HOST:PORT, several of them separated by commas, or zk://HOST:PORT,…/PATH';
  const problem = (message: string) => {
    context.addIssue(`${message}: ${help}`);
    return z.NEVER;
  };
  if (value.startsWith('zk://')) {
    return /^zk:\/\/[^/@\s]+\/[^\s]*[^/\s]$/.test(value)
      ? value
      : problem('is not zk://HOST:PORT[,HOST:PORT…]/PATH');
  }
  const urls: string[] = [];
  const parts = value.split(',').map((part) => part.trim());
  for (const part of parts) {
    const subject = parts.length > 1 ? `has "${part}", which ` : '';
    if (part === '') return problem('has an empty address between its commas');
    if (!/^https?:\/\//i.test(part)) return problem(`${subject}does not start with http:// or https://`);
    if (!URL.canParse(part)) return problem(`${subject}is not a URL`);
    const url = new URL(part);
    if (url.username !== '' || url.password !== '') {
      return problem('has a user name or a password in it, which logs would show');
    }
    if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
      return problem(`${subject}has a path after its host and port`);
    }
    urls.push(url.origin);
  }
  return urls.join(',');
});

/** "This network", loopback, multicast and reserved. */
const neverOfANode = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'].flatMap((text) => parseNetwork(text) ?? []);

const ips = z
  .array(z.string('is not a list of IPv4 addresses').trim(), 'is not a list of IPv4 addresses')
  .min(1, 'is empty')
  .superRefine((list, context) => {
    for (const ip of list) {
      const address = parseAddress(ip);
      if (address === undefined) {
        context.addIssue(`has "${ip}", which is not an IPv4 address such as 192.0.2.100`);
      } else if (neverOfANode.some((network) => contains(network, address))) {
        context.addIssue(`has ${ip}, an address that no node can have`);
      }
    }
    const twice = list.find((ip, index) => list.indexOf(ip) !== index);
    if (twice !== undefined) context.addIssue(`has ${twice} twice: each node needs an address of its own`);
    if (list.length % 2 === 0 || list.length > 7) {
      context.addIssue(
        `has ${list.length} addresses: give 1, 3, 5 or 7, one a node (an even number bears no more failures than one less, and etcd wants a majority)`,
      );
    }
  });

const hosts = z
  .array(z.string('is not a list of hosts').trim(), 'is not a list of hosts')
  .min(1, 'is empty')
  .superRefine((list, context) => {
    for (const host of list) {
      if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host)) {
        context.addIssue(`has "${host}", which is neither an IPv4 address nor a host name`);
      } else if (host === 'localhost' || host.startsWith('127.')) {
        context.addIssue(`has ${host}, by which other hosts do not reach this one`);
      }
    }
    const twice = list.find((host, index) => list.indexOf(host) !== index);
    if (twice !== undefined) context.addIssue(`has ${twice} twice`);
  });

/** A week: longer than a long weekend with the scheduler down, after which Mesos ends the tasks. */
const failoverTimeoutDefaultS = 7 * 24 * 3600;

export const settingTable = {
  master: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'URL',
    help: 'Mesos master, http://HOST:PORT[,…] or zk://HOST:PORT[,…]/PATH',
    more: 'Of several masters, the one that leads is found. With ZooKeeper, a change of leader is followed at once; masters are then asked by TLS where a `tls…File` is set.',
    schema: master,
  }),
  masterTimeoutS: setting({
    kind: 'number',
    group: 'Mesos',
    takes: 'SECONDS',
    help: 'how long the first subscription may take; afterwards it is tried for ever',
    schema: positive().default(30),
  }),
  frameworkName: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'NAME',
    help: "the framework's name",
    schema: name('a name').default('mesos-jupyter'),
  }),
  user: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'USER',
    help: "user on the Mesos agents' hosts that tasks run as",
    more: 'Mesos does not let it be changed for a framework that is registered.',
    schema: name('a user name').default('root'),
  }),
  role: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'ROLE',
    help: 'role whose resources are used',
    schema: text('a role')
      .regex(/^(\*|(?![-.])[^\s*/][^\s*]*(?<!\/))$/, 'is not a role that Mesos takes')
      .default('*'),
  }),
  principal: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'NAME',
    help: 'principal that the framework registers with',
    schema: text('a name').optional(),
  }),
  secretFile: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'FILE',
    help: "file with the principal's secret",
    more: 'Or put the secret itself into the variable `MESOS_JUPYTER_SECRET`. It is never logged.',
    schema: absolutePath('a file').optional(),
  }),
  tlsCaFile: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'FILE',
    help: "certificates that the master's is checked against, PEM",
    defaultText: "Node's own",
    schema: absolutePath('a file').optional(),
  }),
  tlsCertFile: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'FILE',
    help: 'client certificate for the master, PEM',
    schema: absolutePath('a file').optional(),
  }),
  tlsKeyFile: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'FILE',
    help: "the client certificate's key, PEM",
    schema: absolutePath('a file').optional(),
  }),
  failoverTimeoutS: setting({
    kind: 'number',
    group: 'Mesos',
    takes: 'SECONDS',
    help: 'how long Mesos keeps tasks while no scheduler is there',
    more: 'After it, Mesos ends all tasks of the framework, and its id is of no more use. The default is a week.',
    schema: amount(60).default(failoverTimeoutDefaultS),
  }),
  webuiUrl: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'URL',
    help: "link behind the framework's name in Mesos' web page",
    more: 'It leads to the status, and later to the notebook.',
    defaultText: 'where the status is served, unless only this machine reaches it',
    underMarathon: 'http://$HOST:$PORT0',
    schema: z.url({ protocol: /^https?$/, error: 'is not an http:// or https:// URL' }).optional(),
  }),
  hostname: setting({
    kind: 'text',
    group: 'Mesos',
    takes: 'HOST',
    help: 'host name that the scheduler registers under',
    defaultText: "this machine's",
    underMarathon: '$HOST',
    schema: name('a host name').default(() => hostname()),
  }),
  image: setting({
    kind: 'text',
    group: 'Nodes',
    takes: 'IMAGE',
    help: 'Docker image of a node, as hosts can pull or already have it',
    schema: text('an image').regex(
      /^[a-z0-9][a-z0-9._/:@-]*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?$/,
      'is not the name of a Docker image',
    ),
  }),
  network: setting({
    kind: 'text',
    group: 'Nodes',
    takes: 'NAME',
    help: 'Docker network that gives nodes fixed addresses',
    schema: name('the name of a Docker network')
      .refine((value) => !['host', 'bridge', 'none', 'default'].includes(value), 'gives no fixed addresses')
      .default('calico'),
  }),
  ips: setting({
    kind: 'list',
    group: 'Nodes',
    takes: 'IP,IP,IP',
    help: "the nodes' addresses on that network; how many there are is how many nodes run",
    more: 'An odd number, 1, 3, 5 or 7. Node 0 has the first one for life, and so on.',
    schema: ips,
  }),
  subnet: setting({
    kind: 'text',
    group: 'Nodes',
    takes: 'CIDR',
    help: "the network's range, so that addresses outside it are refused at once",
    schema: text('a network')
      .refine((value) => parseNetwork(value) !== undefined, 'is not a network such as 192.0.2.0/24')
      .optional(),
  }),
  shared: setting({
    kind: 'text',
    group: 'Nodes',
    takes: 'DIR',
    help: "the shared volume's directory on every host; a GlusterFS mount",
    more: 'Notebooks live in it, and the cluster keeps its secrets in a directory of mode 0700 there.',
    schema: absolutePath('a directory').refine((path) => !/^\/+$/.test(path), 'is the root directory'),
  }),
  sharedVolumeType: setting({
    kind: 'text',
    group: 'Nodes',
    takes: 'TYPE',
    help: 'file system type that the shared volume must be of; nodes refuse any other',
    more: 'As `/proc/self/mountinfo` calls it: `fuse.glusterfs` in production. Without it, a host whose volume is not mounted gives its nodes a directory of its own disk, and nobody notices before files are missing. A node that refuses ends with `volumeUnusable`, and is launched again elsewhere or later.',
    defaultText: 'any',
    schema: text('a file system type')
      .regex(/^[a-z0-9][a-z0-9._-]*$/, 'is not the name of a file system type such as fuse.glusterfs')
      .optional(),
  }),
  cpus: setting({
    kind: 'number',
    group: 'Nodes',
    takes: 'N',
    help: 'CPUs of a node',
    schema: amount(0.1).default(1),
  }),
  memMb: setting({
    kind: 'number',
    group: 'Nodes',
    takes: 'MB',
    help: 'memory of a node, in MB',
    more: 'Docker ends a node that needs more. etcd and Jupyter alone want some 400 MB.',
    schema: whole(256).default(2048),
  }),
  diskMb: setting({
    kind: 'number',
    group: 'Nodes',
    takes: 'MB',
    help: 'disk that is asked of Mesos for a node, in MB',
    schema: whole(0).default(0),
  }),
  constraints: setting({
    kind: 'list',
    group: 'Nodes',
    takes: 'FIELD:OPERATOR[:VALUE],…',
    help: "hosts that nodes may run on, in Marathon's words",
    more: 'FIELD is `hostname` or an attribute of the Mesos agents. `UNIQUE`: each node on another value; `CLUSTER[:VALUE]`: all on one value; `GROUP_BY[:N]`: spread evenly over the values, of which there are at least N; `LIKE:REGEX` and `UNLIKE:REGEX`: the whole value matches, or does not. Nodes are spread over hosts in any case, as far as offers allow.',
    defaultText: 'none',
    schema: z
      .array(z.string('is not a list of FIELD:OPERATOR[:VALUE]'), 'is not a list of FIELD:OPERATOR[:VALUE]')
      .transform((list, context): readonly Constraint[] =>
        list.flatMap((text) => {
          const constraint = parseConstraint(text.trim());
          if (typeof constraint !== 'string') return [constraint];
          context.addIssue(`has "${text}", which is no constraint: ${constraint}`);
          return [];
        }),
      )
      .default([]),
  }),
  dockerParameters: setting({
    kind: 'parameters',
    group: 'Nodes',
    takes: 'KEY=VALUE',
    help: 'a further option of docker run; may be given several times',
    more: `In the file a list of \`{key, value}\` or of \`key=value\`; in the environment \`key=value\` separated by semicolons. Not to be set so: ${Object.keys(
      refusedDockerOptions,
    )
      .map((key) => `\`${key}\``)
      .join(', ')}.`,
    schema: z.array(dockerParameter, 'is not a list of key=value').default([]),
  }),
  basePath: setting({
    kind: 'text',
    group: 'Notebook',
    takes: 'PATH',
    help: "URL path under which Jupyter serves, such as '/notebook/'",
    schema: z
      .string('is not a path')
      .regex(/^[A-Za-z0-9/._~-]*$/, 'may have letters, digits and "/", ".", "_", "~", "-" only')
      .refine(
        (path) => !path.split('/').some((part) => part === '.' || part === '..'),
        'has "." or ".." in it',
      )
      .transform((path) =>
        `/${path
          .split('/')
          .filter((part) => part !== '')
          .join('/')}/`.replace('//', '/'),
      )
      .default('/notebook/'),
  }),
  leaseTtlS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: "life of a node's leases in etcd without renewal",
    more: 'Shorter: a dead node is noticed sooner. Longer: more patience with a slow network. Not less than 2: the election timeout of etcd is a second, and up to a second of it is kept back to freeze Jupyter in.',
    schema: whole(1)
      .superRefine((ttlS, context) => {
        const trouble = leaseTtlTrouble(ttlS);
        if (trouble !== undefined) context.addIssue({ code: 'custom', message: trouble });
      })
      .default(5),
  }),
  lookLimitS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'how long Jupyter may go on without a sight of the shared volume',
    more:
      "More than the volume's own pauses (GlusterFS: network.ping-timeout, 42 s unless set), since Jupyter is stopped at this limit. Less: sooner back " +
      'after a host was lost without a trace, since a new founding waits for this and a sixth (3 s at least) more. Change it only after a teardown: tasks of ' +
      'different limits would wait too short a time for one another.',
    schema: whole(5).default(60),
  }),
  warmStandby: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'on|off',
    help: 'whether nodes that do not hold the notebook keep a JupyterLab imported',
    more: 'It costs each of them 80 MB of memory, and saves half a second of a failover.',
    schema: z.enum(['on', 'off'], 'is not on or off').default('on'),
  }),
  killGraceS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'time that a node has to end before it is killed',
    schema: amount(1).default(10),
  }),
  launchTimeoutS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'time that a launched task has to be heard of, the pull of its image included',
    schema: amount(10).default(300),
  }),
  unreachableGraceS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'time that a node may be unreachable before it is replaced',
    schema: amount(0).default(120),
  }),
  backoffMinS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'wait before the first relaunch of a node; doubles each time',
    schema: positive().default(1),
  }),
  backoffMaxS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'longest wait before a relaunch',
    schema: positive().default(120),
  }),
  healthySpellS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'how long a task must run until its earlier failures are forgotten',
    schema: positive().default(60),
  }),
  offerHoldMs: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'MS',
    help: 'how long offers are held to choose the best spread over hosts, in milliseconds',
    schema: whole(0).max(10_000, 'is more than 10000: offers are not to be hoarded').default(500),
  }),
  declineRefuseS: setting({
    kind: 'number',
    group: 'Behaviour',
    takes: 'SECONDS',
    help: 'how long a declined offer is not wanted again',
    schema: amount(0)
      .max(365 * 24 * 3600, 'is more than the 365 days that Mesos takes')
      .default(3600),
  }),
  releaseAddress: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'COMMAND',
    help: "shell command that releases a node's address which stays assigned after its container is gone",
    more: '`{address}` in it is replaced. With Calico: `calicoctl ipam release --ip={address}`. It is run when Docker says that the address is taken and all earlier tasks of the node are proven dead, or have been waited for as long as `unreachableGraceS`.',
    defaultText: 'none: the log says what to run',
    schema: text('a command')
      .refine((command) => command.includes('{address}'), 'has no {address} in it')
      .optional(),
  }),
  stateFile: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'FILE',
    help: 'where the scheduler keeps its framework id and tasks',
    more: "Keep it: with it a new scheduler takes the tasks over. As another user than root it is in `$XDG_STATE_HOME/mesos-jupyter`, or `~/.local/state/mesos-jupyter`. The framework's name is part of the default.",
    defaultText: '/var/lib/mesos-jupyter/<framework-name>.json',
    schema: absolutePath('a file'),
  }),
  store: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'URL',
    help: 'etcd that keeps this in place of a file, etcd://HOST:PORT[,…][/PREFIX]',
    more: "An etcd outside the cluster that is managed, such as the hosts' own. Schedulers on several machines may share it: one works, the others stand by. Without a prefix the keys begin with `/mesos-jupyter/<framework-name>`. `stateFile` is not used then.",
    defaultText: 'the state file',
    schema: text('text')
      .refine((value) => parseStoreUrl(value) !== undefined, 'is not etcd://HOST:PORT[,HOST:PORT…][/PREFIX]')
      .optional(),
  }),
  storeCaFile: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'FILE',
    help: "certificates that the store's etcd is checked against, PEM",
    more: 'With it, or with a client certificate, that etcd is talked to by TLS.',
    schema: absolutePath('a file').optional(),
  }),
  storeCertFile: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'FILE',
    help: "client certificate for the store's etcd, PEM",
    schema: absolutePath('a file').optional(),
  }),
  storeKeyFile: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'FILE',
    help: "that client certificate's key, PEM",
    schema: absolutePath('a file').optional(),
  }),
  storeUser: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'NAME',
    help: "user at the store's etcd",
    schema: text('a name').optional(),
  }),
  storePasswordFile: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'FILE',
    help: "file with that user's password",
    schema: absolutePath('a file').optional(),
  }),
  logLevel: setting({
    kind: 'text',
    group: 'Behaviour',
    takes: 'LEVEL',
    help: `how much is logged: ${logLevels.join(', ')}`,
    schema: z.enum(logLevels, `is not one of ${logLevels.join(', ')}`).default('info'),
  }),
  httpAddress: setting({
    kind: 'text',
    group: 'Web',
    takes: 'IP',
    help: "IP address that the scheduler's status is served at; 0.0.0.0 for all of this machine's",
    more: 'It is served at 127.0.0.1 in any case. Whoever reaches it may read it: addresses, hosts, task ids and reasons, no secret.',
    underMarathon: '0.0.0.0',
    schema: text('an IP address')
      .refine((value) => isIP(value) !== 0, 'is not an IP address')
      .default('127.0.0.1'),
  }),
  httpPort: setting({
    kind: 'number',
    group: 'Web',
    takes: 'PORT',
    help: "TCP port of the scheduler's status: GET /healthz and GET /status; 0 takes any, and logs it",
    more: 'Under Marathon with container networking set it to the `containerPort`: `$PORT0` is then the port of the host.',
    underMarathon: '$PORT0',
    schema: whole(0).max(65_535, 'is more than 65535').default(8475),
  }),
  hosts: setting({
    kind: 'list',
    group: 'Hosts',
    takes: 'HOST,HOST,HOST',
    help: 'the hosts that nodes run on, by addresses or names under which they reach one another',
    more: 'The same list, in the same order, on every host. The first makes the GlusterFS volume; its bricks lie on the first three.',
    schema: hosts.optional(),
  }),
  volume: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'NAME',
    help: 'the GlusterFS volume',
    schema: text('a name')
      .regex(/^[A-Za-z0-9_-]+$/, 'may have letters, digits, "_" and "-" only')
      .default('glustervol'),
  }),
  brick: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'DIR',
    help: "the volume's brick on every host: a directory below a file system of its own",
    schema: absolutePath('a directory').default('/data/glusterfs/brick'),
  }),
  arbiter: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'HOST',
    help: 'host whose brick holds names only, no data: replica 2 + arbiter in place of replica 3',
    defaultText: 'none',
    schema: text('a host').optional(),
  }),
  networkDriver: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'DRIVER',
    help: `how the Docker network is made where it is not there: ${networkDrivers.join(', ')}`,
    more: '[hosts.md](hosts.md#the-network) says what each keeps and loses.',
    schema: z.enum(networkDrivers, `is not one of ${networkDrivers.join(', ')}`).default('calico'),
  }),
  networkParent: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'INTERFACE',
    help: "this host's interface that macvlan or ipvlan is made on",
    schema: text('an interface')
      .regex(/^[^\s/]{1,15}$/, 'is not the name of an interface')
      .optional(),
  }),
  networkGateway: setting({
    kind: 'text',
    group: 'Hosts',
    takes: 'IP',
    help: "the subnet's router, for macvlan and ipvlan",
    defaultText: "the subnet's first address",
    schema: text('an address')
      .refine((value) => parseAddress(value) !== undefined, 'is not an IPv4 address')
      .optional(),
  }),
  admit: setting({
    kind: 'list',
    group: 'Hosts',
    takes: 'CIDR,…',
    help: "networks that Calico lets in to the nodes' Jupyter and node agents, beside the hosts",
    more: 'Those of browsers, and of a scheduler that runs on none of the hosts.',
    defaultText: 'none',
    schema: z
      .array(
        z
          .string('is not a list of networks')
          .trim()
          .refine((value) => parseNetwork(value) !== undefined, 'is not a network such as 10.0.0.0/8'),
        'is not a list of networks',
      )
      .default([]),
  }),
} as const;

export type SettingName = keyof typeof settingTable;
export const settingNames = Object.keys(settingTable) as readonly SettingName[];

const isOfHosts = (name: SettingName): boolean => settingTable[name].group === 'Hosts';
/** What prepares hosts, and matters to no scheduler. */
export const hostSettingNames = settingNames.filter(isOfHosts);
export const schedulerSettingNames = settingNames.filter((name) => !isOfHosts(name));

type Table = typeof settingTable;
type Shape = { [Name in SettingName]: Table[Name]['schema'] };

/** Everything that was set, checked and complete. */
export type Settings = Readonly<z.output<z.ZodObject<Shape>>>;
