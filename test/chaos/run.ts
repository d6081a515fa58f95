/** `npm run chaos -- [--minutes M] [--seed S] [--only KIND …]`: status 1 when two Jupyters were seen, a file was lost, or all was not well. */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ensureDocker } from '../../framework/local/docker.js';
import { ensureImage } from '../../framework/local/image.js';
import { createTerminal } from '../../framework/local/terminal.js';
import { runChaos } from './chaos.js';
import { faults } from './faults.js';
import type { Overlap } from './intervals.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? randomInt(2 ** 31));
const unknown = values.only?.find((kind) => !Object.hasOwn(faults, kind));
if (!(minutes > 0) || !Number.isInteger(seed) || unknown !== undefined) {
  console.error(
    `usage: npm run chaos -- [--minutes MINUTES] [--seed INTEGER] [--only KIND …]\nkinds: ${Object.keys(faults).join(' | ')}`,
  );
  process.exit(2);
}
const terminal = createTerminal();
await ensureDocker({ terminal });
process.env['MESOS_JUPYTER_IMAGE'] ||= await ensureImage({ terminal });
const only = (values.only ?? []).map((kind) => ` --only '${kind.replaceAll("'", "'\\''")}'`).join('');
console.log(
  `seed ${seed}, ${minutes} min; again with: npm run chaos -- --minutes ${minutes} --seed ${seed}${only}`,
);

const started = performance.now();
const told = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => told.abort());
const report = await runChaos({
  seed,
  signal: told.signal,
  forS: minutes * 60,
  ...(values.only !== undefined && { kinds: values.only }),
  log: (line) => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`),
});
const say = ({ first, second, forMs }: Overlap): string =>
  `${first.taskId} (${first.fromMs} to ${first.toMs}) and ${second.taskId} (${second.fromMs} to ${second.toMs}), ${forMs.toFixed(0)} ms`;
console.log();
for (const [kind, times] of report.faults) console.log(`${String(times).padStart(5)} × ${kind}`);
console.log(
  `${report.intervals.length} times a Jupyter at work: ${report.answers} answers, ${report.writes} lines written, ${report.saved} files saved`,
);
for (const overlap of report.afterPauses) console.log(`for a moment after a pause: ${say(overlap)}`);
for (const overlap of report.overlaps) console.log(`FAIL  two Jupyters: ${say(overlap)}`);
for (const name of report.lost) console.log(`FAIL  lost: ${name}`);
if (report.wellAfterS === undefined)
  console.log(`FAIL  not well 60 s after the last fault: ${report.trouble}`);
else console.log(`all nodes well ${report.wellAfterS.toFixed(1)} s after the last fault`);
const isGood = report.overlaps.length + report.lost.length === 0 && report.wellAfterS !== undefined;
process.exit(isGood ? 0 : 1);
