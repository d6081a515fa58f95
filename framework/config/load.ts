/** Settings from flags, environment, file and Marathon, in this order of strength, checked; every complaint names where the value came from. */
import { join } from 'node:path';
import { CodedError } from '../errors.js';
import { type FileEntry, readSettingsFile } from './file.js';
import { didYouMean, flagOf, variableOf, variablePrefix } from './names.js';
import { stateDirectory } from './paths.js';
import { rules } from './rules.js';
import {
  type Setting,
  type SettingKind,
  type SettingName,
  type Settings,
  settingNames,
  settingTable,
} from './settings.js';

export interface Sources {
  /** Flags by the setting's name, as texts; a list of texts where a flag was given several times. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of the YAML file; MESOS_JUPYTER_CONFIG if absent. */
  readonly file?: string | undefined;
}

interface Given {
  readonly value: unknown;
  /** How to call it in a message: `--ips`, `MESOS_JUPYTER_IPS`, `cluster.yaml:3: ips`. */
  readonly label: string;
}

/** What was given for each setting, by the strongest source that says anything. */
export type GivenSettings = Readonly<Partial<Record<SettingName, Given>>>;

/** What was asked for, complete, and what else was given. */
export type Checked<Name extends SettingName> = Readonly<Pick<Settings, Name>> & Partial<Settings>;

/**
 * Every setting in `names`, complete; all of them by default.
 * @throws CodedError CONFIG_INVALID, CONFIG_UNKNOWN or CONFIG_FILE, with all that is wrong in one message.
 */
export function loadSettings<Name extends SettingName = SettingName>(
  sources: Sources,
  names?: readonly Name[],
): Checked<Name> {
  return checkSettings(gatherSettings(sources), sources.env ?? {}, names);
}

/**
 * The same settings, of which these have a value, though others may do without.
 * @throws CodedError CONFIG_INVALID
 */
export function demand<Known extends Partial<Settings>, Name extends SettingName & keyof Known>(
  settings: Known,
  ...names: readonly Name[]
): Known & { readonly [Key in Name]-?: NonNullable<Known[Key]> } {
  const problems = names.filter((name) => settings[name] === undefined).map(notSet);
  if (problems.length > 0) throw new CodedError('CONFIG_INVALID', problems.join('\n  and '));
  return settings as Known & { readonly [Key in Name]-?: NonNullable<Known[Key]> };
}

function notSet(name: SettingName): string {
  return `${name} is not set: give ${flagOf(name)}, ${variableOf(name)}, or ${name} in the settings file`;
}

/** Collects without judging values; refuses what no setting is called like. */
export function gatherSettings({ flags = {}, env = {}, file }: Sources): GivenSettings {
  const path = file ?? env[variableOf('config')];
  return {
    ...fromMarathon(env),
    ...(path === undefined || path === '' ? {} : fromFile(readSettingsFile(path))),
    ...fromEnvironment(env),
    ...fromFlags(flags),
  };
}

/** Marathon's variables (FACTS, Marathon 6) stand in for defaults: whatever an operator sets is stronger. */
function fromMarathon(env: Readonly<Record<string, string | undefined>>): GivenSettings {
  if ((env['MARATHON_APP_ID'] ?? '') === '') return {};
  const given: Partial<Record<SettingName, Given>> = {};
  for (const name of settingNames) {
    const entry: Setting = settingTable[name];
    const template = entry.underMarathon;
    if (template === undefined) continue;
    const variables = template.match(/\$\w+/g) ?? [];
    const values = variables.map((variable) => env[variable.slice(1)] ?? '');
    if (values.includes('')) continue;
    const value = variables.reduce(
      (text, variable, at) => text.replace(variable, values[at] ?? ''),
      template,
    );
    given[name] = { value, label: `${name} by Marathon's ${variables.join(' and ')}` };
  }
  return given;
}

function fromFile(entries: readonly FileEntry[]): GivenSettings {
  const given: Partial<Record<SettingName, Given>> = {};
  for (const { key, value, place } of entries) {
    if (!isSettingName(key)) {
      throw new CodedError(
        'CONFIG_UNKNOWN',
        `${place}: there is no setting "${key}".${didYouMean(key, settingNames)}`,
      );
    }
    given[key] = { value, label: `${place}: ${key}` };
  }
  return given;
}

/** Ours, and no settings: the settings file's path, and the secret, which no table of settings is to hold or print. */
const otherVariables: readonly string[] = [variableOf('config'), variableOf('secret')];

