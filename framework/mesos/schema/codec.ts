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
  return checked(type, type.toObject(message, { enums: String, longs: Number }));
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
  const plan = planOf(type);
  let result: Fields | undefined;
  try {
    result = conform(plan, value, undefined);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    // Where it is wrong is worked out only now: most messages are right, and naming every field's place takes its time.
    result = conform(plan, value, type.name);
  }
  if (result === undefined)
    throw new CodecError('bad-message', `${type.name}: a required enum has a value that is not known`);
  return result;
}

/** A message's fields, as the check needs them: what reflection tells, asked for once. */
interface FieldPlan {
  readonly name: string;
  readonly required: boolean;
  readonly shape: 'map' | 'list' | 'one';
  readonly of: ValuePlan;
}
type ValuePlan =
  | { readonly kind: 'message'; readonly type: protobuf.Type }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly values: ReadonlySet<string>;
      /** What a value that is not known becomes. */
      readonly unknown: string | undefined;
    }
  | { readonly kind: 'string' | 'bytes' | 'bool' | 'number' };

const plans = new Map<protobuf.Type, readonly FieldPlan[]>();

function planOf(type: protobuf.Type): readonly FieldPlan[] {
  let plan = plans.get(type);
  if (plan === undefined) {
    plan = type.fieldsArray.map((field) => ({
      name: field.name,
      required: field.required,
      shape: field.map ? 'map' : field.repeated ? 'list' : 'one',
      of: valuePlanOf(field),
    }));
    plans.set(type, plan);
  }
  return plan;
}

function valuePlanOf(field: protobuf.Field): ValuePlan {
  const type = field.resolvedType;
  if (type instanceof protobuf.Type) return { kind: 'message', type };
  if (type instanceof protobuf.Enum) {
    const values = new Set(Object.keys(type.values));
    const unknown =
      type.name === 'TaskState' ? 'TASK_UNREACHABLE' : values.has('UNKNOWN') ? 'UNKNOWN' : undefined;
    return { kind: 'enum', name: type.name, values, unknown };
  }
  switch (field.type) {
    case 'string':
    case 'bytes':
    case 'bool':
      return { kind: field.type };
    default:
      return { kind: 'number' };
  }
}

/**
 * `value` with only the schema's fields, each of its type; undefined when a required enum has an unknown value.
 * @param path for errors; undefined where it does not matter
 */
function conform(plan: readonly FieldPlan[], value: Fields, path: string | undefined): Fields | undefined {
  const result: Fields = {};
  for (const field of plan) {
    const given = value[field.name];
    if (given === undefined || given === null) {
      if (field.required) throw new CodecError('bad-message', `${path}.${field.name} is required`);
      continue;
    }
    const here = path === undefined ? undefined : `${path}.${field.name}`;
    switch (field.shape) {
      case 'map': {
        if (!isFields(given)) throw unexpected(here, 'an object', given);
        const entries: Fields = {};
        for (const [key, item] of Object.entries(given)) {
          const kept = conformOne(field.of, item, here === undefined ? undefined : `${here}.${key}`);
          if (kept !== undefined) entries[key] = kept;
        }
        result[field.name] = entries;
        break;
      }
      case 'list': {
        if (!Array.isArray(given)) throw unexpected(here, 'an array', given);
        const items: unknown[] = [];
        for (const item of given) {
          const kept = conformOne(field.of, item, here);
          if (kept !== undefined) items.push(kept);
        }
        result[field.name] = items;
        break;
      }
      case 'one': {
        const kept = conformOne(field.of, given, here);
        if (kept !== undefined) result[field.name] = kept;
        else if (field.required) return undefined;
      }
    }
  }
  return result;
}

function conformOne(plan: ValuePlan, value: unknown, path: string | undefined): unknown {
  switch (plan.kind) {
    case 'message':
      if (!isFields(value)) throw unexpected(path, 'an object', value);
      return conform(planOf(plan.type), value, path);
    case 'enum':
      if (typeof value === 'string' && plan.values.has(value)) return value;
      if (typeof value !== 'string' && typeof value !== 'number') {
        throw unexpected(path, `the name of a ${plan.name}`, value);
      }
      return plan.unknown;
    case 'string':
      if (typeof value === 'string') return value;
      throw unexpected(path, 'a string', value);
    case 'bytes':
      // Out of protobuf they come as they are.
      if (value instanceof Uint8Array)
        return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
      if (typeof value === 'string' && isBase64(value)) return value;
      throw unexpected(path, 'bytes in base64', value);
    case 'bool':
      if (typeof value === 'boolean') return value;
      throw unexpected(path, 'true or false', value);
    case 'number': {
      // Mesos writes 64-bit numbers as JSON numbers, but reads strings, too: a client may send them so.
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
      if (typeof number === 'number' && Number.isFinite(number)) return number;
      throw unexpected(path, 'a number', value);
    }
  }
}

const unexpected = (path: string | undefined, expected: string, value: unknown): CodecError =>
  new CodecError('bad-message', `${path}: expected ${expected}, found ${kindOf(value)}`);

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
