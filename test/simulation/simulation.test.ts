import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, it } from 'node:test';
import { keys } from '../../executor-image/agent/directory.js';
import type { PeerStatus } from '../../executor-image/agent/etcd/membership.js';
import { decide } from '../../framework/cluster/decide.js';
import type { Action, ClusterEvent, StatusUpdate } from '../../framework/cluster/model.js';
import { type Length, live, optionsFor, simulate } from './life.js';
import { type AgentRules, agentRules } from './node-agent.js';
import { shrink, storyOf } from './shrink.js';
import { rare, unexpected, unreached } from './transitions.js';
import { type Decide, Violation, type WorldOptions } from './world.js';

/**
 * Seeds that found a violation once, with the steps that it took. (A change of the simulation itself makes another life of a
 * seed: each of these found its violation in the world as it was then.)
 */
const found: readonly (readonly [seed: number, steps: number, what: string])[] = [
  [6, 300, 'a node was launched beside its earlier task, which was back and being killed'],
  [214, 300, 'a node was launched before its earlier task could answer a new scheduler'],
  [592, 300, 'a task that came back before its node had another was killed'],
  [1352, 300, 'a task of a former generation ran on'],
  [3747, 300, 'an earlier task in TASK_KILLING was not waited for'],
  [40, 500, 'a node was launched beside a task that a record put back from a copy did not know'],
  [133, 500, 'a founder of a record put back from a copy was launched a second time by the same id'],
  [500557, 3000, 'a generation was founded although enough of the last one had come back'],
  [
    901439,
    1000,
    'a generation was founded beside a quorum, as a task was thought young whose host had been out of reach',
  ],
  [500405, 1000, 'a learner whose etcd never heard a leader waited for ever, and nothing was founded anew'],
  [
    7002622,
    1000,
    'offers were suppressed on a connection that the core, kept waiting by the store, did not know of yet',
  ],
  [
    31002905,
    1000,
    'tasks of a record put back from a copy were older than what the cluster knew of their node, for ever',
  ],
];

/** Fresh seeds for this long, in milliseconds. */
const budgetMs = 20_000;

describe('simulated clusters under faults', () => {
  it('break no rule, and are well after the faults, from seeds that once found a violation', () => {
    for (const [seed, steps] of found) simulate(optionsFor(seed), steps);
  });

  it('break no rule, and are well after the faults, from fresh seeds', (t) => {
    const first = randomInt(2 ** 31);
    const until = performance.now() + budgetMs;
    const counted = new Map<string, number>();
    let steps = 0;
    let clusters = 0;
    for (; performance.now() < until; clusters++) {
      const options = optionsFor(first + clusters);
      const { world, violation } = live(options, { steps: 1_000 });
      if (violation !== undefined) {
        assert.fail(
          `seed ${first + clusters}: ${violation.message}\n${storyOf(shrink(options, { steps: 1_000 }))}`,
        );
      }
      steps += world.steps;
      for (const [what, count] of world.transitions) counted.set(what, (counted.get(what) ?? 0) + count);
    }
    t.diagnostic(`${clusters} clusters from seed ${first}, ${steps} steps`);
    assert.deepEqual(unexpected(counted), []);
    assert.deepEqual(
      unreached(counted).filter((name) => !rare.includes(name)),
      [],
      'transitions that were never reached',
    );
  });

  it('are the same every time from the same seed', () => {
    const trace = (): string => {
      const lines: string[] = [];
      simulate(
        { ...optionsFor(42), tell: (line) => lines.push(line), detail: (line) => lines.push(line) },
        500,
      );
      return lines.join('\n');
    };
    assert.equal(trace(), trace());
  });
});

describe('the story of a violation', () => {
  it('is of the same rule, with few of the faults, and can be lived again from its last line', () => {
    const mutation: Decide = changing((actions) => actions.filter(({ kind }) => kind !== 'kill'));
    const length = { steps: 1_000 };
    const options = Array.from({ length: 50 }, (_, seed) => ({ ...optionsFor(seed), decide: mutation })).find(
      (each) => /^not all is well/.test(live(each, length).violation?.message ?? ''),
    );
    assert.ok(options, 'one of 50 seeds finds it');
    const shrunk = shrink(options, length, 200);
    assert.ok((shrunk.options.keep?.length ?? 0) * 4 <= shrunk.faultsBefore, `${shrunk.options.keep}`);
    const story = storyOf(shrunk);
    assert.match(story, /scheduler: node 0: launching task/);
    assert.match(story, /→ not all is well/);
    const again = JSON.parse(/--life '(.*)'$/.exec(story)?.[1] ?? '') as {
      options: WorldOptions;
      length: Length;
    };
    const { violation } = live({ ...again.options, decide: mutation }, again.length);
    assert.equal(violation?.message, shrunk.life.violation?.message);
  });
});

