import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { contractVersion } from '../../../executor-image/contract.js';
import { mayRegister } from '../../../framework/check/acls.js';
import { executorFlagsOf } from '../../../framework/check/agents.js';
import type { Finding } from '../../../framework/check/finding.js';
import { type MasterState, readMasterFlags, readState } from '../../../framework/check/master-state.js';
import type { AddressAnswer, LeaderView, Observations } from '../../../framework/check/observations.js';
import { asJson, asLines } from '../../../framework/check/report.js';
import { judge } from '../../../framework/check/verdicts.js';
import { newRecord } from '../../../framework/cluster/record.js';
import { settingsOf, testAddresses } from '../../support/settings.js';

const scalar = (name: string, value: number, more: object = {}) => ({
  name,
  type: 'SCALAR',
  scalar: { value },
  ...more,
});
const rackOf: Readonly<Record<string, string>> = { 'host-1': 'r1', 'host-2': 'r2', 'host-3': 'r2' };

interface Slave {
  readonly name: string;
  readonly cpus?: number;
  readonly reserved?: Readonly<Record<string, object[]>>;
  readonly used?: readonly object[];
  readonly more?: object;
}

/** A master's state with these hosts and frameworks, read as one of a real master is. */
function stateOf(slaves: readonly Slave[], frameworks: readonly object[] = [], completed: string[] = []) {
  const state = { version: '1.12.0', frameworks, completed_frameworks: completed.map((id) => ({ id })) };
  return readState(
    JSON.stringify(state),
    JSON.stringify({
      slaves: slaves.map(({ name, cpus, reserved, used, more }) => ({
        id: `agent-of-${name}`,
        hostname: name,
        pid: 'slave(1)@10.0.0.1:5051',
        version: '1.12.0',
        active: true,
        attributes: { rack: rackOf[name], floor: 2 },
        unreserved_resources_full: [scalar('cpus', cpus ?? 4), scalar('mem', 8192), scalar('disk', 10_000)],
        reserved_resources_full: reserved ?? {},
        used_resources_full: used ?? [],
        ...more,
      })),
    }),
  );
}
const threeHosts: readonly Slave[] = [{ name: 'host-1' }, { name: 'host-2' }, { name: 'host-3' }];

const nodeTask = (node: number, host: string, image = 'example/node:1') => ({
  id: `node${node}.1.aaaa`,
  slave_id: `agent-of-${host}`,
  state: 'TASK_RUNNING',
  container: { docker: { image, parameters: [{ key: 'ip', value: testAddresses[node] }] } },
});

const record = { ...newRecord(testAddresses, 'aaaa'), frameworkId: 'F' };
const running = {
  id: 'F',
  name: 'mesos-jupyter',
  roles: ['*'],
  tasks: [nodeTask(0, 'host-1'), nodeTask(1, 'host-2'), nodeTask(2, 'host-3')],
};

function leaderOf(state: MasterState, more: Partial<LeaderView> = {}): LeaderView {
  return {
    host: '10.0.0.1:5050',
    state: { kind: 'seen', value: state },
    credentials: { with: { kind: 'seen', value: 400 }, without: undefined },
    flags: { kind: 'seen', value: readMasterFlags('{"flags": {}}') },
    executors: new Map(),
    ...more,
  };
}

function seen(state: MasterState, more: Partial<Observations> = {}): Observations {
  return {
    masters: { asked: [{ host: '10.0.0.1:5050', answer: { kind: 'leads' } }], leader: leaderOf(state) },
    store: { place: '/state.json', record: undefined, holder: undefined },
    addresses: testAddresses.map((): AddressAnswer => ({ kind: 'silent' })),
    image: { here: { kind: 'seen', value: false }, inRegistry: { kind: 'seen', value: true } },
    thisMachine: new Set(),
    ...more,
  };
}

function about(findings: readonly Finding[], subject: string): Finding {
  const found = findings.find((finding) => finding.subject === subject);
  assert.ok(found !== undefined, `nothing about ${subject} in\n${asLines(findings).join('\n')}`);
  return found;
}

