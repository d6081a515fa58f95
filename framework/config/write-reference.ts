/** `npm run docs`: writes the pages that come from tables. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../local/package.js';
import { errorsPage, settingsPage } from './reference.js';

writeFileSync(join(packageRoot, 'docs/settings.md'), settingsPage());
writeFileSync(join(packageRoot, 'docs/errors.md'), errorsPage());
