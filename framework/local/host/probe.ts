/**
 * A program of its own, run in the network namespace of a container: `node probe.js http URL` prints the status code of the answer,
 * `node probe.js tcp HOST PORT` says by its exit status whether a connection comes about. A real Mesos agent runs curl and
 * mesos-tcp-connect there; a machine for `mesos-jupyter local` need not have either.
 */
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { connect } from 'node:net';

/** As curl with -L. */
const maxRedirects = 50;

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function http(url: URL, redirects: number): void {
  const answered = (response: IncomingMessage) => {
    const { location } = response.headers;
    const status = response.statusCode ?? 0;
    if (location === undefined || status < 300 || status >= 400) {
      process.stdout.write(String(status));
      process.exit(0);
    }
    if (redirects === maxRedirects) fail(`Maximum (${maxRedirects}) redirects followed`);
    response.resume();
    http(new URL(location, url), redirects + 1);
  };
  // Certificates are not looked at, as with curl's -k: it is our own port, asked from within.
  const request =
    url.protocol === 'https:'
      ? httpsGet(url, { rejectUnauthorized: false }, answered)
      : httpGet(url, answered);
  request.once('error', (error) => fail(error.message));
}

const [kind, target = '', port] = process.argv.slice(2);
if (kind === 'http') {
  http(new URL(target), 0);
} else {
  connect({ host: target, port: Number(port) })
    .once('connect', () => process.exit(0))
    .once('error', (error) => fail(error.message));
}
