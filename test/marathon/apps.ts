/** The apps of the repository, as an operator puts them in. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../framework/local/package.js';

/** Host networking, and container networking. */
export const appFiles = ['marathon.json', 'marathon-container-network.json'] as const;

/** Not checked yet. */
export const readApp = (file: (typeof appFiles)[number]): Record<string, unknown> =>
  JSON.parse(readFileSync(join(packageRoot, 'framework', file), 'utf8')) as Record<string, unknown>;
