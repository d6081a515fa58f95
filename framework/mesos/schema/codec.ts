/**
 * Events and calls of the v1 scheduler API between three forms: protobuf bytes, JSON text, and typed objects in Mesos' JSON
 * form. Both codecs end in the same check, so that what comes out is what the types say, whoever sent it.
 *
 * What a newer master may send, and what becomes of it:
 * - a field that the schema lacks is dropped;
 * - an enum value that the schema lacks becomes UNKNOWN where the enum has that; an optional field is left out otherwise (both
 *   as in Mesos' own decoder); an element of a list that cannot do without the value is left out of the list;
 * - a task state that the schema lacks becomes TASK_UNREACHABLE, the state that promises nothing: the task may live or not;
 * - an event or call of an unknown type has type UNKNOWN.
 */
import protobuf from 'protobufjs';
import * as schema from './schema.generated.js';

export type * from './schema.generated.js';

/** A message with a `type` and a field of the same name for it, as a union that a switch over `type` narrows. */
type Tagged<Fields extends { type?: string }, Optional extends string = never> = {
  [Type in NonNullable<Fields['type']>]: Lowercase<Type> extends infer Name
    ? Name extends keyof Fields
      ? Type extends Optional
        ? { type: Type } & { [N in Name]?: NonNullable<Fields[N]> }
        : { type: Type } & { [N in Name]: NonNullable<Fields[N]> }
      : { type: Type }
    : never;
}[NonNullable<Fields['type']>];

/** One event of the stream: `{type: 'OFFERS', offers: …}`, `{type: 'HEARTBEAT'}`, … */
export type Event = Tagged<schema.Event>;
export type EventType = schema.EventType;

/** One call. REVIVE and SUPPRESS may go without a body: then they are about all roles. */
export type Call = Tagged<schema.Call, 'REVIVE' | 'SUPPRESS'> & { framework_id?: schema.FrameworkID };
export type CallType = schema.CallType;

export class CodecError extends Error {
  override readonly name = 'CodecError';
  constructor(
    readonly code: 'bad-protobuf' | 'bad-json' | 'bad-message',
    message: string,
  ) {
    super(message);
  }
}

const root = protobuf.Root.fromJSON(schema.descriptor);
root.resolveAll();
const eventType = root.lookupType('mesos.v1.Event');
const callType = root.lookupType('mesos.v1.Call');

export const decodeEvent = (bytes: Uint8Array): Event =>
  tagged(eventType, fromProtobuf(eventType, bytes)) as Event;
export const encodeEvent = (event: Event): Uint8Array => toProtobuf(eventType, event);
export const decodeCall = (bytes: Uint8Array): Call =>
  tagged(callType, fromProtobuf(callType, bytes)) as Call;
export const encodeCall = (call: Call): Uint8Array => toProtobuf(callType, call);

/** One event out of the text of a JSON record. */
export const parseEvent = (text: string): Event => tagged(eventType, fromJson(eventType, text)) as Event;
/** One call out of a request's JSON body. */
export const parseCall = (text: string): Call => tagged(callType, fromJson(callType, text)) as Call;

/** JSON with the fields in the schema's order, as Mesos writes them. */
export const formatEvent = (event: Event): string => JSON.stringify(checked(eventType, event as Fields));
export const formatCall = (call: Call): string => JSON.stringify(checked(callType, call as Fields));

type Fields = Record<string, unknown>;

