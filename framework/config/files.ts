/** Files that settings name: certificates, keys, secrets. */
import { readFileSync } from 'node:fs';
import { CodedError, messageOf } from '../errors.js';
import type { Settings } from './settings.js';

/**
 * Reads the file that a setting names; undefined where it names none.
 * @throws CodedError FILES_UNUSABLE where it cannot be read
 */
export function readNamedFile<Name extends keyof Settings>(
  settings: { readonly [N in Name]?: string | undefined },
  name: Name,
): string | undefined {
  const path: string | undefined = settings[name];
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CodedError('FILES_UNUSABLE', `${name}: cannot read ${path}: ${messageOf(error)}`);
  }
}
