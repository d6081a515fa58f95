import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  allows,
  type Constraint,
  describe as inWords,
  parseConstraint,
} from '../../../framework/cluster/constraints.js';
import type { Offer } from '../../../framework/cluster/model.js';
import { bestHost, hostsOf, whyNone, without } from '../../../framework/cluster/placement.js';
import { World } from './world.js';

const at = (hostname: string, attributes: Record<string, string> = {}) => ({ hostname, attributes });
const offer = (hostname: string, more: Partial<Offer> = {}): Offer => ({
  id: `offer-of-${hostname}`,
  agentId: `agent-of-${hostname}`,
  unavailable: false,
  cpus: 4,
  memMb: 4096,
  diskMb: 0,
  ...at(hostname, more.attributes),
  ...more,
});
const needs = { cpus: 1, memMb: 512, diskMb: 0 };

describe('a constraint', () => {
  const read = (text: string): Constraint => {
    const constraint = parseConstraint(text);
    assert.ok(typeof constraint !== 'string', String(constraint));
    return constraint;
  };
  const racks = [at('a', { rack: 'r1' }), at('b', { rack: 'r1' }), at('c', { rack: 'r2' }), at('d')];
  const allowed = (text: string, others: { hostname: string; attributes: Record<string, string> }[] = []) =>
    racks
      .filter((place) => allows(read(text), place, others, racks))
      .map(({ hostname }) => hostname)
      .join('');

  it('UNIQUE lets each value be used once', () => {
    assert.equal(allowed('hostname:UNIQUE', [at('a')]), 'bcd');
    assert.equal(allowed('rack:UNIQUE', [at('x', { rack: 'r1' })]), 'c');
  });

  it('CLUSTER keeps to one value, the one that is given or the first', () => {
    assert.equal(allowed('rack:CLUSTER:r2'), 'c');
    assert.equal(allowed('rack:CLUSTER'), 'abc');
    assert.equal(allowed('rack:CLUSTER', [at('x', { rack: 'r1' })]), 'ab');
  });

  it('LIKE and UNLIKE look at the whole value', () => {
    assert.equal(allowed('rack:LIKE:r'), '');
    assert.equal(allowed('rack:LIKE:r[12]'), 'abc');
    assert.equal(allowed('rack:LIKE:r1|x'), 'ab');
    assert.equal(allowed('rack:UNLIKE:r1'), 'cd', 'a host without the attribute is not like it');
  });

  it('GROUP_BY spreads evenly', () => {
    assert.equal(allowed('rack:GROUP_BY', [at('x', { rack: 'r1' })]), 'c');
    assert.equal(allowed('rack:GROUP_BY', [at('x', { rack: 'r1' }), at('y', { rack: 'r2' })]), 'abc');
    assert.equal(
      allowed('rack:GROUP_BY:3', [at('x', { rack: 'r1' }), at('y', { rack: 'r2' })]),
      '',
      'a third group is to come',
    );
  });

  it('reads as it is written', () => {
    for (const text of [
      'hostname:UNIQUE',
      'rack:CLUSTER',
      'rack:CLUSTER:a:b',
      'rack:GROUP_BY:3',
      'rack:LIKE:a|b',
    ]) {
      assert.equal(inWords(read(text)), text);
    }
    for (const text of [
      '',
      'rack',
      'rack:NEAR',
      'rack:LIKE',
      'rack:LIKE:(',
      'rack:GROUP_BY:many',
      'rack:UNIQUE:x',
    ]) {
      assert.equal(typeof parseConstraint(text), 'string', text);
    }
  });
});

describe('placement', () => {
  const demand = { needs, constraints: [], others: [] };

  it('takes a host under announced maintenance only where there is no other', () => {
    const hosts = hostsOf([offer('a', { unavailable: true, cpus: 8 }), offer('b')]);
    assert.equal(bestHost(hosts, demand, undefined)?.hostname, 'b');
    assert.equal(bestHost(hosts.slice(0, 1), demand, undefined)?.hostname, 'a');
  });

  it('avoids a host that failed the node: at once where another is as free, with more failures also where it is not', () => {
    const hosts = hostsOf([offer('a'), offer('b')]);
    const failing = (
      failures: number,
      others = demand.others as { hostname: string; attributes: object }[],
    ) =>
      bestHost(
        hosts,
        { ...demand, others: others as typeof demand.others },
        { agentId: 'agent-of-a', failures },
      )?.hostname;
    assert.equal(failing(1), 'b');
    assert.equal(failing(1, [at('b')]), 'a', 'one failure is not worth two nodes on one host');
    assert.equal(failing(2, [at('b')]), 'b');
    assert.equal(bestHost(hosts.slice(0, 1), demand, { agentId: 'agent-of-a', failures: 9 })?.hostname, 'a');
  });

  it('says which need was not met by how many offers', () => {
    const hosts = hostsOf([offer('a', { cpus: 0.5 }), offer('b', { memMb: 100, cpus: 0.5 }), offer('c')]);
    const constraint = parseConstraint('hostname:UNLIKE:c') as Constraint;
    assert.equal(bestHost(hosts, { ...demand, constraints: [constraint] }, undefined), undefined);
    assert.equal(
      whyNone(hosts, { ...demand, constraints: [constraint] }),
      '2 of 3 do not meet cpus (1 needed), 1 of 3 do not meet memMb (512 needed), 1 of 3 do not meet the constraint hostname:UNLIKE:c',
    );
  });

  it('never leaves two hosts further apart than one task, as long as both have room', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 1, max: 7 }),
        (cpus, tasks) => {
          let hosts = hostsOf(cpus.map((count, index) => offer(`h${index}`, { cpus: count })));
          const others: { hostname: string; attributes: Record<string, string> }[] = [];
          for (let task = 0; task < tasks; task++) {
            const host = bestHost(hosts, { ...demand, others }, undefined);
            if (host === undefined) return;
            others.push(at(host.hostname));
            hosts = hosts.map((each) => (each === host ? without(host, needs) : each));
          }
          const count = (hostname: string) => others.filter((other) => other.hostname === hostname).length;
          const most = Math.max(...hosts.map(({ hostname }) => count(hostname)));
          for (const host of hosts) if (host.cpus >= 1) assert.ok(count(host.hostname) >= most - 1);
        },
      ),
    );
  });

  it('keeps to the constraints of tasks that a former scheduler launched', () => {
    const constraint = parseConstraint('rack:UNIQUE') as Constraint;
    const world = new World({ spec: { constraints: [constraint] } });
    world.subscribe();
    world.offer([
      { hostname: 'a', attributes: { rack: 'r1', kernel: '6.1' } },
      { hostname: 'b', attributes: { rack: 'r1' } },
      { hostname: 'c', attributes: { rack: 'r2' } },
    ]);
    assert.equal(world.take('accept').length, 2);
    assert.deepEqual(world.task(0).attributes, { rack: 'r1' }, 'only what constraints ask about is kept');
    const next = new World({
      spec: { constraints: [constraint] },
      record: world.state.record,
      idSuffix: 'bbbb',
    });
    next.subscribe();
    for (const node of [0, 1]) next.update(next.task(node).id, 'TASK_RUNNING');
    next.pass(2_000);
    next.offer([{ hostname: 'b', attributes: { rack: 'r2' } }]);
    next.pass(1_000);
    assert.deepEqual(next.take('accept'), []);
    assert.match(next.reason(2), /1 of 1 do not meet the constraint rack:UNIQUE/);
  });
});
