import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { packageRoot } from '../../framework/local/package.js';

const docs = join(packageRoot, 'docs');
const pages = [join(packageRoot, 'README.md'), ...readdirSync(docs).map((name) => join(docs, name))].filter(
  (path) => path.endsWith('.md'),
);

/** Without what is code, where brackets mean something else. */
const prose = (path: string): string =>
  readFileSync(path, 'utf8')
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/`[^`\n]*`/g, 'code');

/** As GitHub makes them of headings: lower case, no punctuation, a hyphen for each space. */
const anchors = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('the pages', () => {
  it('link to files and headings that are there', () => {
    const broken: string[] = [];
    for (const page of pages) {
      for (const [, target = ''] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const path = file === '' ? page : join(dirname(page), file);
        const isThere =
          existsSync(path) &&
          (anchor === undefined || !path.endsWith('.md') || anchors(path).includes(anchor));
        if (!isThere) broken.push(`${relative(packageRoot, page)}: ${target}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  it('are all in the index', () => {
    const index = readFileSync(join(docs, 'README.md'), 'utf8');
    for (const name of readdirSync(docs).filter((one) => one.endsWith('.md') && one !== 'README.md'))
      assert.ok(index.includes(`](${name})`), `docs/README.md does not name ${name}`);
  });
});
