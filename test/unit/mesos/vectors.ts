/** Reads the captured traffic of a real Mesos in test/vectors/. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../framework/local/package.js';

/** Tests run from dist/, the captures are not compiled. */
const directory = join(packageRoot, 'test', 'vectors');

export const vector = (name: string): Uint8Array => readFileSync(join(directory, name));
export const vectorText = (name: string): string => readFileSync(join(directory, name), 'utf8');
export const vectorNames = (ending: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
export const hasVector = (name: string): boolean => readdirSync(directory).includes(name);
export const vectorLines = (name: string): unknown[] =>
  vectorText(name)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
