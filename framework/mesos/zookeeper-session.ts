/**
 * Sessions with ZooKeeper that notice a server which falls silent. node-zookeeper-client waits for ever for one that takes the connection
 * and says nothing (a server that is starting, or a machine that is gone without a word), although others would answer.
 */
import zookeeper, { type Client, State } from 'node-zookeeper-client';

export interface SessionOptions {
  /** `host:port,host:port`. */
  readonly servers: string;
  /** ZooKeeper forgets a client that it has not heard of for this long, in ms. */
  readonly sessionTimeoutMs: number;
  /** Longest pause between two rounds of the servers, in ms. */
  readonly againMs: number;
}

/** What the package keeps to itself: destroying its socket is what makes it go on to the next server. */
interface Internals {
  readonly connectionManager?: { readonly socket?: { destroy(): void } };
}

/** Connected with `connect()`, as any of the package's clients. */
export function createSession({ servers, sessionTimeoutMs, againMs }: SessionOptions): Client {
  const client = zookeeper.createClient(servers, { sessionTimeout: sessionTimeoutMs, spinDelay: againMs });
  const socketOf = () => (client as unknown as Internals).connectionManager?.socket;
  // A third for the question, as the package pings; two thirds of silence are what ZooKeeper's own client bears.
  const everyMs = sessionTimeoutMs / 3;
  let silences = 0;
  let socket = socketOf();
  const timer = setInterval(() => {
    const present = socketOf();
    if (present !== socket) silences = 0;
    socket = present;
    if (silences >= 2) {
      silences = 0;
      present?.destroy();
      return;
    }
    silences += 1;
    if (client.getState() !== State.SYNC_CONNECTED) return;
    client.exists('/', (error) => {
      if (!error) silences = 0;
    });
  }, everyMs);
  const close = client.close.bind(client);
  client.close = () => {
    clearInterval(timer);
    const isConnected = client.getState() === State.SYNC_CONNECTED;
    close();
    // Without a session there is none to end, and nobody to say so to.
    if (!isConnected) socketOf()?.destroy();
  };
  return client;
}
