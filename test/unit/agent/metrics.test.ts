import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { renderMetrics } from '../../../executor-image/agent/metrics.js';
import type { NodeStatus } from '../../../executor-image/contract.js';

const status: NodeStatus = {
  contractVersion: 5,
  node: 1,
  address: '192.0.2.101',
  taskId: 'task "1"\\2',
  incarnation: 3,
  generation: 2,
  bootId: 'b',
  uptimeS: 12,
  ready: true,
  reason: 'all is well',
  etcd: { role: 'leader' },
  notebook: { state: 'frozen', holderTaskId: 'task "1"\\2' },
  volume: { fresh: true, lookAgeS: 1.25 },
  paused: true,
  live: ['192.0.2.100', '192.0.2.101'],
  control: { taken: 4, refused: { wrongKey: 1, wrongTask: 0, malformed: 0, noTls: 2 } },
};

describe('what a node agent tells Prometheus', () => {
  const text = renderMetrics(status, { residentBytes: 7e7, cpuSeconds: 1.5 });

  test('is its status in numbers', () => {
    for (const line of [
      'mesos_jupyter_node_ready 1',
      'mesos_jupyter_node_leaving 0',
      'mesos_jupyter_node_uptime_seconds 12',
      'mesos_jupyter_node_etcd_role{role="leader"} 1',
      'mesos_jupyter_node_etcd_role{role="follower"} 0',
      'mesos_jupyter_node_notebook_state{state="frozen"} 1',
      'mesos_jupyter_node_holds_notebook 1',
      'mesos_jupyter_node_volume_look_age_seconds 1.25',
      'mesos_jupyter_node_paused 1',
      'mesos_jupyter_node_live_nodes 2',
      'mesos_jupyter_node_control_calls_refused_total{reason="noTls"} 2',
      'process_resident_memory_bytes 70000000',
      'process_cpu_seconds_total 1.5',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
    }
  });

  test('says nothing of what is not known', () => {
    assert.doesNotMatch(text, /^mesos_jupyter_node_fenced \d/m);
    assert.match(
      renderMetrics({ ...status, fenced: false }, { residentBytes: 0, cpuSeconds: 0 }),
      /^mesos_jupyter_node_fenced 0$/m,
    );
  });

  test('is in the text format: help and type before the samples, labels escaped, a line feed at the end', () => {
    assert.match(text, /task="task \\"1\\"\\\\2"/);
    for (const block of text.split(/(?=^# HELP )/m)) {
      assert.match(
        block,
        /^# HELP (\w+) [^\n]+\n# TYPE \1 (gauge|counter)\n(\1(\{(\w+="([^"\\]|\\.)*",?)+\})? -?\d[\d.e+-]*\n)*$/,
      );
    }
  });
});