function fromEnvironment(env: Readonly<Record<string, string | undefined>>): GivenSettings {
  const byVariable = new Map(settingNames.map((name) => [variableOf(name), name]));
  const given: Partial<Record<SettingName, Given>> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(variablePrefix) || otherVariables.includes(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) {
      throw new CodedError(
        'CONFIG_UNKNOWN',
        `the environment has ${variable}, which is no setting.${didYouMean(variable, [...byVariable.keys()])}`,
      );
    }
    // An empty variable is how many a tool says "not set".
    if (value !== undefined && value !== '') given[name] = { value, label: variable };
  }
  return given;
}

function fromFlags(flags: Readonly<Record<string, unknown>>): GivenSettings {
  const given: Partial<Record<SettingName, Given>> = {};
  for (const name of settingNames) {
    const value = flags[name];
    if (value === undefined) continue;
    const { kind } = settingTable[name];
    if (Array.isArray(value) && (kind === 'text' || kind === 'number')) {
      throw new CodedError('CONFIG_INVALID', `${flagOf(name)} is given ${value.length} times: give it once`);
    }
    given[name] = { value, label: flagOf(name) };
  }
  return given;
}

export function checkSettings<Name extends SettingName = SettingName>(
  given: GivenSettings,
  env: Readonly<Record<string, string | undefined>>,
  names: readonly Name[] = settingNames as readonly Name[],
): Checked<Name> {
  const settings: Record<string, unknown> = {};
  const problems: string[] = [];
  const wanted = new Set<SettingName>(names);
  for (const name of settingNames) {
    const entry = given[name];
    // What a command does not need may be missing; what is there is checked all the same.
    if (entry === undefined && !wanted.has(name)) continue;
    if (entry === undefined && name === 'stateFile') {
      // One file a framework's name, so that two clusters can be run from one machine.
      const frameworkName = String(settings['frameworkName'] ?? 'mesos-jupyter');
      settings[name] = join(stateDirectory(env), `${frameworkName}.json`);
      continue;
    }
    const { kind, schema } = settingTable[name];
    const result = schema.safeParse(entry === undefined ? undefined : rawValue(entry.value, kind));
    if (result.success) {
      settings[name] = result.data;
    } else if (entry === undefined) {
      problems.push(notSet(name));
    } else {
      for (const issue of result.error.issues) {
        problems.push(`${entry.label} ${shown(entry.value, issue.path[0])} ${issue.message}`);
      }
    }
  }
  if (problems.length === 0) {
    for (const rule of rules) {
      const breach = rule(settings as Partial<Settings>);
      if (breach === undefined) continue;
      const entry = given[breach.setting] ?? given[breach.other];
      const subject =
        given[breach.setting] === undefined
          ? `${entry?.label ?? breach.other}: ${breach.setting}`
          : `${entry?.label} ${shown(entry?.value, undefined)}`;
      problems.push(`${subject} ${breach.message}`);
    }
  }
  if (problems.length > 0) throw new CodedError('CONFIG_INVALID', problems.join('\n  and '));
  return Object.freeze(settings) as Checked<Name>;
}

/** What the schema gets to see; a text that does not fit is passed on as it is, for the schema to refuse. */
function rawValue(value: unknown, kind: SettingKind): unknown {
  switch (kind) {
    case 'text':
      return value;
    case 'number':
      return typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)
        ? Number(value)
        : value;
    case 'list':
      return texts(value, ',');
    case 'parameters': {
      const entries = texts(value, ';');
      return Array.isArray(entries) ? entries.map(parameterOf) : entries;
    }
    default:
      return kind satisfies never;
  }
}

/** A list from `a,b`, from flags given several times, or from YAML's own list. */
function texts(value: unknown, separator: string): unknown {
  if (Array.isArray(value)) return value.flatMap((part: unknown) => texts(part, separator));
  if (typeof value !== 'string') return value;
  const parts = value.split(separator).map((part) => part.trim());
  // A separator at the very end is a slip of no consequence; one in the middle is an empty entry, to be refused.
  return parts.at(-1) === '' && parts.length > 1 ? parts.slice(0, -1) : parts;
}

function parameterOf(entry: unknown): unknown {
  if (typeof entry !== 'string') return entry;
  const equals = entry.indexOf('=');
  return equals < 0 ? { key: entry } : { key: entry.slice(0, equals), value: entry.slice(equals + 1) };
}

function shown(value: unknown, index: PropertyKey | undefined): string {
  if (typeof index === 'number' && Array.isArray(value) && index in value)
    return shown(value[index], undefined);
  if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return `"${value.join(',')}"`;
  return typeof value === 'string' ? `"${value}"` : JSON.stringify(value);
}

function isSettingName(key: string): key is SettingName {
  return Object.hasOwn(settingTable, key);
}
