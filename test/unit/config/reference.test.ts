import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorsPage, settingsPage } from '../../../framework/config/reference.js';
import { packageRoot } from '../../../framework/local/package.js';

const pages = { 'docs/settings.md': settingsPage(), 'docs/errors.md': errorsPage() };
for (const [path, written] of Object.entries(pages)) {
  test(`${path} is what "npm run docs" writes`, () => {
    assert.equal(
      readFileSync(join(packageRoot, path), 'utf8'),
      written,
      `run "npm run docs" and commit ${path}`,
    );
  });
}
