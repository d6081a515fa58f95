#!/usr/bin/env node
/** The command line: which command is meant, and what an error looks like to whoever typed it. */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { checkCommand, checkFlags } from './commands/check.js';
import { confirmDeadCommand } from './commands/confirm-dead.js';
import { handOverCommand, handOverFlags } from './commands/hand-over.js';
import { hostCommand, hostCommandNames, hostFlags } from './commands/host.js';
import { localCommand, localFlags } from './commands/local.js';
import { pauseCommand, pauseFlags, resumeCommand } from './commands/pause.js';
import { runCommand } from './commands/run.js';
import { statusCommand } from './commands/status.js';
import { teardownCommand } from './commands/teardown.js';
import { didYouMean, flagOf, kebabCase } from './config/names.js';
import { settingNames } from './config/settings.js';
import { CodedError, messageOf } from './errors.js';
import { packageVersion } from './local/package.js';

const commandNames = [
  'local',
  'check',
  'run',
  'status',
  'teardown',
  'hand-over',
  'pause',
  'resume',
  'confirm-dead',
  'host',
] as const;
const flagNames = [
  ...settingNames.map(flagOf),
  ...Object.keys({ ...localFlags, ...checkFlags, ...hostFlags, ...handOverFlags, ...pauseFlags }).map(
    (name) => `--${name}`,
  ),
  '--config',
  '--dry-run',
  '--url',
  '--health',
  '--help',
  '--version',
];

async function main(args: readonly string[]): Promise<void> {
  const cli = yargs([...args])
    .scriptName('mesos-jupyter')
    .usage(
      '$0 <command> [options]\n\nKeeps one Jupyter always on, on Apache Mesos. Every setting may also stand in a YAML file (--config), or in the\nenvironment: --lease-ttl-s as MESOS_JUPYTER_LEASE_TTL_S, and leaseTtlS in the file. A flag wins over the\nenvironment, and the environment over the file. docs/settings.md says more of each.',
    )
    .locale('en')
    .parserConfiguration({ 'boolean-negation': false, 'dot-notation': false, 'parse-numbers': false })
    .option('config', { type: 'string', requiresArg: true, describe: 'YAML file with settings' })
    .command(localCommand)
    .command(checkCommand)
    .command(runCommand)
    .command(statusCommand)
    .command(teardownCommand)
    .command(handOverCommand)
    .command(pauseCommand)
    .command(resumeCommand)
    .command(confirmDeadCommand)
    .command(hostCommand)
    .demandCommand(
      1,
      1,
      `give a command: ${commandNames.join(', ')} (--help says more)`,
      'give one command only',
    )
    .strict()
    .example('$0 local', 'try it: everything on this machine')
    .example('$0 run --config cluster.yaml', 'run the scheduler against a Mesos master')
    .help()
    .version(packageVersion())
    .wrap(Math.min(112, process.stdout.columns ?? 112))
    .showHelpOnFail(false)
    .exitProcess(false)
    .fail((message: string | undefined, error: Error | undefined) => {
      // yargs' own complaints come either way.
      throw error === undefined || error.name === 'YError'
        ? usageError(message ?? messageOf(error), args)
        : error;
    });
  await cli.parseAsync([...args], {}, (_error, _argv, output) => {
    if (output !== '') process.stdout.write(`${tidy(output)}\n`);
  });
}

/** Every setting reads a text, so that `[string]` beside it says nothing. */
function tidy(help: string): string {
  return help
    .replaceAll(/\[(string|boolean)\] (?=\[)/g, (type) => ' '.repeat(type.length))
    .replaceAll(/ *\[(string|boolean)\]$/gm, '')
    .replaceAll(/ *\[default: false\]$/gm, '');
}

/** Puts yargs' words about a wrong command line into ours. */
function usageError(message: string, args: readonly string[]): CodedError {
  const unknowns = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]?.split(', ') ?? [];
  // With a wrong word after it, yargs takes the flags of "host check" for unknown, too.
  const part = args[0] === 'host' ? unknowns.find((word) => word === args[1]) : undefined;
  if (part !== undefined) {
    const near = didYouMean(part, hostCommandNames);
    return new CodedError('CONFIG_UNKNOWN', `there is no command "host ${part}".${near}`);
  }
  const [unknown] = unknowns;
  const valueless = /^Not enough arguments following: (\S+)$/.exec(message)?.[1];
  if (valueless !== undefined) return new CodedError('CONFIG_INVALID', `--${valueless} is without a value`);
  if (unknown === undefined) return new CodedError('CONFIG_INVALID', message);
  const flag = `--${kebabCase(unknown)}`;
  const isFlag = args.some(
    (arg) => new RegExp(`^--?${unknown}(=|$)`).test(arg) || arg.split('=')[0] === flag,
  );
  if (isFlag) {
    return new CodedError('CONFIG_UNKNOWN', `there is no flag ${flag} here.${didYouMean(flag, flagNames)}`);
  }
  return args[0] !== unknown && commandNames.some((name) => args.includes(name))
    ? new CodedError('CONFIG_UNKNOWN', `"${unknown}" is one word too many: after the command come flags only`)
    : new CodedError(
        'CONFIG_UNKNOWN',
        `there is no command "${unknown}".${didYouMean(unknown, commandNames)}`,
      );
}

/** The one place where an error becomes words and an exit status. */
function report(error: unknown, args: readonly string[]): number {
  const coded = error instanceof CodedError ? error : undefined;
  process.stderr.write(`mesos-jupyter: ${coded?.code ?? 'INTERNAL'}: ${messageOf(error)}\n`);
  const isDebugging =
    process.env['MESOS_JUPYTER_LOG_LEVEL'] === 'debug' || /--log-level[ =]debug/.test(args.join(' '));
  if ((coded === undefined || isDebugging) && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
    if (error.cause instanceof Error) process.stderr.write(`caused by ${error.cause.stack}\n`);
  }
  return coded?.exitCode ?? 70;
}

const args = hideBin(process.argv);
try {
  await main(args);
  process.exit(process.exitCode ?? 0);
} catch (error) {
  process.exit(report(error, args));
}
