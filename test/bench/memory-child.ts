/** One measurement of memory, in a process of its own: reads a stream from a file as from a socket, and decides on its offers. */
import { createReadStream } from 'node:fs';
import { decide, initialState } from '../../framework/cluster/decide.js';
import type { ClusterEvent } from '../../framework/cluster/model.js';
import { RecordReader } from '../../framework/mesos/recordio.js';
import { decodeEvent, type Offer } from '../../framework/mesos/schema/codec.js';
import { toClusterEvent } from '../../framework/mesos/translate.js';
import { clusterSpec } from '../support/cluster-spec.js';

export interface MemoryResult {
  readonly offers: number;
  readonly launched: number;
  /** The heap's growth while all offers are in hand, after a collection. */
  readonly heldMb: number;
  /** The same when all are answered. */
  readonly keptMb: number;
  /** The process' greatest resident size: before the stream, and in all. */
  readonly idleMb: number;
  readonly peakMb: number;
  readonly readMs: number;
  readonly decideMs: number;
}

async function measure(file: string): Promise<MemoryResult> {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  const heapMb = (): number => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return (heapUsed + arrayBuffers) / 2 ** 20;
  };
  const peakRssMb = (): number => process.resourceUsage().maxRSS / 1024;
  // As the scheduler's shell does: whole offers by their ids, beside the core's state.
  const inHand = new Map<string, Offer>();
  let state = initialState(clusterSpec, undefined, 'bench');
  let now = 0;
  let launched = 0;
  const take = (event: ClusterEvent): void => {
    const decision = decide(state, event, now);
    state = decision.state;
    for (const action of decision.actions) {
      if (action.kind !== 'accept' && action.kind !== 'decline') continue;
      if (action.kind === 'accept') launched += action.launches.length;
      for (const id of action.offerIds) inHand.delete(id);
    }
  };
  take({ kind: 'subscribed', frameworkId: 'f' });
  const before = { heap: heapMb(), peak: peakRssMb() };
  const started = performance.now();
  // Decided only when all are there: the most that there can be to hold.
  const waiting = await read(file, inHand);
  const ready = performance.now();
  const offers = inHand.size;
  const held = heapMb();
  const decided = performance.now();
  for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) take(event);
  now = clusterSpec.offerHoldMs;
  take({ kind: 'tick' });
  const end = performance.now();
  const left = inHand.size;
  if (left > 0) throw new Error(`${left} offers were not answered`);
  return {
    offers,
    launched,
    heldMb: held - before.heap,
    keptMb: heapMb() - before.heap,
    idleMb: before.peak,
    peakMb: peakRssMb(),
    readMs: ready - started,
    decideMs: end - decided,
  };
}

/** In a function of its own, so that nothing of what it read stays referred to. */
async function read(file: string, inHand: Map<string, Offer>): Promise<ClusterEvent[]> {
  const reader = new RecordReader({ maxRecordBytes: 64 * 2 ** 20 });
  const events: ClusterEvent[] = [];
  for await (const chunk of createReadStream(file, { highWaterMark: 64 * 1024 })) {
    for (const record of reader.push(chunk as Buffer)) {
      const event = decodeEvent(record);
      if (event.type === 'OFFERS')
        for (const offer of event.offers.offers ?? []) inHand.set(offer.id.value, offer);
      const translated = toClusterEvent(event);
      if (translated !== undefined) events.push(translated);
    }
  }
  return events;
}

console.log(JSON.stringify(await measure(process.argv[2] ?? '')));
