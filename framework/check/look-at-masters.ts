/** Finds the leading master as the scheduler does, and asks it what operators' endpoints tell. Nothing is registered. */
import type { Settings } from '../config/settings.js';
import { messageOf } from '../errors.js';
import { silentLogger } from '../log.js';
import { createDetector } from '../mesos/detector.js';
import { type Answer, ask, redirectedTo } from '../mesos/operator-client.js';
import { formatCall } from '../mesos/schema/codec.js';
import type { Transport } from '../mesos/transport.js';
import { type ExecutorFlags, executorFlagsOf } from './agents.js';
import { type MesosHost, readFlags, readMasterFlags, readState } from './master-state.js';
import type { AskedMaster, LeaderView, MasterAnswer, MastersView, Seen } from './observations.js';

/** A session with ZooKeeper takes a moment; a large /state, too. In milliseconds. */
const timeoutMs = 8_000;
/** Of more hosts the flags are not asked for: they are alike. */
const mostAgents = 32;

type MasterSettings = Pick<Settings, 'master'>;

interface Asked extends AskedMaster {
  readonly url: URL;
  /** Of /state. */
  readonly body: string;
}

export async function lookAtMasters({ master }: MasterSettings, transport: Transport): Promise<MastersView> {
  let urls: URL[];
  try {
    urls = await addressesOf(master, transport);
  } catch {
    return {
      asked: [],
      zookeeper: `ZooKeeper named no leading master within ${timeoutMs / 1000} s at ${master}`,
    };
  }
  const asked = await Promise.all(urls.map((url) => askMaster(url, transport)));
  // One that was not given may lead: masters name it.
  const named = asked.flatMap(({ answer }) => (answer.kind === 'follows' ? [answer.leader] : []))[0];
  if (!asked.some(({ answer }) => answer.kind === 'leads') && named !== undefined) {
    if (!urls.some(({ host }) => host === named.host)) asked.push(await askMaster(named, transport));
  }
  const leading =
    asked.find(({ answer }) => answer.kind === 'leads') ??
    // Who does not let us in does not say whether it leads; of one alone, or of the one that is named, more can be told.
    asked.find(
      ({ answer, url }) => answer.kind === 'refuses' && (asked.length === 1 || url.host === named?.host),
    );
  return {
    asked: asked.map(({ host, answer }) => ({ host, answer })),
    ...(leading !== undefined && { leader: await lookAtLeader(leading, transport) }),
  };
}

/** @throws when ZooKeeper names none in time */
async function addressesOf(setting: string, transport: Transport): Promise<URL[]> {
  if (!setting.startsWith('zk://')) return setting.split(',').map((address) => new URL(address));
  const secure = Object.keys(transport.tls).length > 0;
  const detector = createDetector(setting, { secure, logger: silentLogger });
  try {
    return [await detector.next(AbortSignal.timeout(timeoutMs))];
  } finally {
    detector.close();
  }
}

async function askMaster(url: URL, transport: Transport): Promise<Asked> {
  const answer = await ask({ url: new URL('/master/state', url), transport, timeoutMs });
  return {
    host: url.host,
    url,
    answer: answerOf(answer, url),
    body: answer.kind === 'answered' ? answer.body : '',
  };
}

function answerOf(answer: Answer, url: URL): MasterAnswer {
  if (answer.kind === 'silent') return answer;
  const { status, body, location } = answer;
  const leader = status === 307 ? redirectedTo(location, url) : undefined;
  if (status === 200) return { kind: 'leads' };
  if (leader !== undefined) return { kind: 'follows', leader };
  const why = body.trim().slice(0, 200);
  return status === 503 ? { kind: 'electing', why } : { kind: 'refuses', status, why };
}

async function lookAtLeader({ url, host, answer, body }: Asked, transport: Transport): Promise<LeaderView> {
  const get = (path: string) => ask({ url: new URL(path, url), transport, timeoutMs });
  const callWith = async (as: Transport): Promise<Seen<number>> => {
    const call = { url: new URL('/api/v1/scheduler', url), transport: as, body: callOfNobody, timeoutMs };
    const answered = await ask(call);
    return answered.kind === 'silent'
      ? { kind: 'unseen', why: answered.why }
      : { kind: 'seen', value: answered.status };
  };
  const [slaves, flags, given, without] = await Promise.all([
    get('/master/slaves'),
    get('/master/flags'),
    callWith(transport),
    transport.authorization === undefined ? undefined : callWith({ tls: transport.tls }),
  ]);
  const state: LeaderView['state'] =
    answer.kind === 'refuses'
      ? { kind: 'unseen', why: `status ${answer.status}${answer.why && `: ${answer.why}`}` }
      : read(slaves, (text) => readState(body, text));
  return {
    host,
    state,
    flags: read(flags, readMasterFlags),
    credentials: { with: given, without },
    executors: await lookAtAgents(state.kind === 'seen' ? state.value.hosts : []),
  };
}

/** Refused in any case, since there is no such framework: 401 says that the credentials are, too. */
const callOfNobody = formatCall({
  type: 'RECONCILE',
  framework_id: { value: 'mesos-jupyter-check' },
  reconcile: { tasks: [] },
});

async function lookAtAgents(hosts: readonly MesosHost[]): Promise<LeaderView['executors']> {
  const some = hosts.filter(({ offers }) => offers).slice(0, mostAgents);
  return new Map(
    await Promise.all(some.map(async (host) => [host.hostname, await lookAtAgent(host)] as const)),
  );
}

/** By HTTP and without credentials: those are the master's. */
async function lookAtAgent({ address }: MesosHost): Promise<Seen<ExecutorFlags>> {
  if (address === undefined || !URL.canParse(`http://${address}/flags`)) {
    return { kind: 'unseen', why: 'the master does not say where it answers' };
  }
  const url = new URL(`http://${address}/flags`);
  return read(await ask({ url, transport: { tls: {} }, timeoutMs }), (text) =>
    executorFlagsOf(readFlags(text)),
  );
}

function read<T>(answer: Answer, reader: (text: string) => T): Seen<T> {
  if (answer.kind === 'silent') return { kind: 'unseen', why: answer.why };
  if (answer.status !== 200) return { kind: 'unseen', why: `status ${answer.status}` };
  try {
    return { kind: 'seen', value: reader(answer.body) };
  } catch (error) {
    return { kind: 'unseen', why: `its answer cannot be read: ${messageOf(error).slice(0, 200)}` };
  }
}
