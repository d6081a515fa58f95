/** `mesos-jupyter host check` and `host prepare`: one host, brought to what a node needs. docs/hosts.md is its page. */
import type { Argv, CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import { demand, loadSettings } from '../config/load.js';
import { hostSettingNames, type SettingName } from '../config/settings.js';
import { CodedError } from '../errors.js';
import type { Part } from '../host/wish.js';
import type { GlobalFlags } from './global-flags.js';

const group = 'This command:';

interface HostFlags extends GlobalFlags {
  only: string | undefined;
  'brick-on-root': boolean;
}

interface CheckFlags extends HostFlags {
  json: boolean;
}

interface PrepareFlags extends HostFlags {
  apply: boolean;
  'no-install': boolean;
  'wait-s': string;
}

const bothFlags = {
  only: { type: 'string', requiresArg: true, group, describe: 'one part of it: volume or network' },
  'brick-on-root': {
    type: 'boolean',
    group,
    describe: 'let the brick lie on the root file system (for a trial)',
    default: false,
  },
} as const;

const checkFlags = {
  json: { type: 'boolean', group, describe: 'print the facts as JSON', default: false },
} as const;

const prepareFlags = {
  apply: {
    type: 'boolean',
    group,
    describe: 'do what the plan says; without it nothing is changed',
    default: false,
  },
  'no-install': { type: 'boolean', group, describe: 'install no Debian package', default: false },
  'wait-s': {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'seconds to wait for what other hosts have to do',
    default: '0',
    defaultDescription: '0',
  },
} as const;

export const hostFlags = { ...bothFlags, ...checkFlags, ...prepareFlags };

export const hostCommandNames = ['check', 'prepare'] as const;

/** What a scheduler takes, too, and hosts must agree with. */
const sharedSettings = [
  'network',
  'subnet',
  'ips',
  'shared',
  'image',
] as const satisfies readonly SettingName[];
const settingsWithAValue = ['network', 'volume', 'brick', 'networkDriver', 'admit'] as const;

/** Those of both commands, with a group of their own for what only one of them has. */
function withFlags<T>(yargs: Argv<T>): Argv<T> {
  return addSettingFlags(yargs, [...sharedSettings, ...hostSettingNames]);
}

const checkCommand: CommandModule<GlobalFlags, CheckFlags> = {
  command: 'check',
  describe: 'say what this host has and lacks; changes nothing',
  builder: (yargs) =>
    withFlags(yargs)
      .usage(
        '$0 host check --hosts HOST,HOST,HOST --shared DIR --subnet CIDR [options]\n\nSays, a line a fact, whether this host has what a node needs, and what to do where it has not. It uses what it\nchecks: a write through the mount, a container at a fixed address. Exit status 3 when something is missing.',
      )
      .options({ ...bothFlags, ...checkFlags }) as Argv<CheckFlags>,
  async handler(argv) {
    const wish = wishOf(argv);
    const { checkHost, reportOf, printFacts, createTerminal } = await tools();
    const { host, facts } = await checkHost(wish);
    const report = reportOf(host, facts);
    if (argv.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else printFacts(facts, createTerminal());
    refuseUnready(report.facts);
  },
};

const prepareCommand: CommandModule<GlobalFlags, PrepareFlags> = {
  command: 'prepare',
  describe: 'bring this host to what a node needs; prints its plan, and does it with --apply',
  builder: (yargs) =>
    withFlags(yargs)
      .usage(
        '$0 host prepare --hosts HOST,HOST,HOST --shared DIR --subnet CIDR [options]\n\nPrints what is to be done on this host; with --apply it does that, and checks it. It may be run again and again:\nwhat is there stays as it is, and nothing is formatted, removed or made anew.',
      )
      .options({ ...bothFlags, ...prepareFlags }) as Argv<PrepareFlags>,
  async handler(argv) {
    const wish = wishOf(argv);
    const waitS = Number(argv.waitS);
    if (!/^\d+$/.test(String(argv.waitS))) {
      throw new CodedError('CONFIG_INVALID', `--wait-s "${argv.waitS}" is not a whole number of seconds`);
    }
    const { checkHost, observe, judge, prepareHost, reportOf, printFacts, printPlan, createTerminal } =
      await tools();
    const terminal = createTerminal();
    const look = () => observe(wish, { tries: false });
    printPlan(judge(wish, await look()), terminal);
    if (!argv.apply) {
      terminal.say('Nothing was changed: --apply does it.');
      return;
    }
    await prepareHost({ wish, look, terminal, install: !argv.noInstall, waitS });
    const { host, facts } = await checkHost(wish);
    printFacts(facts, terminal);
    refuseUnready(reportOf(host, facts).facts);
  },
};

export const hostCommand: CommandModule<GlobalFlags, GlobalFlags> = {
  command: 'host',
  describe: 'check this host, or prepare it, for nodes: GlusterFS volume and Docker network',
  builder: (yargs) =>
    yargs
      .usage('$0 host <check|prepare> [options]')
      .command(checkCommand)
      .command(prepareCommand)
      .demandCommand(1, 1, 'give what to do with the host: check or prepare (--help says more)'),
  handler() {
    // Always one of the two above.
  },
};

function wishOf(argv: HostFlags & { readonly brickOnRoot?: unknown }) {
  const settings = demand(
    loadSettings({ flags: { ...argv }, env: process.env, file: argv.config }, settingsWithAValue),
    'hosts',
    'shared',
    'subnet',
  );
  return {
    parts: partsOf(argv.only),
    hosts: settings.hosts,
    arbiter: settings.arbiter,
    volume: settings.volume,
    brick: settings.brick,
    brickOnRoot: argv.brickOnRoot === true,
    shared: settings.shared,
    network: settings.network,
    subnet: settings.subnet,
    driver: settings.networkDriver,
    parent: settings.networkParent,
    gateway: settings.networkGateway,
    admit: settings.admit,
    ips: settings.ips ?? [],
    image: settings.image,
  };
}

function partsOf(only: string | undefined): readonly Part[] {
  switch (only) {
    case undefined:
      return ['network', 'volume'];
    case 'network':
    case 'volume':
      return [only];
    default:
      throw new CodedError('CONFIG_INVALID', `--only "${only}" is neither volume nor network`);
  }
}

/** Loaded when they are needed: `--help` should not wait for them. */
async function tools() {
  const [observe, judge, prepare, report, terminal] = await Promise.all([
    import('../host/observe.js'),
    import('../host/judge.js'),
    import('../host/prepare.js'),
    import('../host/report.js'),
    import('../local/terminal.js'),
  ]);
  const checkHost = async (wish: ReturnType<typeof wishOf>) => {
    const seen = await observe.observe(wish, { tries: true });
    return { host: wish.hosts[seen.self ?? -1], facts: judge.judge(wish, seen) };
  };
  return { ...observe, ...judge, ...prepare, ...report, ...terminal, checkHost };
}

function refuseUnready(facts: readonly { subject: string; verdict: string }[]): void {
  const missing = facts.filter(({ verdict }) => verdict === 'missing').map(({ subject }) => subject);
  if (missing.length > 0) {
    throw new CodedError(
      'HOST_NOT_READY',
      `${missing.length} of ${facts.length} facts are missing: ${missing.join(', ')}`,
    );
  }
}
