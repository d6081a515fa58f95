/** Every error that an operator may see: one class, one table of codes. `docs/errors.md` is written from the table. */

interface ErrorEntry {
  /** The process's exit status when this error ends it. */
  readonly exitCode: number;
  /** What happened, in general. */
  readonly cause: string;
  /** What to do about it. */
  readonly cure: string;
}

/** Exit statuses: 2 for what was asked wrongly, 3 for what is missing around us, 4 for a cluster that did not come up, 5 for
 * another scheduler that took over, 70 for a defect. */
export const errorTable = {
  CONFIG_INVALID: {
    exitCode: 2,
    cause: 'A setting has a value that it cannot have, or one that does not go with another.',
    cure: 'The message names the setting, its value and where it came from. `docs/settings.md` and `--help` say what each setting takes.',
  },
  CONFIG_UNKNOWN: {
    exitCode: 2,
    cause: 'A flag, a variable or a key of the settings file is not one that exists.',
    cure: 'Mend the spelling; the message proposes the nearest name.',
  },
  CONFIG_FILE: {
    exitCode: 2,
    cause: 'The settings file cannot be read, or is not YAML.',
    cure: 'The message gives the place in the file.',
  },
  MASTER_UNREACHABLE: {
    exitCode: 3,
    cause: 'No Mesos master answers at the address that was given.',
    cure: 'Check `--master` (http://HOST:PORT), and that the port can be reached from this machine: `curl http://HOST:PORT/health`.',
  },
  MASTER_REFUSED: {
    exitCode: 3,
    cause: 'The Mesos master refused a call or the subscription.',
    cure: 'The message has its own words. For credentials and roles see `principal`, `role` and the ACLs of the master.',
  },
  FRAMEWORK_REMOVED: {
    exitCode: 4,
    cause:
      'Mesos has removed the framework that the stored state names: it was torn down, or no scheduler came back within `failoverTimeoutS`.',
    cure: 'Its tasks are ended. Run `mesos-jupyter teardown` to forget it, or move the state file (or the keys of `store`) away; then start anew.',
  },
  CHECK_FAILED: {
    exitCode: 3,
    cause: '`mesos-jupyter check` found something wrong.',
    cure: 'Its report has a line for each thing, with what to do.',
  },
  STATE_MISSING: {
    exitCode: 3,
    cause: 'There is no stored state, or it names no framework.',
    cure: 'Give the `--state-file` or `--store`, and the `--framework-name`, that `mesos-jupyter run` was started with.',
  },
  TASK_UNKNOWN: {
    exitCode: 2,
    cause: 'The task that was named is none that may be alive.',
    cure: 'The message lists those that may.',
  },
  NODE_UNKNOWN: {
    exitCode: 2,
    cause: 'The node that was named is none of the cluster.',
    cure: 'The message says which numbers there are.',
  },
  SCHEDULER_ABSENT: {
    exitCode: 3,
    cause: 'No scheduler works with the state, so that nobody would carry the order out.',
    cure: 'Start it, or give the `--state-file` or `--store`, and the `--framework-name`, that it runs with.',
  },
  ORDER_UNANSWERED: {
    exitCode: 4,
    cause: 'The scheduler has the state, and did not answer an order in time.',
    cure: '`mesos-jupyter status` says what it does. An order that it had not taken was withdrawn.',
  },
  ORDER_UNKNOWN: {
    exitCode: 4,
    cause: 'The scheduler is of another release, and does not understand the order.',
    cure: "Give the order with the scheduler's own release.",
  },
  HAND_OVER_REFUSED: {
    exitCode: 4,
    cause: 'Jupyter cannot go to another node, or to that one; it stays where it is.',
    cure: 'The message says what stands in the way: a node has to be ready, and to see the shared volume. The scheduler has to reach the nodes for it.',
  },
  HAND_OVER_UNFINISHED: {
    exitCode: 4,
    cause: 'A hand-over was begun, and Jupyter did not answer at another node in time.',
    cure: 'The nodes finish it, or bring Jupyter back where it was, by themselves: look again with `mesos-jupyter status`.',
  },
  STATE_UNWRITABLE: {
    exitCode: 3,
    cause: 'The state file cannot be written.',
    cure: 'Choose another `--state-file`, or give the user that runs the scheduler the right to write there.',
  },
  STATE_CORRUPT: {
    exitCode: 3,
    cause:
      'The stored state (the state file, its `.key`, or a key of `store`) is not one that this program wrote. It was left as it is.',
    cure: 'Restore it from a backup. Without one, move it away, and remove its framework with `POST /teardown` of the master.',
  },
  STATE_NEWER: {
    exitCode: 3,
    cause: 'The stored state was written by a later release, which keeps it in another format.',
    cure: 'Use that release, or a later one. The state was left as it is.',
  },
  STATE_MISMATCH: {
    exitCode: 3,
    cause: 'The stored state is that of a cluster with other addresses.',
    cure: 'Give the addresses that it was started with, or run `mesos-jupyter teardown` first, or use another `--state-file` or prefix of `--store`.',
  },
  TAKEN_OVER: {
    exitCode: 5,
    cause:
      'Another scheduler has subscribed with the same framework id, without having taken the `store` or the state file of this one: it works with a copy.',
    cure: 'See to it that only one scheduler runs with the framework id. Do not start this one again beside it: each would take over from the other, and end what the other launched.',
  },
  STATE_LOCKED: {
    exitCode: 3,
    cause: 'Another scheduler works with the same state file; or, at a teardown, with the same `store`.',
    cure: 'Stop the other one first; the message gives its process id, and for a `store` its host.',
  },
  STORE_UNREACHABLE: {
    exitCode: 3,
    cause: 'The etcd that `store` names did not answer.',
    cure: 'Check the addresses, and that this machine reaches them: `etcdctl --endpoints=HOST:PORT endpoint health`. At its start the scheduler waits for 15 s; later it waits for as long as it takes, and does nothing meanwhile.',
  },
  STORE_REFUSED: {
    exitCode: 3,
    cause: 'The etcd that `store` names refused a call.',
    cure: 'The message has its own words. Check `storeUser` and its password, and that its role may read and write all keys under the prefix.',
  },
  STORE_LOST: {
    exitCode: 4,
    cause:
      'The scheduler no longer holds the lock of its `store`: it was suspended, or cut off from that etcd, for longer than 15 s, so that another may have taken over.',
    cure: 'Nothing was written after the loss. Start it again: it stands by if another works, and takes over if none does. A service manager should do that (`Restart=always`).',
  },
  STATUS_UNREACHABLE: {
    exitCode: 3,
    cause: 'No scheduler answers where its status was asked for, or what answers is none.',
    cure: 'Give `--url http://HOST:PORT`, or the `httpPort` that the scheduler runs with; its log says where the status is ("status at …"). Where it listens on 127.0.0.1 alone, ask on its own machine, or start it with `--http-address 0.0.0.0`.',
  },
  SCHEDULER_UNWELL: {
    exitCode: 4,
    cause:
      'The scheduler says that it is not well: its event loop stood still, or its store does not answer.',
    cure: "The message has its reason. Look at its machine's load, and at the disk or mount of the state file; then start it again.",
  },
  DOCKER_UNAVAILABLE: {
    exitCode: 3,
    cause: 'No Docker engine answers, and none may or can be installed.',
    cure: 'Install and start one (Debian, Ubuntu: `apt-get install docker.io`), see to it that this user may use it, and point DOCKER_HOST to it if it is elsewhere.',
  },
  DOCKER_INSTALL_FAILED: {
    exitCode: 3,
    cause: 'Docker could not be installed or started.',
    cure: 'The message has the end of the log. Most often a package mirror is out of reach, or the machine is itself a container without the rights that dockerd needs.',
  },
  DOCKER_FAILED: {
    exitCode: 3,
    cause: 'A docker command failed.',
    cure: "The message has the command and Docker's own words.",
  },
  IMAGE_MISSING: {
    exitCode: 3,
    cause: 'The Docker image is not there, and cannot be pulled.',
    cure: 'Check `--image`; load it with `docker load`, or let `mesos-jupyter local` build it by giving none.',
  },
  IMAGE_BUILD_FAILED: {
    exitCode: 3,
    cause: 'The Docker image could not be built.',
    cure: 'The message has the end of the log and its path. Most often a package mirror is out of reach.',
  },
  NETWORK_OVERLAP: {
    exitCode: 3,
    cause: 'A Docker network would overlap a network that this machine is on, and so cut it off.',
    cure: 'Give a free range with `--subnet`, such as 10.213.0.0/24.',
  },
  NETWORK_UNUSABLE: {
    exitCode: 3,
    cause: 'There is a Docker network of the wanted name that cannot be used.',
    cure: 'Give another name with `--network`, or remove it with `docker network rm NAME`.',
  },
  PORT_TAKEN: {
    exitCode: 3,
    cause: 'A TCP port that is needed is in use.',
    cure: 'Give another port, or end the program that has it: `ss -ltnp` names it.',
  },
  FILES_UNUSABLE: {
    exitCode: 3,
    cause: 'A directory cannot be made, read or written.',
    cure: 'The message names it. Choose another, or mend its owner and mode.',
  },
  READY_TIMEOUT: {
    exitCode: 4,
    cause: 'The cluster was not well in time.',
    cure: 'The message says what was missing. `--log-level debug` shows more; a slow machine wants a longer `--timeout`.',
  },
  HOST_NOT_READY: {
    exitCode: 3,
    cause: 'A host lacks something that a node needs.',
    cure: 'What `mesos-jupyter host check` prints below each fact that is missing; most of it does `mesos-jupyter host prepare --apply`.',
  },
  HOST_WAITS: {
    exitCode: 3,
    cause:
      '`mesos-jupyter host prepare` came upon something that it cannot bring about: another host has to be prepared first, or the operator has to decide.',
    cure: 'The message says what, what was done, and what is left. Run it again afterwards: it goes on where it stopped. `--wait-s` lets it wait for other hosts.',
  },
  HOST_STEP_FAILED: {
    exitCode: 3,
    cause: 'A step of `mesos-jupyter host prepare` failed, or changed nothing.',
    cure: 'The message has the command and its own words, what was done, and what is left. Run it again once the cause is mended.',
  },
  CLEANUP_FAILED: {
    exitCode: 4,
    cause: 'Not all that `mesos-jupyter local` had made could be removed.',
    cure: 'The message names what is left. The next `mesos-jupyter local` removes it, too.',
  },
  INTERRUPTED: {
    exitCode: 130,
    cause: 'The program was told to stop before it was done.',
    cure: 'Nothing to do.',
  },
  INTERNAL: {
    exitCode: 70,
    cause: 'A defect in mesos-jupyter.',
    cure: 'Please report it with the log.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;

/** An error with a stable code. Its message says what happened, where, and what to do. */
export class CodedError extends Error {
  override readonly name = 'CodedError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
  get exitCode(): number {
    return errorTable[this.code].exitCode;
  }
}

/** The text of anything thrown, for messages. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
