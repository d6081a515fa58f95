/** Every error that an operator may see: one class, one table of codes. `docs/errors.md` is written from the table. */

interface ErrorEntry {
  /** The process's exit status when this error ends it. */
  readonly exitCode: number;
  /** What happened, in general. */
  readonly cause: string;
  /** What to do about it. */
  readonly cure: string;
}

/** Exit statuses: 2 for what was asked wrongly, 3 for what is missing around us, 4 for a cluster that did not come up, 70 for a defect. */
export const errorTable = {
  CONFIG_INVALID: {
    exitCode: 2,
    cause: 'A setting has a value that it cannot have, or one that does not go with another.',
    cure: 'The message names the setting, its value and where it came from. `mesos-jupyter help` lists what each setting takes.',
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