describe('the simulation catches', () => {
  /** A core that does one thing wrong. */
  const mutations: Record<string, Decide> = {
    'an ACCEPT before its record is stored': changing((actions) =>
      actions.filter(({ kind }) => kind !== 'store'),
    ),
    'an end that is acknowledged before it is stored': changing((actions) => [
      ...actions.filter(({ kind }) => kind === 'acknowledge'),
      ...actions.filter(({ kind }) => kind !== 'acknowledge'),
    ]),
    'tasks that the store does not know and nobody kills': changing((actions) =>
      actions.filter(({ kind }) => kind !== 'kill'),
    ),
    'updates that are never acknowledged': changing((actions) =>
      actions.filter(({ kind }) => kind !== 'acknowledge'),
    ),
    'a subscription without reconciliation': changing((actions) =>
      actions.filter(({ kind }) => kind !== 'reconcile'),
    ),
    'filters that are never lifted': changing((actions) => actions.filter(({ kind }) => kind !== 'revive')),
    'offers that are hoarded': (state, event, now) =>
      decide({ ...state, spec: { ...state.spec, offerHoldMs: 60_000 } }, event, now),
    "the end of docker run's client that counts as the container's": (state, event, now) =>
      decide(state, event.kind === 'update' ? { ...event, update: asContainers(event.update) } : event, now),
    'word of a death that is not proven': (state, event, now) => {
      const { state: next, actions } = decide(state, event, now);
      if (event.kind !== 'update' || event.update.state !== 'TASK_UNREACHABLE')
        return { state: next, actions };
      const { taskId } = event.update;
      return { state: next, actions: [...actions, { kind: 'tellDeath', taskId, survivors: [] }] };
    },
    'a pause in which launches go on': pausedBut('tick', 'offers'),
    'a pause in which kills go on': pausedBut('update'),
    'a pause that ends with the connection': (state, event, now) => {
      const { paused: _, ...record } = state.record;
      return decide(event.kind === 'subscribed' ? { ...state, record } : state, event, now);
    },
    'a launch that waits for no end': (state, event, now) => {
      const result = decide(state, event, now);
      const nodes = result.state.nodes.map((node) =>
        node.phase.kind === 'killing' ? { ...node, phase: { kind: 'waiting' } as const } : node,
      );
      return { ...result, state: { ...result.state, nodes } };
    },
  };
  for (const [what, mutation] of Object.entries(mutations)) {
    it(what, () => {
      assert.throws(() => {
        for (let seed = 1; seed <= 300; seed++) simulate({ ...optionsFor(seed), decide: mutation }, 500);
      }, Violation);
    });
  }
});

