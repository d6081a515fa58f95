/** `npm run bench [-- decode memory launch nodes failover] [--rounds N]`: figures for docs/benchmarks.md, in one table. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { ensureDocker } from '../../framework/local/docker.js';
import { ensureImage } from '../../framework/local/image.js';
import { createTerminal } from '../../framework/local/terminal.js';
import { benchDecoding } from './decode.js';
import { benchFailover } from './failover.js';
import { benchLaunch } from './launch.js';
import { benchMemory } from './memory.js';
import { benchNodes } from './nodes.js';
import { benchReportsComeback } from './reports-comeback.js';
import { type Row, table } from './table.js';

const benches: Readonly<Record<string, (rounds: number) => Promise<Row[]> | Row[]>> = {
  decode: benchDecoding,
  memory: (rounds) => benchMemory(Math.min(rounds, 5)),
  launch: benchLaunch,
  nodes: async (rounds) => {
    const most = Math.min(rounds, 5);
    return [...(await benchNodes(most)), ...(await benchReportsComeback(most))];
  },
  failover: async (rounds) => {
    const terminal = createTerminal();
    await ensureDocker({ terminal });
    process.env['MESOS_JUPYTER_IMAGE'] ||= await ensureImage({ terminal });
    return benchFailover(rounds);
  },
};
/** 25 minutes: run only when asked for. */
const long: readonly string[] = ['failover'];

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '11' } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const names =
  positionals.length === 0 ? Object.keys(benches).filter((name) => !long.includes(name)) : positionals;
const unknown = names.find((name) => !Object.hasOwn(benches, name));
if (unknown !== undefined || !Number.isInteger(rounds) || rounds < 1) {
  console.error(`usage: npm run bench -- [${Object.keys(benches).join('] [')}] [--rounds N]`);
  process.exit(2);
}
const rows: Row[] = [];
for (const name of names) {
  console.error(`${name} …`);
  rows.push(...((await benches[name]?.(rounds)) ?? []));
}
const memoryGb = Math.round(totalmem() / 2 ** 30);
console.log(
  `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${availableParallelism()} cores (${cpus()[0]?.model ?? '?'}), ${memoryGb} GB, ${new Date().toISOString().slice(0, 10)}\n`,
);
console.log(table(rows));
if (names.includes('decode')) {
  console.log(
    [
      '',
      'mesos-framework reads a stream only where each record comes as one chunk, so it is fed so; over HTTP, chunks of a fast',
      'stream run together now and then. It never completes a record that is not ASCII, and what it loses is mostly that: some',
      'events of the captures are not. It checks nothing, and its figures count the events that it did read.',
    ].join('\n'),
  );
}
process.exit(0);
