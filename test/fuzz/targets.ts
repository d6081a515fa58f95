/**
 * What is fuzzed, as properties: whatever a master sends, our reading of it ends in events or in a coded error, soon, and with
 * memory in proportion to what came.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RecordIoError, RecordReader } from '../../framework/mesos/recordio.js';
import {
  CodecError,
  decodeCall,
  decodeEvent,
  type Event,
  encodeCall,
  encodeEvent,
  formatCall,
  formatEvent,
  parseCall,
  parseEvent,
} from '../../framework/mesos/schema/codec.js';
import { toClusterEvent } from '../../framework/mesos/translate.js';
import { vector, vectorNames, vectorText } from '../unit/mesos/vectors.js';

export interface Target {
  readonly name: string;
  readonly property: fc.IProperty<unknown>;
}

/** An input of a few kilobytes that takes longer has found something that is not linear. */
const slowMs = 5_000;

/** Larger than any record in the captures: a length up to it is waited for, one beyond it is an error. */
const maxRecordBytes = 200_000;

const streams = vectorNames('.stream.bin').map((name) => ({
  bytes: vector(`${name}.stream.bin`),
  isJson: /application\/json/i.test(vectorText(`${name}.head.txt`)),
}));
const recordsOf = (isJson: boolean): Uint8Array[] =>
  streams
    .filter((stream) => stream.isJson === isJson)
    .flatMap(({ bytes }) => new RecordReader({ maxRecordBytes: 10_000_000 }).push(bytes));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const jsonEvents = recordsOf(true).map(textOf);
const protobufEvents = [...recordsOf(false), ...jsonEvents.map((text) => encodeEvent(parseEvent(text)))];
const jsonCalls = vectorNames('.request.json')
  .map((name) => vectorText(`${name}.request.json`))
  .filter((text) => {
    try {
      parseCall(text);
      return true;
    } catch {
      return false;
    }
  });
const protobufCalls = jsonCalls.map((text) => encodeCall(parseCall(text)));

/** One change to a text or to bytes, at a place given as a fraction of its length. */
interface Edit {
  readonly at: number;
  readonly kind: 'flip' | 'drop' | 'repeat' | 'insert' | 'cut';
  readonly length: number;
  readonly bytes: Uint8Array;
}
const place = fc.double({ min: 0, max: 1, noNaN: true });
/** Numbers, brackets and ends of varints are what parsers trip over. */
const interestingBytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc
    .constantFrom(
      '\n',
      '0',
      '9999999999',
      '-1',
      '}',
      '{',
      '[',
      ']',
      '"',
      'null',
      '1e999',
      '"\\ud800"',
      '\\u0000',
    )
    .map((text) => new Uint8Array(Buffer.from(text))),
  fc
    .constantFrom(
      [0xff, 0xff, 0xff, 0xff, 0x0f],
      [0x80],
      [0x0b],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    )
    .map((bytes) => new Uint8Array(bytes)),
);
const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    at: place,
    kind: fc.constantFrom('flip', 'drop', 'repeat', 'insert', 'cut'),
    length: fc.nat({ max: 60 }),
    bytes: interestingBytes,
  }),
  { minLength: 1, maxLength: 6 },
);

function edited(original: Uint8Array, changes: readonly Edit[]): Uint8Array {
  let bytes = Buffer.from(original);
  for (const { at, kind, length, bytes: added } of changes) {
    const start = Math.floor(at * bytes.length);
    const [before, after] = [bytes.subarray(0, start), bytes.subarray(start)];
    switch (kind) {
      case 'flip':
        bytes = Buffer.from(bytes);
        if (start < bytes.length) bytes[start] = (bytes[start] ?? 0) ^ (1 << (length % 8));
        break;
      case 'drop':
        bytes = Buffer.concat([before, after.subarray(length)]);
        break;
      case 'repeat':
        bytes = Buffer.concat([before, after.subarray(0, length), after]);
        break;
      case 'insert':
        bytes = Buffer.concat([before, added, after]);
        break;
      case 'cut':
        bytes = Buffer.from(before);
        break;
    }
  }
  return new Uint8Array(bytes);
}

/** Cuts bytes at places given as fractions of their length; an empty chunk is a chunk, too. */
function chunksOf(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const marks = [0, ...places.map((p) => Math.floor(p * bytes.length)), bytes.length].sort((a, b) => a - b);
  return marks.slice(1).map((end, i) => bytes.subarray(marks[i], end));
}
const places = fc.array(place, { maxLength: 20 });

/** A field at a random depth gets another value; what stays is close enough to an event to get far into the decoder. */
const jsonEdits = fc.array(fc.record({ at: fc.nat(), value: fc.jsonValue({ maxDepth: 3 }) }), {
  minLength: 1,
  maxLength: 3,
});
function editedJson(text: string, changes: readonly { at: number; value: unknown }[]): string {
  const whole: { root: unknown } = { root: JSON.parse(text) };
  for (const { at, value } of changes) {
    const slots: [Record<string, unknown>, string][] = [];
    const collect = (holder: Record<string, unknown>): void => {
      for (const key of Object.keys(holder)) {
        slots.push([holder, key]);
        const inner = holder[key];
        if (typeof inner === 'object' && inner !== null) collect(inner as Record<string, unknown>);
      }
    };
    collect(whole);
    const slot = slots[at % slots.length];
    if (slot !== undefined) slot[0][slot[1]] = value;
  }
  return JSON.stringify(whole.root);
}

/** The value, or undefined where the error is one that this kind of input may bring about; any other is thrown on. */
function allowing<T>(expected: typeof RecordIoError | typeof CodecError, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof expected) return undefined;
    throw error;
  }
}