describe('the verdicts of a check', () => {
  test('a master with room, free addresses and a store of its own: all is well', () => {
    const findings = judge(settingsOf(), seen(stateOf(threeHosts)));
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== 'ok'),
      [],
    );
    assert.match(about(findings, 'hosts').says, /1 on host-1, 1 on host-2, 1 on host-3/);
  });

  test('nodes are placed by the settings: resources, reserved ones of the role, constraints', () => {
    const says = (slaves: readonly Slave[], changes: Parameters<typeof settingsOf>[0]) => {
      const { verdict, says } = about(judge(settingsOf(changes), seen(stateOf(slaves))), 'hosts');
      return `${verdict}: ${says}`;
    };
    assert.match(says(threeHosts, { cpus: 5 }), /wrong: only 0 of 3 .* 3 of 3 do not meet cpus \(5 needed\)/);
    const reserved = {
      jupyter: [scalar('cpus', 2, { reservations: [{ type: 'STATIC', role: 'jupyter' }] })],
    };
    const some = threeHosts.map((slave) => ({ ...slave, reserved }));
    assert.match(says(some, { cpus: 5, role: 'jupyter' }), /^ok/);
    assert.match(says(some, { cpus: 5, role: 'jupyter/lab' }), /^ok/);
    assert.match(says(some, { cpus: 5, role: 'other' }), /^wrong/);
    const busy = threeHosts.map((slave) => ({ ...slave, used: [scalar('cpus', 3.5)] }));
    assert.match(says(busy, {}), /^wrong: only 0 of 3/);
    assert.match(
      says(threeHosts, { constraints: [{ field: 'rack', operator: 'UNIQUE' }] }),
      /wrong: only 2 of 3 nodes .* the constraint rack:UNIQUE/,
    );
    assert.match(
      says(threeHosts, { constraints: [{ field: 'floor', operator: 'LIKE', pattern: '2' }] }),
      /^ok/,
    );
    const draining = [...threeHosts.slice(1), { name: 'host-1', more: { deactivated: true } }];
    assert.match(says(draining, {}), /ok: all 3 .* host-1 offer nothing/);
    assert.match(says([], {}), /wrong: the master shows no Mesos agent/);
  });

  test('one host that carries a majority of the nodes is warned of', () => {
    const loss = (slaves: readonly Slave[]) =>
      about(judge(settingsOf(), seen(stateOf(slaves))), 'one host lost').verdict;
    assert.equal(loss(threeHosts), 'ok');
    assert.equal(loss(threeHosts.slice(0, 2)), 'warning');
    assert.equal(loss(threeHosts.slice(0, 1)), 'warning');
  });

  test('nodes that run keep their places, and need no more room', () => {
    const full = threeHosts.map((slave) => ({ ...slave, cpus: 1, used: [scalar('cpus', 1)] }));
    const store = { place: '/state.json', record, holder: undefined };
    const findings = judge(settingsOf(), seen(stateOf(full, [running]), { store }));
    assert.equal(about(findings, 'hosts').verdict, 'ok');
  });

  test('credentials and roles: what the answers tell, and what they do not', () => {
    const state = stateOf(threeHosts);
    const of = (leader: Partial<LeaderView>, changes = {}) =>
      judge(settingsOf(changes), seen(state, { masters: { asked: [], leader: leaderOf(state, leader) } }));
    const status = (value: number) => ({ kind: 'seen', value }) as const;
    const cases = [
      [status(400), undefined, 'ok', /asks for none/],
      [status(400), status(401), 'ok', /takes those of principal p/],
      [status(400), status(400), 'ok', /did not look at those/],
      [status(401), undefined, 'wrong', /none are given/],
      [status(401), status(401), 'wrong', /does not take the secret of principal p/],
      [status(500), undefined, 'unknown', /500/],
      [{ kind: 'unseen', why: 'no answer' }, undefined, 'unknown', /no answer/],
    ] as const;
    for (const [given, without, verdict, words] of cases) {
      const finding = about(of({ credentials: { with: given, without } }, { principal: 'p' }), 'credentials');
      assert.equal(finding.verdict, verdict);
      assert.match(finding.says, words);
    }
    const flagsOf = (flags: object) =>
      ({ kind: 'seen', value: readMasterFlags(JSON.stringify({ flags })) }) as const;
    const role = (flags: object, changes = {}) =>
      about(of({ flags: flagsOf(flags) }, { role: 'eng', ...changes }), 'role eng');
    assert.equal(role({}).verdict, 'ok');
    assert.equal(role({ roles: 'ops, eng' }).verdict, 'ok');
    assert.match(role({ roles: 'ops' }).says, /not among the master's --roles \(ops\)/);
    assert.match(role({ root_submissions: 'false' }).says, /root_submissions/);
    assert.equal(role({ root_submissions: 'false' }, { user: 'jupyter' }).verdict, 'ok');
    assert.equal(role({ authorizers: 'com_example_Authorizer' }).verdict, 'unknown');
    assert.equal(role({ acls: '{}' }).verdict, 'unknown');
    assert.equal(about(of({ flags: { kind: 'unseen', why: 'status 403' } }), 'role *').verdict, 'unknown');
  });

  test('a framework that is registered proves that its role is allowed', () => {
    const state = stateOf(threeHosts, [running]);
    const leader = leaderOf(state, { flags: { kind: 'unseen', why: 'status 403' } });
    const store = { place: '/state.json', record, holder: undefined };
    const findings = judge(settingsOf(), seen(state, { store, masters: { asked: [], leader } }));
    assert.equal(about(findings, 'role *').verdict, 'ok');
  });

  test("ACLs are read as Mesos' own authorizer reads them", () => {
    const rule = (principals: string, roles: string) =>
      `register_frameworks {\n  principals {\n    ${principals}\n  }\n  roles {\n    ${roles}\n  }\n}\n`;
    const others = 'run_tasks {\n  principals {\n    type: ANY\n  }\n  users {\n    type: NONE\n  }\n}\n';
    const any = 'type: ANY';
    const none = 'type: NONE';
    const some = (name: string) => `type: SOME\n    values: "${name}"`;
    const strict = 'permissive: false\n';
    for (const [acls, principal, role, may] of [
      ['', undefined, 'eng', true],
      [strict, undefined, 'eng', false],
      [others, 'p', 'eng', true],
      [strict + others + rule(some('p'), some('eng')), 'p', 'eng', true],
      [strict + rule(some('p'), some('eng')), 'q', 'eng', false],
      [rule(some('p'), some('eng')) + rule(none, some('eng')), 'p', 'eng', true],
      [rule(some('p'), some('eng')) + rule(none, some('eng')), 'q', 'eng', false],
      [rule(some('p'), some('eng')) + rule(none, some('eng')), undefined, 'eng', false],
      [rule(some('p'), none), 'p', 'eng', false],
      [rule(any, some('eng')), undefined, 'eng', true],
      [strict + rule(any, some('eng/%')), 'p', 'eng/dev', true],
      [strict + rule(any, some('eng/%')), 'p', 'eng', false],
    ] as const) {
      assert.equal(mayRegister(acls, principal, role), may, `${principal} as ${role} by\n${acls}`);
    }
  });

  test('an address: free, of a foreign task, of somebody, of a gateway, of a node of ours', () => {
    const node = (answer: Partial<Extract<AddressAnswer, { kind: 'node' }>> = {}): AddressAnswer => ({
      kind: 'node',
      contractVersion,
      taskId: 'node0.1.aaaa',
      ready: true,
      reason: '',
      isServing: false,
      ...answer,
    });
    const store = { place: '/state.json', record, holder: undefined };
    const of = (first: AddressAnswer, frameworks: object[], withStore = true) => {
      const silent: AddressAnswer = { kind: 'silent' };
      const addresses = [first, silent, silent];
      return judge(
        settingsOf(),
        seen(stateOf(threeHosts, frameworks), { addresses, ...(withStore && { store }) }),
      );
    };
    const [first] = testAddresses;
    const foreign = { id: 'G', name: 'other', tasks: [nodeTask(0, 'host-1')] };
    assert.match(
      about(of({ kind: 'silent' }, [foreign]), `address ${first}`).says,
      /framework "other" \(G\) has it/,
    );
    const other = { kind: 'other', port: 22, isByDefaultRoute: false } as const;
    assert.equal(about(of(other, []), `address ${first}`).verdict, 'wrong');
    assert.equal(about(of({ ...other, isByDefaultRoute: true }, []), `address ${first}`).verdict, 'unknown');
    assert.equal(about(of(node(), []), `address ${first}`).verdict, 'wrong');
    assert.match(about(of(node(), [running]), 'nodes').says, /reached from here, and ready: 198.51.100.100$/);
    assert.match(
      about(of(node({ isServing: true }), [running]), 'nodes').says,
      /; Jupyter answers at 198.51.100.100$/,
    );
    assert.equal(about(of(node({ contractVersion: 1 }), [running]), `node ${first}`).verdict, 'wrong');
    assert.equal(about(of(node({ ready: false }), [running]), `node ${first}`).verdict, 'warning');
    assert.match(
      about(of(node({ taskId: 'x' }), [running]), `node ${first}`).says,
      /while Mesos runs node0.1.aaaa/,
    );
    const unreached = of({ kind: 'silent' }, [running]).find(({ verdict }) => verdict === 'warning');
    assert.match(unreached?.says ?? '', /running, but not reached from here: .*100, .*101, .*102/);
    // Without the record the tasks are another framework's, even under our name.
    assert.equal(about(of(node(), [running], false), `address ${first}`).verdict, 'wrong');
    assert.match(about(of(node(), [running], false), 'framework').says, /another framework of the name/);
  });

  test('an image: what the registry, this machine and running tasks tell', () => {
    const yes = { kind: 'seen', value: true } as const;
    const no = { kind: 'seen', value: false } as const;
    const unseen = { kind: 'unseen', why: 'no network' } as const;
    const store = { place: '/state.json', record, holder: undefined };
    const verdict = (
      image: Observations['image'],
      more: Partial<Observations> = {},
      state = stateOf(threeHosts),
    ) => about(judge(settingsOf(), seen(state, { image, ...more })), 'image').verdict;
    assert.equal(verdict({ here: no, inRegistry: yes }), 'ok');
    assert.equal(verdict({ here: yes, inRegistry: no }), 'unknown');
    assert.equal(verdict({ here: unseen, inRegistry: unseen }), 'unknown');
    const thisMachine = new Set(['host-1', 'host-2', 'host-3']);
    assert.equal(verdict({ here: yes, inRegistry: unseen }, { thisMachine }), 'ok');
    assert.equal(verdict({ here: no, inRegistry: no }, { thisMachine }), 'wrong');
    assert.equal(verdict({ here: no, inRegistry: unseen }, { thisMachine }), 'warning');
    assert.equal(verdict({ here: no, inRegistry: no }, { store }, stateOf(threeHosts, [running])), 'ok');
  });

  test('a store that is held, of other addresses, in trouble; a framework that was removed', () => {
    const of = (store: Observations['store'], changes = {}, completed: string[] = []) =>
      judge(settingsOf(changes), seen(stateOf(threeHosts, [], completed), { store }));
    const held = { place: '/state.json', record, holder: 'process 7' };
    assert.match(about(of(held), 'store').says, /process 7.*STATE_LOCKED/);
    assert.equal(about(of(held), 'store').verdict, 'warning');
    assert.equal(about(of(held, { store: 'etcd://10.0.0.1:2379' }), 'store').verdict, 'ok');
    const moved = { ...held, record: newRecord(['10.0.0.9'], 'x') };
    assert.match(about(of(moved), 'store').says, /10\.0\.0\.9/);
    const trouble = { trouble: 'cannot write', code: 'STATE_UNWRITABLE' } as const;
    assert.equal(about(of(trouble), 'store').verdict, 'wrong');
    assert.match(about(of({ ...held, holder: undefined }, {}, ['F']), 'framework').says, /removed by Mesos/);
  });

  test('Mesos agents without Docker are wrong, hasty ones a warning, and silent ones unknown', () => {
    const state = stateOf(threeHosts);
    const flags = (containerizers: string, timeout: string) =>
      ({
        kind: 'seen',
        value: executorFlagsOf(
          new Map([
            ['containerizers', containerizers],
            ['executor_registration_timeout', timeout],
          ]),
        ),
      }) as const;
    const verdicts = (executors: LeaderView['executors']) =>
      judge(settingsOf(), seen(state, { masters: { asked: [], leader: leaderOf(state, { executors }) } }))
        .filter(({ subject }) => subject === 'Mesos agents')
        .map(({ verdict }) => verdict);
    assert.deepEqual(verdicts(new Map([['host-1', flags('docker,mesos', '10mins')]])), ['ok']);
    assert.deepEqual(verdicts(new Map([['host-1', flags('mesos', '10mins')]])), ['wrong']);
    assert.deepEqual(verdicts(new Map([['host-1', flags('docker', '1mins')]])), ['warning']);
    assert.deepEqual(verdicts(new Map([['host-1', { kind: 'unseen', why: 'status 401' }]])), ['unknown']);
  });

  test('masters: none, some, behind ZooKeeper, too old', () => {
    const of = (masters: Observations['masters']) =>
      about(judge(settingsOf(), seen(stateOf([]), { masters })), 'master');
    const silent = { host: 'a:5050', answer: { kind: 'silent', why: 'no answer within 8 s' } } as const;
    assert.match(
      of({ asked: [silent] }).says,
      /none of the masters asked leads: a:5050 does not answer \(no answer/,
    );
    assert.match(of({ asked: [], zookeeper: 'ZooKeeper named none' }).says, /named none/);
    const leader = leaderOf(stateOf(threeHosts));
    const leads = { host: '10.0.0.1:5050', answer: { kind: 'leads' } } as const;
    assert.equal(of({ asked: [silent, leads], leader }).verdict, 'warning');
    const named = { kind: 'follows', leader: new URL('http://master-1:5050') } as const;
    assert.match(of({ asked: [{ host: 'b:5050', answer: named }] }).cure ?? '', /must resolve/);
    assert.equal(of({ asked: [{ host: 'b:5050', answer: named }, leads], leader }).verdict, 'ok');
    const closed = { host: '10.0.0.1:5050', answer: { kind: 'refuses', status: 401, why: '' } } as const;
    const unseen = leaderOf(stateOf([]), { state: { kind: 'unseen', why: 'status 401' } });
    assert.equal(of({ asked: [closed], leader: unseen }).verdict, 'unknown');
    assert.match(of({ asked: [closed, { ...closed, host: 'b:5050' }] }).cure ?? '', /may see the state/);
    const old = judge(settingsOf(), seen({ ...stateOf(threeHosts), version: '1.1.0' }));
    assert.equal(about(old, 'version').verdict, 'wrong');
  });

  test('a report has a line for each finding, and JSON the gravest verdict', () => {
    const findings: Finding[] = [
      { subject: 'master', verdict: 'ok', says: 'leads' },
      { subject: 'store', verdict: 'wrong', says: 'is\n away', cure: 'start it' },
    ];
    assert.deepEqual(asLines(findings), ['ok       master  leads', 'wrong    store   is away: start it']);
    assert.deepEqual(JSON.parse(asJson(findings)), { verdict: 'wrong', findings });
  });
});
