/**
 * Compares an event or answer of ours with one that a real Mesos gave: same fields, same values. Ids, addresses and names of networks
 * are compared as names are: the same of ours wherever the capture has the same. What is not compared at all stands in `leftOut`.
 */
import assert from 'node:assert/strict';

interface LeftOut {
  readonly what: string;
  readonly reason: string;
  /** The fields that it is about, by the end of their path; the field must still be there, and of the same type. */
  readonly field?: RegExp;
}

/** All that a comparison passes over. */
export const leftOut: readonly LeftOut[] = [
  {
    what: 'times',
    reason: 'a replay runs at another time',
    field: /\.(timestamp|unreachable_time\.nanoseconds|\w+_time|mtime)$/,
  },
  { what: 'ports', reason: 'a replay listens wherever the machine has a port free', field: /\.port$/ },
  {
    what: "the content of TASK_RUNNING's data",
    reason: 'it is what `docker inspect` prints: of another container, by another Docker',
    field: /\.status\.data$/,
  },
  { what: 'the number of heartbeats', reason: 'a replay takes other times; the first one is compared' },
  {
    what: 'where an OFFERS stands among other events, and how the offers of a moment are spread over events',
    reason:
      'the allocator runs once a second by its own clock; each captured offer must come, with the same content',
  },
  {
    what: 'offers that are not in the capture and that the replay declines unseen',
    reason: 'what a task frees is offered with the next run of the allocator, wherever that falls',
  },
  {
    what: 'the filter of the accepts 22, 60 and 63, which is 30 s here instead of 1 s',
    reason: 'what the recorder did next came before the filter ran out; on a slow machine it would not here',
  },
  {
    what: 'the order of the answers to one implicit reconciliation, and of what several hosts send at once',
    reason: 'a real master keeps tasks in hash maps, and hosts are processes of their own',
  },
  {
    what: 'the headers Date, Connection and Mesos-Stream-Id, but for their being there',
    reason: 'times and ids; and Node asks for a connection of its own for each call',
  },
  {
    what: "size and content of the sandbox's stderr, but for the words of Docker and the last line",
    reason: "known difference: the executor's own notes have another form (docs/embedded-mesos.md)",
    field: /^files.*\.(size|data|offset)$/,
  },
  {
    what: 'build_date, build_time and build_user of /state',
    reason: 'known difference: left out here (docs/embedded-mesos.md)',
    field: /^state\.build_\w+$/,
  },
];

/** A field whose text is a name that both sides choose for themselves. */
const namedByItself =
  /(\.(framework_id|agent_id|offer_id|inverse_offer_id|container_id)\.value|offers\.\d+\.id\.value|\.master_info\.id|\.uuid|\.ip_address|\.network_infos\.\d+\.name|\.slave_id|^state(\.leader_info)?\.id|^state\.(slaves|frameworks|offers)\.\d+\.id|^state.*\.offers\.\d+\.id|\.framework_id|parameters\.\d+\.value|docker\.image)$/;

/** Which name of ours stands for which of the capture's. */
export class Names {
  readonly #ours = new Map<string, string>();
  readonly #theirs = new Map<string, string>();

  learn(theirs: string, ours: string): void {
    const known = this.#ours.get(theirs);
    const taken = this.#theirs.get(ours);
    assert.ok(
      (known === undefined && taken === undefined) || (known === ours && taken === theirs),
      `${theirs} of the capture is ${known ?? 'new'} here, and not ${ours}, which is ${taken ?? 'new'} there`,
    );
    this.#ours.set(theirs, ours);
    this.#theirs.set(ours, theirs);
  }

  /** Also where the name is a part of a text. */
  translate(text: string): string {
    const exact = this.#ours.get(text);
    if (exact !== undefined) return exact;
    // In one pass, longer ones first: an offer's id begins with its master's.
    const known = [...this.#ours.keys()].filter((name) => name.length >= 4);
    if (known.length === 0) return text;
    const pattern = known
      .sort((a, b) => b.length - a.length)
      .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return text.replace(new RegExp(pattern.join('|'), 'g'), (name) => this.#ours.get(name) ?? name);
  }

  /** To try a comparison that may fail. */
  copy(): Names {
    const copy = new Names();
    for (const [theirs, ours] of this.#ours) copy.learn(theirs, ours);
    return copy;
  }
}

/** Throws at the first difference, and says where it is. */
export function compare(theirs: unknown, ours: unknown, names: Names, path: string): void {
  if (Array.isArray(theirs)) {
    assert.ok(Array.isArray(ours), `${path} is a list`);
    assert.equal(ours.length, theirs.length, `${path}: as many as in the capture`);
    for (const [at, item] of theirs.entries()) compare(item, ours[at], names, `${path}.${at}`);
  } else if (isObject(theirs)) {
    assert.ok(isObject(ours), `${path} is an object`);
    assert.deepEqual(Object.keys(ours).sort(), Object.keys(theirs).sort(), `the fields of ${path}`);
    for (const [key, value] of Object.entries(theirs)) compare(value, ours[key], names, `${path}.${key}`);
  } else {
    assert.equal(typeof ours, typeof theirs, `${path}: the type of its value`);
    if (leftOut.some(({ field }) => field?.test(path))) return;
    if (typeof theirs !== 'string' || typeof ours !== 'string') {
      assert.equal(ours, theirs, path);
    } else if (namedByItself.test(path) && theirs !== ours) {
      names.learn(theirs, ours);
    } else {
      assert.equal(withoutPort(ours), withoutPort(names.translate(theirs)), path);
    }
  }
}

/** Of a process id, `master@127.0.0.1:5060`. */
const withoutPort = (text: string): string => text.replace(/(?<=@[\d.]+):\d+$/, ':PORT');

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
