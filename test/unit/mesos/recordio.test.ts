import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeRecord, RecordIoError, RecordReader } from '../../../framework/mesos/recordio.js';

const reader = () => new RecordReader({ maxRecordBytes: 1_000_000 });
const bytes = (text: string) => new TextEncoder().encode(text);
const joined = (parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** Cuts a stream at places given as fractions of its length. */
function cut(stream: Uint8Array, places: number[]): Uint8Array[] {
  const marks = [0, ...places.map((p) => Math.floor(p * stream.length)), stream.length].sort((a, b) => a - b);
  return marks.slice(1).map((end, i) => stream.subarray(marks[i], end));
}

test('records come out whole however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 })),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }),
      (records, places) => {
        const r = reader();
        const out = cut(joined(records.map(encodeRecord)), places).flatMap((chunk) => r.push(chunk));
        assert.deepEqual(
          out.map((b) => [...b]),
          records.map((b) => [...b]),
        );
        assert.equal(r.atBoundary, true);
      },
    ),
  );
});

test('lengths count bytes, not characters', () => {
  const record = bytes('{"site":"北京"}');
  assert.deepEqual(reader().push(encodeRecord(record)), [record]);
});

test('a record of many megabytes is taken in linear time, in chunks of one byte too', () => {
  const record = new Uint8Array(8_000_000).fill(0x61);
  const r = new RecordReader({ maxRecordBytes: 10_000_000 });
  const stream = encodeRecord(record);
  let out: Uint8Array[] = [];
  const start = performance.now();
  for (let at = 0; at < stream.length; at += 1) out = r.push(stream.subarray(at, at + 1));
  assert.equal(out[0]?.length, record.length);
  // Copying the record at every byte would take hours.
  assert.ok(performance.now() - start < 30_000);
});

test('the memory for a record follows what came, not what its length promises', () => {
  const before = process.memoryUsage().arrayBuffers;
  const readers = Array.from({ length: 200 }, () => {
    const r = new RecordReader({ maxRecordBytes: 1_000_000_000 });
    r.push(bytes('999999999\nx'));
    return r;
  });
  assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000);
  assert.equal(readers.length, 200);
});

for (const [what, stream, code] of [
  ['a letter in a length', '12x\n', 'bad-length'],
  ['an empty length', '\n', 'bad-length'],
  ['a negative length', '-5\n', 'bad-length'],
  ['an HTML page', '<html>', 'bad-length'],
  ['a length beyond the limit', '1000001\n', 'record-too-long'],
  ['a length of endless digits', '9'.repeat(400), 'record-too-long'],
  ['a length of endless zeros', '0'.repeat(400), 'record-too-long'],
] as const) {
  test(`${what} ends the stream with ${code}`, () => {
    const r = reader();
    const isIt = (error: unknown) => error instanceof RecordIoError && error.code === code;
    assert.throws(() => r.push(bytes(stream)), isIt);
    assert.throws(() => r.push(bytes('1\na')), isIt, 'and stays ended');
  });
}

test('records before a bad length in the same chunk are not lost', () => {
  assert.throws(
    () => reader().push(bytes('1\na2\nbbX')),
    (error) => error instanceof RecordIoError && error.records.length === 2,
  );
});
