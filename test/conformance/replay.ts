/** Plays a captured scenario again: the captured calls against the embedded Mesos, and event for event against the captured stream. */
import assert from 'node:assert/strict';
import { RecordReader } from '../../framework/mesos/recordio.js';
import {
  type Call,
  decodeEvent,
  type Event,
  type Offer,
  parseCall,
  parseEvent,
} from '../../framework/mesos/schema/codec.js';
import { vector, vectorText } from '../unit/mesos/vectors.js';
import { type Answer, ask, type Codec, type Headers, inWords, Subscription } from './client.js';
import { compare, Names } from './comparison.js';

const json = { 'Content-Type': 'application/json' };
const headersLeftOut = ['date', 'connection', 'keep-alive', 'mesos-stream-id'];

interface Head {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export function capturedHead(name: string): Head {
  const text = vectorText(`${name}.head.txt`).replace(/^GET .*\r?\n\r?\n/, '');
  const [head = '', ...body] = text.split(/\r?\n\r?\n/);
  const [first = '', ...lines] = head.trim().split(/\r?\n/);
  return {
    status: Number(/^HTTP\/1.1 (\d+)/.exec(first)?.[1]),
    headers: new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    ),
    body: body.join('\n\n').replace(/\n+$/, (end) => (body.join('').trim() === '' ? '' : end)),
  };
}

function capturedEvents(name: string): Event[] {
  const isJson = /application\/json/.test(vectorText(`${name}.head.txt`));
  return new RecordReader({ maxRecordBytes: 10_000_000 })
    .push(vector(`${name}.stream.bin`))
    .map((record) => (isJson ? parseEvent(Buffer.from(record).toString('utf8')) : decodeEvent(record)))
    .filter((event, at) => event.type !== 'HEARTBEAT' || at === 1);
}

export class Replay {
  readonly names = new Names();
  /** The captures that were compared. */
  readonly replayed = new Set<string>();
  readonly #master: () => string;
  readonly #image: string;
  readonly #headers: Headers;
  readonly #streams: StreamReplay[] = [];

  constructor(master: () => string, image: string, headers: Headers = {}) {
    this.#master = master;
    this.#image = image;
    this.#headers = headers;
  }

