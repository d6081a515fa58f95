/** The YAML settings file: what it says, and on which line. */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import { CodedError, messageOf } from '../errors.js';

export interface FileEntry {
  readonly key: string;
  readonly value: unknown;
  /** `cluster.yaml:3`. */
  readonly place: string;
}

/** @throws CodedError CONFIG_FILE when the file cannot be read, or is not a YAML mapping. */
export function readSettingsFile(path: string): FileEntry[] {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CodedError('CONFIG_FILE', `the settings file cannot be read: ${messageOf(error)}`);
  }
  return parseSettingsFile(source, path);
}

/** @param path is only for the places in messages. */
export function parseSettingsFile(source: string, path: string): FileEntry[] {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number | undefined) => `${path}:${lines.linePos(offset ?? 0).line}`;

  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) {
    const hint = /[Aa]lias/.test(problem.message) ? ' (a value that starts with "*" wants quotes)' : '';
    throw new CodedError('CONFIG_FILE', `${lineAt(problem.pos[0])}: ${problem.message}${hint}`);
  }
  if (document.contents === null) return [];
  if (!isMap(document.contents)) {
    throw new CodedError('CONFIG_FILE', `${path}:1: is not a list of "name: value", one setting a line`);
  }
  return document.contents.items.map((pair) => {
    const key = pair.key;
    const place = lineAt(isScalar(key) ? key.range?.[0] : undefined);
    if (!isScalar(key)) throw new CodedError('CONFIG_FILE', `${place}: has a key that is not a plain word`);
    return { key: String(key.value), value: plainValue(pair.value, document), place };
  });
}

/** Scalars as they were written, so that `principal: 007` stays what it looks like; the rest as YAML understands it. */
function plainValue(node: unknown, document: ReturnType<typeof parseDocument>): unknown {
  if (!isScalar(node)) {
    return typeof node === 'object' && node !== null && 'toJS' in node && typeof node.toJS === 'function'
      ? (node.toJS(document) as unknown)
      : node;
  }
  return node.value === null ? null : (node.source ?? node.value);
}