function fromProtobuf(type: protobuf.Type, bytes: Uint8Array): Fields {
  let message: protobuf.Message;
  try {
    message = type.decode(bytes);
  } catch (error) {
    throw new CodecError(
      'bad-protobuf',
      `${type.name}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  return checked(type, type.toObject(message, { enums: String, longs: Number, bytes: String }));
}

function toProtobuf(type: protobuf.Type, value: object): Uint8Array {
  // The check comes first because fromObject() silently leaves out an enum value that it does not know.
  return type.encode(type.fromObject(checked(type, value as Fields))).finish();
}

function fromJson(type: protobuf.Type, text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CodecError(
      'bad-json',
      `${type.name}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (!isFields(value))
    throw new CodecError('bad-message', `${type.name}: expected an object, found ${kindOf(value)}`);
  return checked(type, value);
}

function checked(type: protobuf.Type, value: Fields): Fields {
  const result = conform(type, value, type.name);
  if (result === undefined)
    throw new CodecError('bad-message', `${type.name}: a required enum has a value that is not known`);
  return result;
}

/** `value` with only the schema's fields, each of its type; undefined when a required enum has an unknown value. */
function conform(type: protobuf.Type, value: Fields, path: string): Fields | undefined {
  const result: Fields = {};
  for (const field of type.fieldsArray) {
    const given = value[field.name];
    if (given === undefined || given === null) {
      if (field.required) throw new CodecError('bad-message', `${path}.${field.name} is required`);
      continue;
    }
    const here = `${path}.${field.name}`;
    if (field.map) {
      if (!isFields(given))
        throw new CodecError('bad-message', `${here}: expected an object, found ${kindOf(given)}`);
      const entries: Fields = {};
      for (const [key, item] of Object.entries(given)) {
        const kept = conformOne(field, item, `${here}.${key}`);
        if (kept !== undefined) entries[key] = kept;
      }
      result[field.name] = entries;
    } else if (field.repeated) {
      if (!Array.isArray(given))
        throw new CodecError('bad-message', `${here}: expected an array, found ${kindOf(given)}`);
      const items: unknown[] = [];
      for (const item of given) {
        const kept = conformOne(field, item, here);
        if (kept !== undefined) items.push(kept);
      }
      result[field.name] = items;
    } else {
      const kept = conformOne(field, given, here);
      if (kept !== undefined) result[field.name] = kept;
      else if (field.required) return undefined;
    }
  }
  return result;
}

function conformOne(field: protobuf.Field, value: unknown, path: string): unknown {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) {
    if (!isFields(value))
      throw new CodecError('bad-message', `${path}: expected an object, found ${kindOf(value)}`);
    return conform(type, value, path);
  }
  if (type instanceof protobuf.Enum) {
    if (typeof value === 'string' && Object.hasOwn(type.values, value)) return value;
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new CodecError(
        'bad-message',
        `${path}: expected the name of a ${type.name}, found ${kindOf(value)}`,
      );
    }
    if (type.name === 'TaskState') return 'TASK_UNREACHABLE';
    return Object.hasOwn(type.values, 'UNKNOWN') ? 'UNKNOWN' : undefined;
  }
  switch (field.type) {
    case 'string':
      if (typeof value === 'string') return value;
      throw new CodecError('bad-message', `${path}: expected a string, found ${kindOf(value)}`);
    case 'bytes':
      if (typeof value === 'string' && isBase64(value)) return value;
      throw new CodecError('bad-message', `${path}: expected bytes in base64, found ${kindOf(value)}`);
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw new CodecError('bad-message', `${path}: expected true or false, found ${kindOf(value)}`);
    default: {
      // Mesos writes 64-bit numbers as JSON numbers, but reads strings, too: a client may send them so.
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof number === 'number' && Number.isFinite(number)) return number;
      throw new CodecError('bad-message', `${path}: expected a number, found ${kindOf(value)}`);
    }
  }
}

/** With or without its padding, as Mesos reads it. */
function isBase64(text: string): boolean {
  const digits = text.replace(/={1,2}$/, '');
  const isWhole = digits.length === text.length ? text.length % 4 !== 1 : text.length % 4 === 0;
  return isWhole && !/[^A-Za-z0-9+/]/.test(digits);
}

/** Bodies that a message of that type may lack (src/master/validation.cpp of Mesos). */
const optionalBodies = new Set(['REVIVE', 'SUPPRESS']);

function tagged(type: protobuf.Type, fields: Fields): Fields {
  const tag = typeof fields['type'] === 'string' ? fields['type'] : 'UNKNOWN';
  const body = tag.toLowerCase();
  if (
    Object.hasOwn(type.fields, body) &&
    fields[body] === undefined &&
    !(type === callType && optionalBodies.has(tag))
  ) {
    throw new CodecError('bad-message', `Expecting '${body}' to be present`);
  }
  return { ...fields, type: tag };
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object'
    ? 'an object'
    : `${typeof value} ${JSON.stringify(value)?.slice(0, 40) ?? ''}`;
}
