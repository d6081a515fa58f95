/**
 * Puts the scheduler and all that it needs of its packages into dist/scheduler, the context that framework/Dockerfile builds on: what
 * an image of production dependencies alone would hold, without the files that nobody reads.
 */
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const target = 'dist/scheduler';

rmSync(target, { recursive: true, force: true });
await build({
  entryPoints: ['framework/main.ts'],
  outdir: `${target}/lib`,
  bundle: true,
  // What one command alone needs is read by that command alone.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
  // Packages of the older kind expect both.
  define: { __dirname: 'bundleDirectory' },
  banner: {
    js: [
      "import { createRequire as createBundleRequire } from 'node:module';",
      'const require = createBundleRequire(import.meta.url);',
      'const bundleDirectory = import.meta.dirname;',
    ].join('\n'),
  },
});

// Read at run time, from where the packages have them beside their own lib/.
mkdirSync(`${target}/proto`);
for (const name of ['etcd3', 'mesos-framework']) {
  cpSync(`node_modules/${name}/proto`, `${target}/proto`, { recursive: true });
}

// The command of an installed checkout is a link to it. npm gives it the right to run when it links, and not when a later build makes
// the file anew.
chmodSync('dist/framework/main.js', 0o755);

const { name, version, license } = JSON.parse(readFileSync('package.json', 'utf8'));
writeFileSync(`${target}/package.json`, `${JSON.stringify({ name, version, license, type: 'module' })}\n`);
