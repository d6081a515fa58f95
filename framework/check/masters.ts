/** What is said of the masters: who leads, of which version, and whether this framework would be let in. */
import type { Settings } from '../config/settings.js';
import { messageOf } from '../errors.js';
import { mayRegister } from './acls.js';
import type { Finding } from './finding.js';
import type { MasterFlags, MasterState, MesosFramework } from './master-state.js';
import type { AskedMaster, CredentialAnswers, MastersView, Seen } from './observations.js';

export function judgeMasters({ asked, zookeeper, leader }: MastersView): Finding[] {
  const subject = 'master';
  if (zookeeper !== undefined) {
    return [
      {
        subject,
        verdict: 'wrong',
        says: zookeeper,
        cure: 'check the hosts, ports and path of --master, and that the masters were started with the same --zk',
      },
    ];
  }
  const closed = asked.find(({ host, answer }) => answer.kind === 'refuses' && host === leader?.host);
  if (closed !== undefined) {
    const says = `whether it leads cannot be told: ${describe(closed)}`;
    return [{ subject, verdict: 'unknown', says, cure: cureOf([closed]) }];
  }
  const others = asked.filter(({ answer }) => answer.kind !== 'leads');
  if (leader === undefined) {
    return [
      {
        subject,
        verdict: 'wrong',
        says: `none of the masters asked leads: ${others.map(describe).join('; ')}`,
        cure: cureOf(others),
      },
    ];
  }
  const lost = others.filter(({ answer }) => answer.kind !== 'follows');
  const leads = `${leader.host} leads`;
  return [
    lost.length === 0
      ? { subject, verdict: 'ok', says: others.length === 0 ? leads : `${leads}; ${list(others)} follow it` }
      : {
          subject,
          verdict: 'warning',
          says: `${leads}, but ${lost.map(describe).join('; ')}`,
          cure: 'a scheduler finds the leader all the same; see to the others, or take them out of --master',
        },
  ];
}

const list = (masters: readonly AskedMaster[]): string => masters.map(({ host }) => host).join(', ');

function describe({ host, answer }: AskedMaster): string {
  switch (answer.kind) {
    case 'leads':
      return `${host} leads`;
    case 'follows':
      return `${host} says that ${answer.leader.host} leads`;
    case 'electing':
      return `${host} knows no leader (${answer.why})`;
    case 'refuses':
      return `${host} answers ${answer.status}${answer.why === '' ? '' : ` "${answer.why}"`}`;
    case 'silent':
      return `${host} does not answer (${answer.why})`;
  }
}

function cureOf(asked: readonly AskedMaster[]): string {
  if (asked.some(({ answer }) => answer.kind === 'follows')) {
    return "the leader is named by its host name, which must resolve and answer here: set the masters' --hostname or --advertise_ip";
  }
  if (asked.some(({ answer }) => answer.kind === 'electing')) {
    return "wait for the election; if it does not end, look at the masters' ZooKeeper and --quorum";
  }
  if (asked.some(({ answer }) => answer.kind === 'refuses' && [401, 403].includes(answer.status))) {
    return 'give the --principal and --secret-file of one that may see the state (--authenticate_http_readonly, get_endpoints and view_frameworks of the ACLs)';
  }
  return 'check --master, and that the port can be reached from this machine: curl http://HOST:PORT/health';
}

/** The first release whose frameworks have roles in the plural, which is how this one registers. */
const oldest = [1, 2] as const;

export function judgeVersion(state: Seen<MasterState>): Finding[] {
  const subject = 'version';
  if (state.kind === 'unseen') {
    return [{ subject, verdict: 'unknown', says: `the master's /state cannot be read: ${state.why}` }];
  }
  const { version, hosts } = state.value;
  const isOld = (text: string) => {
    const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
    return major !== undefined && (Number(major) - oldest[0] || Number(minor) - oldest[1]) < 0;
  };
  if (isOld(version)) {
    const cure = `use Mesos ${oldest.join('.')} or later`;
    return [
      {
        subject,
        verdict: 'wrong',
        says: `the master is Mesos ${version}, which knows no roles in the plural`,
        cure,
      },
    ];
  }
  if (!/^\d+\.\d+/.test(version)) {
    return [{ subject, verdict: 'unknown', says: `the master calls itself "${version}"` }];
  }
  const differing = hosts.filter((host) => host.version !== '' && host.version !== version);
  const names = differing.map((host) => `${host.hostname} ${host.version}`).join(', ');
  return [
    differing.some((host) => isOld(host.version))
      ? {
          subject,
          verdict: 'warning',
          says: `the master is Mesos ${version}, but there are older Mesos agents: ${names}`,
          cure: 'upgrade them',
        }
      : {
          subject,
          verdict: 'ok',
          says: `Mesos ${version}${differing.length === 0 ? '' : `, on some hosts another: ${names}`}`,
        },
  ];
}