describe('the simulation catches of node agents', () => {
  interface Mutation {
    readonly rules: Partial<AgentRules>;
    readonly caught: RegExp;
    /** The first seed to try, where it takes many to find one that catches it. */
    readonly from?: number;
    readonly only?: WorldOptions['only'];
  }
  const mutations: Record<string, Mutation> = {
    'a notebook that is taken before earlier generations are fenced off': {
      rules: { decideFence: () => ({ write: true, reason: '' }) },
      caught: /two Jupyters/,
    },
    'a renewal that counts without a quorum': {
      rules: {
        deadlineAfter: (deadlineMs, renewal, ttlMs) =>
          agentRules.deadlineAfter(deadlineMs, { ...renewal, readTerm: renewal.keepAliveTerm }, ttlMs),
      },
      caught: /two Jupyters/,
      // A leader that is stunned for about a TTL, and cut off again just after: rare among all faults.
      only: 'pauses',
    },
    'a deadline that is reckoned from the answer of a renewal without its margin': {
      rules: {
        deadlineAfter: (deadlineMs, renewal, ttlMs) => Math.max(deadlineMs, renewal.startedAtMs + 3 * ttlMs),
      },
      caught: /two Jupyters/,
    },
    'looks whose age is ignored': {
      rules: { lookCountsFromMs: () => Number.MAX_SAFE_INTEGER / 4 },
      caught: /two Jupyters/,
      from: 125,
    },
    'looks that do not see that another generation was founded': {
      rules: {
        sightOf: (names, generation) => {
          const sight = agentRules.sightOf(names, generation);
          return sight.kind === 'past' ? { kind: 'present' } : sight;
        },
      },
      caught: /two Jupyters|is founded by/,
    },
    'a founder that starts `new` twice': {
      rules: {
        decideMembership: (self, seen) => agentRules.decideMembership(self, { ...seen, everStarted: false }),
      },
      caught: /a second time/,
    },
    'a newer member that an older one removes': {
      rules: {
        decideMembership: (self, { cluster, ...seen }) =>
          agentRules.decideMembership(self, {
            ...seen,
            ...(cluster !== undefined && { cluster: { ...cluster, newestIncarnation: 0 } }),
          }),
      },
      caught: /which is newer/,
    },
    'a former member of its own node that a task does not remove': {
      rules: {
        decideMembership: (self, seen) => {
          const decision = agentRules.decideMembership(self, seen);
          const isOwn = decision.do === 'remove' && decision.member.address === self.address;
          return isOwn ? { do: 'wait', reason: decision.reason } : decision;
        },
      },
      caught: /not all is well/,
    },
    'a task that joins the cluster of another generation': {
      rules: {
        speaksForCluster: <T extends PeerStatus>(
          peer: Parameters<typeof agentRules.speaksForCluster<T>>[0],
        ): peer is { readonly status: T; readonly generation: number } =>
          agentRules.speaksForCluster(peer, peer.generation ?? 0),
      },
      caught: /joins the cluster of generation/,
      from: 536,
    },
    'a free notebook key that whoever leads takes in a pause': {
      rules: {
        aboutFreeKey: (view) => agentRules.aboutFreeKey({ ...view, isPaused: false }),
        provisosOf: (by, self) => agentRules.provisosOf(by, self).filter(({ key }) => key !== keys.paused),
      },
      caught: /takes the notebook in a pause/,
    },
    'a node that leaves without the lock': {
      rules: {
        decideLeaving: (view) => {
          const decision = agentRules.decideLeaving(view);
          return decision.do === 'lock' ? { do: 'go', reason: decision.reason } : decision;
        },
      },
      caught: /leaves while \S+ does/,
      only: 'departures',
    },
    'a node that leaves whether or not the others are members': {
      rules: {
        decideLeaving: ({ cluster, ...view }) => {
          const decision = agentRules.decideLeaving({
            ...view,
            ...(cluster !== undefined && { cluster: { ...cluster, live: view.others } }),
          });
          return decision.do === 'lock' ? { ...decision, members: [] } : decision;
        },
      },
      caught: /leaves while no member of node \d is heard/,
      only: 'departures',
    },
    'a holder that does not let others leave first': {
      rules: {
        decideLeaving: ({ cluster, ...view }) =>
          agentRules.decideLeaving({
            ...view,
            ...(cluster !== undefined && { cluster: { ...cluster, isHolder: false } }),
          }),
      },
      caught: /holds the notebook and leaves before/,
      only: 'departures',
    },
    'a node that waits for its leave for ever': {
      rules: { decideLeaving: (view) => agentRules.decideLeaving({ ...view, waited: 0 }) },
      caught: /has to leave, and runs on/,
      only: 'departures',
    },
    'an orphan that does not notice': {
      rules: {
        causeToLeave: (condition) => agentRules.causeToLeave({ ...condition, executorIsGone: false }),
      },
      caught: /has to leave, and runs on/,
      only: 'departures',
    },
    'a node that stays with a dead mount': {
      rules: { causeToLeave: ({ executorIsGone }) => agentRules.causeToLeave({ executorIsGone }) },
      caught: /has to leave, and runs on/,
      only: 'departures',
    },
    'a node that looks for a quorum for ever': {
      rules: { inVainSince: () => undefined },
      caught: /not all is well/,
    },
  };
  for (const [what, { rules, caught, from = 1, only }] of Object.entries(mutations)) {
    it(what, () => {
      assert.throws(() => {
        for (let seed = from; seed < from + 1_500; seed++) {
          const options = { ...optionsFor(seed), ...(only !== undefined && { only }) };
          simulate({ ...options, agentRules: rules }, 1_000);
        }
      }, caught);
    });
  }
});

/** A core that heeds a pause but for events of some kinds. */
function pausedBut(...kinds: readonly ClusterEvent['kind'][]): Decide {
  return (state, event, now) => {
    const { paused, ...record } = state.record;
    if (paused === undefined || !kinds.includes(event.kind)) return decide(state, event, now);
    const result = decide({ ...state, record }, event, now);
    return {
      state: { ...result.state, record: { ...result.state.record, paused } },
      actions: result.actions.map((action) =>
        action.kind === 'store' ? { ...action, record: { ...action.record, paused } } : action,
      ),
    };
  };
}

/** An end that proves nothing, made to look like one that does. */
function asContainers(update: StatusUpdate): StatusUpdate {
  return update.message?.includes('terminated')
    ? { ...update, source: 'SOURCE_EXECUTOR', message: 'Container exited with status 137' }
    : update;
}

function changing(change: (actions: readonly Action[]) => readonly Action[]): Decide {
  return (state, event, now) => {
    const result = decide(state, event, now);
    return { ...result, actions: change(result.actions) };
  };
}
