/** How a duty ends the whole node agent. */
import { type ExitCodeName, exitCodes } from '../contract.js';

/** Ends the node agent with one of the contract's exit codes; the message says what happened and what to do. */
export class NodeEnd extends Error {
  override readonly name = 'NodeEnd';

  constructor(
    readonly code: ExitCodeName,
    message: string,
  ) {
    super(message);
  }

  get exitStatus(): number {
    return exitCodes[this.code];
  }
}

/** What a caught value has to say, on one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' | ');
}
