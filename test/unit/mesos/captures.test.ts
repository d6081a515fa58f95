/** Every captured stream of a real master, read by our code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordReader } from '../../../framework/mesos/recordio.js';
import {
  decodeCall,
  decodeEvent,
  encodeCall,
  encodeEvent,
  parseCall,
  parseEvent,
} from '../../../framework/mesos/schema/codec.js';
import { hasVector, vector, vectorLines, vectorNames, vectorText } from './vectors.js';

const records = (stream: Uint8Array, chunks: number[]): Uint8Array[] => {
  const reader = new RecordReader({ maxRecordBytes: 10_000_000 });
  const out: Uint8Array[] = [];
  let at = 0;
  for (const size of chunks) {
    out.push(...reader.push(stream.subarray(at, at + size)));
    at += size;
  }
  assert.equal(at, stream.length);
  assert.equal(reader.atBoundary, true);
  return out;
};

for (const name of vectorNames('.stream.bin')) {
  const stream = vector(`${name}.stream.bin`);
  const chunks = JSON.parse(vectorText(`${name}.chunks.json`)) as number[];
  const isJson = /application\/json/i.test(vectorText(`${name}.head.txt`));
  const whole = records(stream, chunks);

  test(`${name}: chunks as captured, bytes one by one and all at once give the same records`, () => {
    assert.ok(whole.length > 0);
    assert.deepEqual(records(stream, new Array<number>(stream.length).fill(1)), whole);
    assert.deepEqual(records(stream, [stream.length]), whole);
  });

  if (isJson) {
    test(`${name}: every event is read whole from JSON, and survives protobuf`, () => {
      assert.ok(hasVector(`${name}.events.jsonl`));
      const expected = vectorLines(`${name}.events.jsonl`);
      const events = whole.map((record) => parseEvent(Buffer.from(record).toString('utf8')));
      assert.deepEqual(events, expected);
      assert.deepEqual(
        events.map((event) => decodeEvent(encodeEvent(event))),
        expected,
      );
    });
  } else {
    test(`${name}: every event is read from protobuf, and written back to the same bytes`, () => {
      for (const record of whole) {
        const event = decodeEvent(record);
        assert.notEqual(event.type, 'UNKNOWN');
        assert.deepEqual(Buffer.from(encodeEvent(event)), Buffer.from(record));
        assert.deepEqual(parseEvent(JSON.stringify(event)), event);
      }
    });
  }
}

/** Calls of the operator's API, and one that was cut short on purpose. */
const notSchedulerCalls = [
  '02-call-malformed-json',
  '02-call-missing-field',
  '61-drain-agent',
  '62-reactivate-agent',
  '64-mark-agent-gone',
];

for (const name of vectorNames('.request.json').filter((name) => !notSchedulerCalls.includes(name))) {
  test(`${name}: the call is read whole, and survives protobuf`, () => {
    const text = vectorText(`${name}.request.json`);
    const call = parseCall(text);
    assert.deepEqual(call, JSON.parse(text));
    // An empty list and a missing one are the same bytes.
    const noEmptyLists = JSON.parse(text, (_, value) =>
      Array.isArray(value) && value.length === 0 ? undefined : value,
    );
    assert.deepEqual(decodeCall(encodeCall(call)), noEmptyLists);
  });
}
