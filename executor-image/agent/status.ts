/** The node agent's HTTP: `/livez`, `/readyz`, `/status`, `/metrics`. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type NodeStatus, ports } from '../contract.js';
import { metricsType, renderMetrics, type Usage } from './metrics.js';
import { isHealthCheck } from './orphan.js';

/**
 * Serves what `read` says, on all addresses: Mesos' health check comes from 127.0.0.1 in the container.
 * @param onHealthCheck called at each of these
 */
export function serveStatus(read: () => NodeStatus, onHealthCheck: () => void): Promise<Server> {
  const server = createServer((request, response) => {
    switch (request.method === 'GET' || request.method === 'HEAD' ? request.url : undefined) {
      case '/livez':
        if (isHealthCheck(request.socket.remoteAddress)) onHealthCheck();
        // Would a restart help? Not while this answers: a node that waits for a quorum is alive.
        return answer(response, 200, { alive: true });
      case '/readyz': {
        const { ready, reason } = read();
        return answer(response, ready ? 200 : 503, { ready, reason });
      }
      case '/status':
        return answer(response, 200, read());
      case '/metrics':
        return send(response, 200, metricsType, renderMetrics(read(), ownUsage()));
      default:
        return answer(response, 404, { error: 'there is GET /livez, /readyz, /status and /metrics' });
    }
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(ports.nodeAgent, '0.0.0.0', () => resolve(server));
  });
}

function ownUsage(): Usage {
  const { user, system } = process.cpuUsage();
  return { residentBytes: process.memoryUsage.rss(), cpuSeconds: (user + system) / 1e6 };
}

function answer(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}