function timed<Args extends unknown[]>(work: (...args: Args) => void): (...args: Args) => void {
  return (...args) => {
    const started = performance.now();
    work(...args);
    const took = performance.now() - started;
    assert.ok(took < slowMs, `took ${Math.round(took)} ms`);
  };
}

/** What was read can be decided by, written in both codecs, and reads as the same again. */
function checkEvent(event: Event): void {
  toClusterEvent(event);
  assert.deepEqual(parseEvent(formatEvent(event)), event);
  const again = decodeEvent(encodeEvent(event));
  assert.equal(again.type, event.type);
  assert.deepEqual(decodeEvent(encodeEvent(again)), again);
}

function readStream(chunks: readonly Uint8Array[], decode: (record: Uint8Array) => Event): void {
  const reader = new RecordReader({ maxRecordBytes });
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  let taken = 0;
  for (const chunk of chunks) {
    let records: readonly Uint8Array[];
    let failure: RecordIoError | undefined;
    try {
      records = reader.push(chunk);
    } catch (error) {
      if (!(error instanceof RecordIoError)) throw error;
      failure = error;
      records = error.records;
    }
    for (const record of records) {
      taken += record.length;
      assert.ok(record.length <= maxRecordBytes);
      // A record holds no more memory than its bytes: a view would keep the whole chunk alive.
      assert.equal(record.buffer.byteLength, record.length);
      const event = allowing(CodecError, () => decode(record));
      if (event !== undefined) checkEvent(event);
    }
    if (failure !== undefined) {
      assert.throws(() => reader.push(new Uint8Array([0x31])), RecordIoError, 'an error is for good');
      break;
    }
  }
  assert.ok(taken <= total, 'no record is made of bytes that did not come');
}

const asJson = (record: Uint8Array): Event => parseEvent(textOf(record));

export const targets: readonly Target[] = [
  {
    name: 'RecordIO: any bytes',
    property: fc.property(
      fc.array(fc.oneof(fc.uint8Array({ maxLength: 200 }), interestingBytes), { maxLength: 30 }),
      timed((chunks) => readStream(chunks, decodeEvent)),
    ),
  },
  {
    name: 'streams: captures, changed and cut anywhere',
    property: fc.property(
      fc.constantFrom(...streams),
      edits,
      places,
      timed(({ bytes, isJson }, changes, cuts) =>
        readStream(chunksOf(edited(bytes, changes), cuts), isJson ? asJson : decodeEvent),
      ),
    ),
  },
  {
    name: 'events: any bytes as protobuf',
    property: fc.property(
      fc.uint8Array({ maxLength: 400 }),
      timed((bytes) => {
        const event = allowing(CodecError, () => decodeEvent(bytes));
        if (event !== undefined) checkEvent(event);
      }),
    ),
  },
  {
    name: 'events: protobuf, changed',
    property: fc.property(
      fc.constantFrom(...protobufEvents),
      edits,
      timed((bytes, changes) => {
        const event = allowing(CodecError, () => decodeEvent(edited(bytes, changes)));
        if (event !== undefined) checkEvent(event);
      }),
    ),
  },
  {
    name: 'events: JSON text, changed',
    property: fc.property(
      fc.constantFrom(...jsonEvents),
      edits,
      timed((text, changes) => {
        const event = allowing(CodecError, () => asJson(edited(Buffer.from(text), changes)));
        if (event !== undefined) checkEvent(event);
      }),
    ),
  },
  {
    name: 'events: JSON, fields changed',
    property: fc.property(
      fc.constantFrom(...jsonEvents),
      jsonEdits,
      timed((text, changes) => {
        const event = allowing(CodecError, () => parseEvent(editedJson(text, changes)));
        if (event !== undefined) checkEvent(event);
      }),
    ),
  },
  {
    name: 'events: any JSON',
    property: fc.property(
      fc.json(),
      timed((text) => {
        const event = allowing(CodecError, () => parseEvent(text));
        if (event !== undefined) checkEvent(event);
      }),
    ),
  },
  {
    name: 'calls: protobuf, changed',
    property: fc.property(
      fc.constantFrom(...protobufCalls),
      edits,
      timed((bytes, changes) => {
        const call = allowing(CodecError, () => decodeCall(edited(bytes, changes)));
        if (call !== undefined) assert.deepEqual(parseCall(formatCall(call)), call);
      }),
    ),
  },
  {
    name: 'calls: JSON, fields changed',
    property: fc.property(
      fc.constantFrom(...jsonCalls),
      jsonEdits,
      timed((text, changes) => {
        const call = allowing(CodecError, () => parseCall(editedJson(text, changes)));
        if (call !== undefined) {
          assert.deepEqual(parseCall(formatCall(call)), call);
          encodeCall(call);
        }
      }),
    ),
  },
];

/** Deep nesting, which random bytes do not come upon: recursion must end in a coded error. */
export const nestedInputs: readonly { readonly name: string; readonly read: () => void }[] = [
  {
    name: 'groups in groups',
    read: () => allowing(CodecError, () => decodeEvent(new Uint8Array(1_000_000).fill(0x0b))),
  },
  {
    name: 'messages in messages of an unknown field',
    read: () => allowing(CodecError, () => decodeEvent(new Uint8Array(1_000_000).fill(0x7a))),
  },
  {
    name: 'arrays in arrays',
    read: () => allowing(CodecError, () => parseEvent('['.repeat(1_000_000))),
  },
  {
    name: 'objects in objects, in a field that is not known',
    read: () =>
      allowing(CodecError, () =>
        parseEvent(`{"type":"HEARTBEAT","x":${'{"x":'.repeat(100_000)}1${'}'.repeat(100_000)}}`),
      ),
  },
];
