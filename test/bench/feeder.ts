/** A thread that answers SUBSCRIBE with a recorded stream, so that serving it costs the reader under measurement nothing. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort } from 'node:worker_threads';

/** What the next SUBSCRIBE is answered with; each piece is one chunk of HTTP. */
export interface Feed {
  readonly pieces: readonly Uint8Array[];
}

if (parentPort !== null) {
  const port = parentPort;
  let feed: Feed = { pieces: [] };
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => void serve(response));
  });
  port.on('message', (next: Feed) => {
    feed = next;
    port.postMessage('ready');
  });
  server.listen(0, '127.0.0.1', () => port.postMessage((server.address() as AddressInfo).port));

  async function serve(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'mesos-stream-id': 'stream', connection: 'close' });
    for (const piece of feed.pieces) {
      if (!response.write(piece)) await once(response, 'drain');
    }
    response.end();
  }
}
