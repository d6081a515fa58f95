/** GET by mutual TLS, which `fetch` cannot do. */
import { get } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Tls } from './credentials.js';

const answerWithinMs = 1000;

/**
 * @param tls what is shown and trusted, and the name that the other end's certificate must bear
 * @throws when there is no 200 in time
 */
export function getByTls(url: string, tls: Tls & { readonly servername: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(answerWithinMs);
    // No agent: its connections and sessions would outlive the certificate that they were made with.
    const request = get(url, { ...tls, agent: false, signal }, (response) => {
      text(response).then((body) => {
        if (response.statusCode === 200) resolve(body);
        else reject(new Error(`${url} answers ${response.statusCode}`));
      }, reject);
    });
    request.on('error', reject);
  });
}