/**
 * A call of a framework that does not exist is refused as such (400) only when whoever makes it is let in; nothing is registered by it
 * (src/master/http.cpp; FACTS, real master 2 and 16).
 */
export function judgeCredentials(
  { principal }: Pick<Settings, 'principal'>,
  { with: given, without }: CredentialAnswers,
): Finding {
  const subject = 'credentials';
  if (given.kind === 'unseen') return { subject, verdict: 'unknown', says: given.why };
  switch (given.value) {
    case 400:
      if (without === undefined) return { subject, verdict: 'ok', says: 'the master asks for none' };
      return without.kind === 'seen' && without.value === 401
        ? { subject, verdict: 'ok', says: `the master takes those of principal ${principal}` }
        : {
            subject,
            verdict: 'ok',
            says: `the master asks for none, so that it did not look at those of principal ${principal}`,
          };
    case 401:
      return without === undefined
        ? {
            subject,
            verdict: 'wrong',
            says: 'the master asks for credentials, and none are given (401)',
            cure: 'set --principal and --secret-file to a pair in the file of its --credentials',
          }
        : {
            subject,
            verdict: 'wrong',
            says: `the master does not take the secret of principal ${principal} (401)`,
            cure: 'compare --principal and --secret-file with the file of its --credentials',
          };
    default:
      return {
        subject,
        verdict: 'unknown',
        says: `the master answered ${given.value} to a call of a framework that is not there`,
      };
  }
}

/** No call tells of a role without registering: what tells is the framework that is there, or the master's own flags. */
export function judgeRole(
  { role, principal, user }: Pick<Settings, 'role' | 'principal' | 'user'>,
  flags: Seen<MasterFlags>,
  ours: MesosFramework | undefined,
): Finding {
  const subject = `role ${role}`;
  if (ours?.active && ours.roles.includes(role)) {
    return { subject, verdict: 'ok', says: `framework ${ours.id} is registered with it` };
  }
  const unknown = (why: string): Finding => ({
    subject,
    verdict: 'unknown',
    says: `${why}; "run" tells at once, by MASTER_REFUSED, and has launched nothing then`,
  });
  if (flags.kind === 'unseen') return unknown(`the master's flags cannot be read (${flags.why})`);
  const { roles, rootSubmissions, acls, hasOwnAuthorizer } = flags.value;
  if (roles !== undefined && role !== '*' && !roles.includes(role)) {
    return {
      subject,
      verdict: 'wrong',
      says: `it is not among the master's --roles (${roles.join(', ')})`,
      cure: 'take one of them for --role, or start the masters with it',
    };
  }
  if (user === 'root' && !rootSubmissions) {
    return {
      subject,
      verdict: 'wrong',
      says: 'the master lets no framework of the user root register (--root_submissions=false)',
      cure: 'set --user to another user of the hosts that may use Docker',
    };
  }
  if (!hasOwnAuthorizer) return unknown('an authorizer of its own decides in this master');
  if (acls === undefined) return { subject, verdict: 'ok', says: 'the master has no ACLs' };
  try {
    if (mayRegister(acls, principal, role))
      return { subject, verdict: 'ok', says: "the master's ACLs allow it" };
  } catch (error) {
    return unknown(`the master's ACLs cannot be read (${messageOf(error)})`);
  }
  return {
    subject,
    verdict: 'wrong',
    says: `the master's ACLs do not let ${principal === undefined ? 'a framework without a principal' : `principal ${principal}`} register with it`,
    cure: 'take another --role, or add it to register_frameworks in its --acls',
  };
}