  /** The body of a captured call, with our names in the place of the captured ones. */
  body(name: string): string {
    return this.names
      .translate(vectorText(`${name}.request.json`))
      .replaceAll(/"sleeper(:1)?"/g, JSON.stringify(this.#image));
  }

  /** Any captured exchange but a stream: the same status, headers and body. */
  async exchange(
    name: string,
    path: string,
    body: string | undefined,
    headers: Headers = json,
  ): Promise<Answer> {
    const answer =
      body === undefined
        ? await ask('GET', `${this.#master()}${path}`, headers)
        : await ask('POST', `${this.#master()}${path}`, headers, body);
    this.compareHead(name, answer);
    return answer;
  }

  compareHead(name: string, { status, headers, body }: Answer, isBodyCompared = true): void {
    const theirs = capturedHead(name);
    this.replayed.add(name);
    assert.equal(status, theirs.status, `${name}: status`);
    const compared = (keys: Iterable<string>) =>
      [...keys].filter((key) => !headersLeftOut.includes(key)).sort();
    assert.deepEqual(compared(Object.keys(headers)), compared(theirs.headers.keys()), `${name}: headers`);
    for (const key of ['content-type', 'www-authenticate', 'transfer-encoding'])
      assert.equal(headers[key], theirs.headers.get(key), `${name}: ${key}`);
    if (isBodyCompared) assert.equal(body, this.names.translate(theirs.body), `${name}: body`);
  }

  call(name: string, more: Headers = {}, path = '/api/v1/scheduler'): Promise<Answer> {
    return this.exchange(name, path, this.body(name), { ...json, ...this.#headers, ...more });
  }

  async subscribe(name: string): Promise<StreamReplay> {
    const theirs = capturedHead(name);
    const call = parseCall(this.body(name));
    assert.ok(call.type === 'SUBSCRIBE');
    const subscription = await Subscription.open({
      master: this.#master(),
      call,
      codec: 'application/json',
      accept: theirs.headers.get('content-type') as Codec,
      headers: this.#headers,
    });
    this.compareHead(name, { status: subscription.status, headers: subscription.headers, body: '' }, false);
    this.names.learn(theirs.headers.get('mesos-stream-id') ?? '', subscription.streamId);
    const stream = new StreamReplay(name, this, subscription);
    this.#streams.push(stream);
    return stream;
  }

  /** Every captured event has been seen, and nothing else. */
  finish(): void {
    for (const stream of this.#streams) {
      stream.finish();
      stream.close();
    }
  }

  close(): void {
    for (const stream of this.#streams) stream.close();
  }
}

/** How often offers are asked for anew where the allocator's own run came in between. */
const freshAttempts = 10;

export class StreamReplay {
  readonly #name: string;
  readonly #replay: Replay;
  readonly #subscription: Subscription;
  readonly #captured: Event[];
  /** Of ours, how many are compared or set aside. */
  #at = 0;
  /** Of ours, neither compared nor declined. */
  #offers: Offer[] = [];
  /** Of ours, not answered. */
  readonly #outstanding = new Map<string, Offer>();
  /** Events other than OFFERS, not compared yet. */
  readonly #rest: Event[] = [];
  #acknowledges = true;

  constructor(name: string, replay: Replay, subscription: Subscription) {
    this.#name = name;
    this.#replay = replay;
    this.#subscription = subscription;
    this.#captured = capturedEvents(name);
    subscription.watch(() => this.#sort());
    this.#sort();
  }

  #sort(): void {
    const { events } = this.#subscription;
    for (; this.#at < events.length; this.#at += 1) {
      const event = events[this.#at] as Event;
      if (event.type === 'OFFERS') {
        for (const offer of event.offers.offers ?? []) {
          this.#offers.push(offer);
          this.#outstanding.set(offer.id.value, offer);
        }
      } else if (event.type !== 'HEARTBEAT' || this.#at === 1) {
        this.#rest.push(event);
      }
      if (event.type === 'RESCIND') this.#outstanding.delete(event.rescind.offer_id.value);
      // One that gets lost is for the master to ask for again.
      if (event.type === 'UPDATE' && this.#acknowledges)
        void this.#subscription.acknowledge(event.update.status).catch(() => {});
    }
  }

  get headers(): Headers {
    return { 'Mesos-Stream-Id': this.#subscription.streamId };
  }

  /** From now on updates are left unacknowledged. */
  holdAcknowledgements(): void {
    this.#acknowledges = false;
  }

  /** Those that came so far and were held are acknowledged, and all that come. */
  async acknowledge(): Promise<void> {
    if (this.#acknowledges) return;
    this.#acknowledges = true;
    for (const event of this.#subscription.events)
      if (event.type === 'UPDATE') await this.#subscription.acknowledge(event.update.status);
  }

  /** The captured call of that name, on this stream. */
  async call(name: string): Promise<Answer> {
    return this.#replay.call(name, this.headers);
  }

  /** A captured ACCEPT; `refuseS` takes the place of its filter. */
  async accept(name: string, refuseS?: number): Promise<void> {
    const call = parseCall(this.#replay.body(name));
    assert.ok(call.type === 'ACCEPT');
    for (const { value } of call.accept.offer_ids ?? []) this.#outstanding.delete(value);
    const changed: Call =
      refuseS === undefined
        ? call
        : { ...call, accept: { ...call.accept, filters: { refuse_seconds: refuseS } } };
    await this.#replay.exchange(name, '/api/v1/scheduler', JSON.stringify(changed), {
      ...json,
      ...this.headers,
    });
  }

  /** The next captured events, which `words` name, come here too, in their order; offers wherever they stand. */
  async see(...words: readonly string[]): Promise<void> {
    const captured = this.#take(words);
    for (const event of captured) {
      if (event.type === 'OFFERS') continue;
      const ours = await this.#next(event);
      compare(event, ours, this.#replay.names, event.type === 'UPDATE' ? 'event' : event.type);
    }
    for (const event of captured) {
      if (event.type !== 'OFFERS') continue;
      for (const theirs of event.offers.offers ?? []) {
        await this.#subscription.until(`the offer of ${describe(theirs)} in ${this.#name}`, () =>
          this.#match(theirs),
        );
      }
    }
  }

  /** The same for updates of which the order does not count. */
  async seeInAnyOrder(...words: readonly string[]): Promise<void> {
    const captured = this.#take(words);
    const ours: Event[] = [];
    for (const event of captured) ours.push(await this.#next(event));
    const byTask = (events: readonly Event[]) =>
      [...events].sort((a, b) => (taskOf(a) + inWords(a) < taskOf(b) + inWords(b) ? -1 : 1));
    compare(byTask(captured), byTask(ours), this.#replay.names, 'event');
  }

  #take(words: readonly string[]): Event[] {
    const captured = this.#captured.splice(0, words.length);
    assert.deepEqual(
      captured.map(inWords),
      words,
      `${this.#name}: the script of the replay follows the capture`,
    );
    return captured;
  }

  #next(expected: Event): Promise<Event> {
    return this.#subscription.until(`${inWords(expected)} of ${this.#name}`, () => {
      this.#sort();
      return this.#rest.shift();
    });
  }

  #match(theirs: Offer): true | undefined {
    this.#sort();
    const found = this.#offers.find((ours) => describe(ours) === describe(theirs));
    if (found === undefined) return undefined;
    this.#offers = this.#offers.filter((offer) => offer !== found);
    compare(theirs, found, this.#replay.names, 'offers.offers.0');
    return true;
  }

  /**
   * What the recorder did before most launches, and left no record of: all offers declined, then REVIVE. The OFFERS that `count` captured
   * events show come of it.
   */
  async seeFreshOffers(count = 1): Promise<void> {
    const captured = this.#take(new Array<string>(count).fill('OFFERS'));
    const theirs = captured.flatMap((event) => (event.type === 'OFFERS' ? (event.offers.offers ?? []) : []));
    const hosts = new Set(theirs.map((offer) => offer.hostname));
    for (let attempt = 1; ; attempt += 1) {
      this.#sort();
      const offer_ids = [...this.#outstanding.keys()].map((value) => ({ value }));
      this.#outstanding.clear();
      this.#offers = [];
      await this.#subscription.call({
        type: 'DECLINE',
        decline: { offer_ids, filters: { refuse_seconds: 0 } },
      });
      await this.#subscription.call({ type: 'REVIVE' });
      await this.#subscription.until(`offers of ${[...hosts].join(' and ')}`, () => {
        this.#sort();
        return [...hosts].every((host) => this.#offers.some((offer) => offer.hostname === host)) || undefined;
      });
      if (theirs.every((offer) => this.#offers.some((ours) => describe(ours) === describe(offer)))) break;
      if (attempt === freshAttempts)
        assert.deepEqual(
          this.#offers.map(describe).sort(),
          theirs.map(describe).sort(),
          `${this.#name}: fresh offers`,
        );
    }
    for (const offer of theirs) this.#match(offer);
  }

  get ended(): Promise<true> {
    return this.#subscription.ended;
  }

  finish(): void {
    this.#sort();
    assert.deepEqual(
      this.#captured.map(inWords),
      [],
      `${this.#name}: captured events that were not looked for`,
    );
    assert.deepEqual(this.#rest.map(inWords), [], `${this.#name}: events that the capture does not have`);
  }

  close(): void {
    this.#subscription.close();
  }
}

/** Sorts alike on both sides: tasks keep their ids in a replay. */
const taskOf = (event: Event): string => (event.type === 'UPDATE' ? event.update.status.task_id.value : '');

/** Host and amounts: what tells one offer from another. */
const describe = ({ hostname, resources = [], unavailability }: Offer): string =>
  `${hostname} (${resources.map(({ name, scalar }) => `${name} ${scalar?.value ?? ''}`).join(' ')}${unavailability === undefined ? '' : ', unavailable'})`;
