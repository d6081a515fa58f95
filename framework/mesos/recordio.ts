/**
 * RecordIO, the framing of a Mesos event stream: the length of a record in bytes as decimal digits, a newline, then that many
 * bytes. Records and chunks of the connection do not line up (FACTS, scheduler API 2), so the reader takes any bytes as they
 * come, and touches each once or twice however they were cut.
 */

export type RecordIoErrorCode = 'bad-length' | 'record-too-long';

/** The stream cannot be read on: nothing says where the next record starts. Only a new connection helps. */
export class RecordIoError extends Error {
  override readonly name = 'RecordIoError';
  constructor(
    readonly code: RecordIoErrorCode,
    message: string,
    /** Records that were whole in the same chunk before the bad place. */
    readonly records: readonly Uint8Array[],
  ) {
    super(message);
  }
}

export interface RecordReaderOptions {
  /** Longest record that is taken, in bytes; a longer one ends the stream before any of it is kept. */
  readonly maxRecordBytes: number;
}

const newline = 0x0a;
const digitZero = 0x30;
/** The memory for a record grows with what has come, not with what the length promises. */
const firstBufferBytes = 64 * 1024;

type State =
  | { readonly in: 'length'; readonly digits: number; readonly value: number }
  | { readonly in: 'record'; readonly length: number; readonly buffer: Uint8Array; readonly filled: number }
  | { readonly in: 'error'; readonly error: RecordIoError };

const atLength: State = { in: 'length', digits: 0, value: 0 };

export class RecordReader {
  #state: State = atLength;
  readonly #maxRecordBytes: number;
  readonly #maxDigits: number;

  constructor(options: RecordReaderOptions) {
    this.#maxRecordBytes = options.maxRecordBytes;
    this.#maxDigits = String(options.maxRecordBytes).length;
  }

  /** True between records: an end of the stream here cuts none in two. */
  get atBoundary(): boolean {
    return this.#state.in === 'length' && this.#state.digits === 0;
  }

  /** The records that this chunk completes. Each is memory of its own, not a view of the chunk. */
  push(chunk: Uint8Array): Uint8Array[] {
    const records: Uint8Array[] = [];
    let at = 0;
    while (at < chunk.length) {
      const state = this.#state;
      switch (state.in) {
        case 'error':
          throw state.error;
        case 'length': {
          const byte = chunk[at] as number;
          at += 1;
          if (byte === newline) this.#startRecord(state, records);
          else this.#state = this.#takeDigit(state, byte, records);
          break;
        }
        case 'record': {
          const take = Math.min(state.length - state.filled, chunk.length - at);
          const buffer = roomFor(state, state.filled + take);
          buffer.set(chunk.subarray(at, at + take), state.filled);
          at += take;
          const filled = state.filled + take;
          if (filled === state.length) {
            records.push(buffer.length === filled ? buffer : buffer.slice(0, filled));
            this.#state = atLength;
          } else {
            this.#state = { in: 'record', length: state.length, buffer, filled };
          }
          break;
        }
      }
    }
    return records;
  }

  #takeDigit(state: { digits: number; value: number }, byte: number, records: readonly Uint8Array[]): State {
    const digit = byte - digitZero;
    if (digit < 0 || digit > 9) {
      return this.#fail(
        'bad-length',
        `expected a digit of a record's length, found byte 0x${byte.toString(16)}`,
        records,
      );
    }
    const value = state.value * 10 + digit;
    // Digits are counted too, so that a length of endless zeros ends.
    if (value > this.#maxRecordBytes || state.digits + 1 > this.#maxDigits) {
      return this.#fail(
        'record-too-long',
        `a record's length exceeds ${this.#maxRecordBytes} bytes`,
        records,
      );
    }
    return { in: 'length', digits: state.digits + 1, value };
  }

  #startRecord(state: { digits: number; value: number }, records: Uint8Array[]): void {
    if (state.digits === 0) this.#fail('bad-length', "a record's length is empty", records);
    else if (state.value === 0) {
      records.push(new Uint8Array(0));
      this.#state = atLength;
    } else {
      const buffer = new Uint8Array(Math.min(state.value, firstBufferBytes));
      this.#state = { in: 'record', length: state.value, buffer, filled: 0 };
    }
  }

  #fail(code: RecordIoErrorCode, message: string, records: readonly Uint8Array[]): never {
    const error = new RecordIoError(code, message, records);
    this.#state = { in: 'error', error: new RecordIoError(code, message, []) };
    throw error;
  }
}

/** A buffer that holds the record so far and has room up to `needed`; doubling keeps the copying linear. */
function roomFor(state: { length: number; buffer: Uint8Array; filled: number }, needed: number): Uint8Array {
  if (needed <= state.buffer.length) return state.buffer;
  const larger = new Uint8Array(Math.min(state.length, Math.max(needed, state.buffer.length * 2)));
  larger.set(state.buffer.subarray(0, state.filled));
  return larger;
}

export function encodeRecord(bytes: Uint8Array): Uint8Array {
  const length = new TextEncoder().encode(`${bytes.length}\n`);
  const record = new Uint8Array(length.length + bytes.length);
  record.set(length);
  record.set(bytes, length.length);
  return record;
}
