import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';
import { silentLogger } from '../../../framework/log.js';
import { askHealth, askStatus } from '../../../framework/web/client.js';
import { Observation } from '../../../framework/web/observation.js';
import { startWebServer, type WebOptions, type WebServer } from '../../../framework/web/server.js';

const observation = new Observation({ version: '1.2.3', frameworkName: 'test', store: '/srv/state.json' });
let servers: { close(): unknown }[] = [];
afterEach(async () => {
  for (const server of servers) await server.close();
  servers = [];
});

async function serve(more: Partial<WebOptions> = {}): Promise<WebServer> {
  const server = await startWebServer({
    address: '127.0.0.1',
    port: 0,
    health: () => observation.health(),
    status: () => observation.status(),
    logger: silentLogger,
    ...more,
  });
  servers.push(server);
  return server;
}

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CodedError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

describe('the web server', () => {
  it('answers from its first moment on', async () => {
    const { port } = await serve();
    const response = await fetch(`http://127.0.0.1:${port}/healthz`);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.deepEqual(await response.json(), { healthy: true, reason: 'opening /srv/state.json' });
    const { status } = await askStatus(`http://127.0.0.1:${port}`);
    assert.deepEqual([status.state, status.healthy, status.version], ['starting', true, '1.2.3']);
  });

  it('answers 503 with the reason when the scheduler is not well', async () => {
    const { port } = await serve({ health: () => ({ healthy: false, reason: 'stuck' }) });
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 503);
    assert.deepEqual(await askHealth(`http://127.0.0.1:${port}`), { healthy: false, reason: 'stuck' });
  });

  it('answers HEAD as GET but for the body, other methods with 405, other paths with 404, all as JSON', async () => {
    const { port } = await serve();
    const ask = (path: string, method: string) => fetch(`http://127.0.0.1:${port}${path}`, { method });
    const head = await ask('/status?pretty', 'HEAD');
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.ok(Number(head.headers.get('content-length')) > 100);
    const post = await ask('/status', 'POST');
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
    assert.deepEqual(await post.json(), { error: 'GET and HEAD only' });
    for (const path of ['/', '/health', '/status/', '/__proto__', '//status', '/%73tatus']) {
      const other = await ask(path, 'GET');
      assert.equal(other.status, 404, path);
      assert.match(((await other.json()) as { error: string }).error, /not found/);
    }
  });

  it('survives a defect in what it tells', async () => {
    const { port } = await serve({
      status: () => {
        throw new Error('defect');
      },
    });
    const response = await fetch(`http://127.0.0.1:${port}/status`);
    assert.equal(response.status, 500);
    assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200);
  });

  it('is at 127.0.0.1 whatever address it was given', async () => {
    const own = Object.values(networkInterfaces())
      .flat()
      .find((entry) => entry?.family === 'IPv4' && !entry.internal)?.address;
    for (const address of ['0.0.0.0', '127.0.0.5', ...(own === undefined ? [] : [own])]) {
      const { port } = await serve({ address });
      assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200, address);
    }
  });

  it('says what is wrong with a port that is taken, and with an address of another machine', async () => {
    const { port } = await serve();
    await assert.rejects(serve({ port }), coded('PORT_TAKEN', new RegExp(`port ${port} at 127.0.0.1`)));
    await assert.rejects(serve({ address: '198.51.100.7' }), coded('CONFIG_INVALID', /198\.51\.100\.7/));
  });
});

describe('asking for a status', () => {
  it('says when nothing answers', async () => {
    const { port, close } = await serve();
    await close();
    servers = [];
    await assert.rejects(
      askStatus(`http://127.0.0.1:${port}`),
      coded('STATUS_UNREACHABLE', /nothing answers at http:.*ECONNREFUSED/),
    );
  });

  it('says when something else answers, or a later release', async () => {
    let body = '<html>';
    const other = createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
    servers.push({
      close: () => {
        other.close();
        other.closeAllConnections();
      },
    });
    await new Promise((resolve) => other.once('listening', resolve));
    const origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    await assert.rejects(askStatus(origin), coded('STATUS_UNREACHABLE', /is no scheduler of mesos-jupyter/));
    body = '{"format": 2}';
    await assert.rejects(askStatus(origin), coded('STATUS_UNREACHABLE', /a later release/));
  });
});
