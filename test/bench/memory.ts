/** Memory for the offers of ten thousand hosts, in one event and in many. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeRecord } from '../../framework/mesos/recordio.js';
import { encodeEvent } from '../../framework/mesos/schema/codec.js';
import { offerEvents } from './events.js';
import type { MemoryResult } from './memory-child.js';
import { median, type Row } from './table.js';

const hosts = 10_000;
const variants = [
  { name: 'in one event', perEvent: hosts },
  { name: 'in 100 events', perEvent: hosts / 100 },
  { name: 'in 10,000 events', perEvent: 1 },
];

export function benchMemory(rounds: number): Row[] {
  const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-bench-'));
  try {
    const streams = variants.map(({ name, perEvent }) => {
      const file = join(directory, `${perEvent}.bin`);
      writeFileSync(
        file,
        Buffer.concat([...offerEvents(hosts, perEvent)].map((event) => encodeRecord(encodeEvent(event)))),
      );
      return { name, file, results: [] as MemoryResult[] };
    });
    for (let round = 0; round < rounds; round += 1)
      for (const { file, results } of streams) results.push(measure(file));
    return streams.flatMap(({ name, file, results }): Row[] => {
      const row = (what: string, unit: string, pick: (result: MemoryResult) => number): Row => ({
        name: `10,000 hosts' offers ${name}: ${what}`,
        unit,
        samples: results.map(pick),
      });
      return [
        {
          ...row('peak of the process', 'MB', ({ peakMb }) => peakMb),
          note: `resident; ${Math.round(median(results.map(({ idleMb }) => idleMb)))} MB before; the stream has ${(statSync(file).size / 2 ** 20).toFixed(1)} MB`,
        },
        { ...row('held', 'MB', ({ heldMb }) => heldMb), note: 'heap, all offers in hand' },
        { ...row('kept', 'MB', ({ keptMb }) => keptMb), note: 'heap, all answered' },
        { ...row('read', 'ms', ({ readMs }) => readMs), note: 'decoded, translated, taken by the core' },
        {
          ...row('decided', 'ms', ({ decideMs }) => decideMs),
          note: 'three launches chosen, the rest declined',
        },
      ];
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function measure(file: string): MemoryResult {
  const child = fileURLToPath(new URL('memory-child.js', import.meta.url));
  const printed = execFileSync(process.execPath, ['--expose-gc', child, file], { encoding: 'utf8' });
  const result = JSON.parse(printed) as MemoryResult;
  if (result.offers !== hosts || result.launched !== 3) {
    throw new Error(`expected ${hosts} offers and 3 launches, got ${result.offers} and ${result.launched}`);
  }
  return result;
}
