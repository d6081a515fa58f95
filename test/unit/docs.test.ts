/** The command lines and settings files of README.md and docs/: each is one that this release takes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseSettingsFile } from '../../framework/config/file.js';
import { checkSettings, gatherSettings } from '../../framework/config/load.js';
import { kebabCase } from '../../framework/config/names.js';
import { settingNames } from '../../framework/config/settings.js';
import { packageRoot } from '../../framework/local/package.js';

interface Block {
  /** `docs/guide.md:12`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const pages = [
  'README.md',
  ...readdirSync(join(packageRoot, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(packageRoot, page), 'utf8');
  return [...text.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split('\n').length}`,
    language: match[2] ?? '',
    text: match[3] ?? '',
  }));
}

interface Line {
  readonly place: string;
  /** The words behind the program's name. */
  readonly words: readonly string[];
}

/** Continued lines in one, without what a shell would do with the output. */
function commandLinesOf({ place, language, text }: Block): Line[] {
  if (language === 'yaml' || language === 'mermaid') return [];
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => {
      const match =
        /^\s*(?:\$ )?(mesos-jupyter|node dist\/framework\/main\.js|npm start --) ([a-z-].*)$/.exec(line);
      if (match === null) return [];
      const command = (match[2] ?? '').split(/ [|>&#]/)[0] ?? '';
      const words = (command.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []).map((word) =>
        word.replaceAll(/['"]/g, ''),
      );
      return [{ place, words: match[1] === 'npm start --' ? ['local', ...words] : words }];
    });
}

/** The flags of a command, by `--flag value` and `--flag=value`; a flag with no value is true. */
function flagsOf(words: readonly string[]): Map<string, string | true> {
  const flags = new Map<string, string | true>();
  for (const [at, word] of words.entries()) {
    const match = /^--([a-z-]+)(?:=(.*))?$/.exec(word);
    if (match?.[1] === undefined) continue;
    const next = words[at + 1];
    flags.set(match[1], match[2] ?? (next === undefined || next.startsWith('--') ? true : next));
  }
  return flags;
}

function mesosJupyter(...args: readonly string[]) {
  const bare = Object.entries(process.env).filter(([name]) => !name.startsWith('MESOS_JUPYTER_'));
  return spawnSync(process.execPath, [join(packageRoot, 'dist/framework/main.js'), ...args], {
    encoding: 'utf8',
    env: { ...Object.fromEntries(bare), COLUMNS: '200' },
  });
}

const helps = new Map<string, string>();
/** What `--help` says of a command, asked for once. */
function helpOf(command: readonly string[]): string {
  const name = command.join(' ');
  const known = helps.get(name);
  if (known !== undefined) return known;
  const { status, stdout, stderr } = mesosJupyter(...command, '--help');
  assert.equal(status, 0, stderr);
  helps.set(name, stdout);
  return stdout;
}

const lines = pages.flatMap(blocksOf).flatMap(commandLinesOf);

describe('the command lines of the documentation', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
  after(() => rmSync(scratch, { recursive: true }));

  test('there are some', () => assert.ok(lines.length >= 5, String(lines.length)));

  for (const { place, words } of lines) {
    test(`${place}: mesos-jupyter ${words.join(' ')}`, () => {
      const firstFlag = words.findIndex((word) => word.startsWith('--'));
      const command = firstFlag < 0 ? words : words.slice(0, firstFlag);
      const help = helpOf(command);
      assert.match(help, new RegExp(`^mesos-jupyter ${command.join(' ')}\\b`), 'there is such a command');
      const flags = flagsOf(words);
      for (const flag of flags.keys()) {
        assert.match(help, new RegExp(`^ +--${flag}\\b`, 'm'), `${command.join(' ')} has a flag --${flag}`);
      }
      const given = Object.fromEntries(
        settingNames.flatMap((name) => {
          const value = flags.get(kebabCase(name));
          return value === undefined ? [] : [[name, value]];
        }),
      );
      checkSettings(gatherSettings({ flags: given }), {}, []);
    });
  }

  const settingsFiles = pages.flatMap(blocksOf).filter(({ language }) => language === 'yaml');

  for (const { place, text } of settingsFiles) {
    test(`${place}: the settings file is one that "run" takes`, () => {
      assert.ok(parseSettingsFile(text, place).length > 0);
      const path = join(scratch, 'cluster.yaml');
      writeFileSync(path, text);
      const { status, stderr } = mesosJupyter('run', '--dry-run', '--config', path);
      assert.equal(status, 0, stderr);
    });
  }

  for (const { place, words } of lines.filter(
    ({ words: [command, ...rest] }) => command === 'run' && !rest.includes('--config'),
  )) {
    test(`${place}: the tasks that it would launch`, () => {
      const { status, stderr, stdout } = mesosJupyter(
        ...words.filter((word) => word !== '--dry-run'),
        '--dry-run',
      );
      assert.equal(status, 0, stderr);
      assert.ok(Array.isArray(JSON.parse(stdout)));
    });
  }

  test('files of this repository that they name are there', () => {
    for (const { place, language, text } of pages.flatMap(blocksOf)) {
      if (language !== 'sh') continue;
      for (const [path] of text.matchAll(/(?<![\w/.-])(?:framework|executor-image|test|docs)\/[\w./-]+/g)) {
        assert.ok(existsSync(join(packageRoot, path)), `${place}: ${path}`);
      }
    }
  });
});
