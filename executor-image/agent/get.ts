/** GET by plain HTTP. Node's `fetch` would do, but once it is used the process has 18 MB more (Node 20.20, measured). */
import { get } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** @throws when there is no answer in time */
export function getByHttp(url: string, timeoutMs: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // No agent: who is asked every few seconds need not keep a connection for it.
    const request = get(url, { agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    const late = setTimeout(
      () => request.destroy(new Error(`${url} did not answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    request.on('error', reject);
    request.on('close', () => clearTimeout(late));
  });
}
