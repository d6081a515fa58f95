/** A TCP proxy that does to connections what networks do: cuts them, holds them up, and cuts their bytes up anew. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { SeededRandom } from './random.js';

/** How the bytes of a connection are passed on. */
type Chunking =
  | { readonly kind: 'asTheyCome' }
  | { readonly kind: 'random'; readonly most: number; readonly delayMs: number }
  | { readonly kind: 'bytes' };

interface Connection {
  readonly client: Socket;
  readonly upstream: Socket;
}

export interface FaultyProxyOptions {
  /** Port at 127.0.0.1 to pass connections on to. */
  readonly upstreamPort: number;
  readonly random: SeededRandom;
}

export class FaultyProxy {
  readonly #options: FaultyProxyOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #isRefusing = false;
  #isWell = false;
  #stalled: Promise<void> | undefined;
  #release: () => void = () => {};
  connectionsSeen = 0;

  static async start(options: FaultyProxyOptions): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  private constructor(options: FaultyProxyOptions) {
    this.#options = options;
    this.#server = createServer((client) => this.#accept(client));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Breaks connections, each with the given probability. */
  cut(probability = 1): void {
    for (const { client, upstream } of this.#connections) {
      if (!this.#options.random.chance(probability)) continue;
      client.destroy();
      upstream.destroy();
    }
  }

  /** New connections are closed at once, until `accept`. */
  refuse(): void {
    this.#isRefusing = true;
  }
  accept(): void {
    this.#isRefusing = false;
  }

  /** Nothing gets through in either direction, and nothing says so, until `release`. */
  stall(): void {
    this.#stalled ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }
  release(): void {
    this.#release();
    this.#stalled = undefined;
  }

  /** From now on a good network: new connections pass as they come. */
  heal(): void {
    this.#isWell = true;
    this.accept();
    this.release();
  }

  async stop(): Promise<void> {
    this.heal();
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    this.connectionsSeen += 1;
    client.on('error', () => {});
    if (this.#isRefusing) return void client.destroy();
    const upstream = connect(this.#options.upstreamPort, '127.0.0.1');
    upstream.on('error', () => {});
    for (const socket of [client, upstream]) socket.setNoDelay(true);
    const connection = { client, upstream };
    this.#connections.add(connection);
    void this.#pass(client, upstream, this.#chunking());
    void this.#pass(upstream, client, this.#chunking());
    for (const socket of [client, upstream]) {
      socket.once('close', () => {
        this.#connections.delete(connection);
        client.destroy();
        upstream.destroy();
      });
    }
  }

  #chunking(): Chunking {
    const { random } = this.#options;
    if (this.#isWell) return { kind: 'asTheyCome' };
    switch (random.between(0, 2)) {
      case 0:
        return { kind: 'bytes' };
      case 1:
        return { kind: 'random', most: random.between(1, 2000), delayMs: random.between(0, 20) };
      default:
        return { kind: 'asTheyCome' };
    }
  }

  async #pass(from: Socket, to: Socket, chunking: Chunking): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < chunk.length; ) {
          // Not `await undefined`: each piece is to be a packet of its own.
          await (this.#stalled ?? nextTurn());
          const size = this.#pieceSize(chunking);
          if (chunking.kind === 'random') await pause(this.#options.random.next() * chunking.delayMs);
          if (to.destroyed) return;
          to.write(chunk.subarray(at, at + size));
          at += size;
        }
      }
      to.end();
    } catch {
      // Broken on one side: the other is closed by its listener.
    }
  }

  #pieceSize(chunking: Chunking): number {
    switch (chunking.kind) {
      case 'asTheyCome':
        return Number.POSITIVE_INFINITY;
      case 'bytes':
        return 1;
      case 'random':
        return this.#options.random.between(1, chunking.most);
    }
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
