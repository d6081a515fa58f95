/** The node agent: reads what the scheduler says, runs the node, and ends with one of the contract's exit codes. */
import { EnvironmentError, exitCodes, readTaskEnvironment, type TaskEnvironment } from '../contract.js';
import { messageOf, NodeEnd } from './errors.js';
import { createLog } from './log.js';
import { runNode } from './supervisor.js';

function readEnvironment(): TaskEnvironment {
  try {
    return readTaskEnvironment(process.env);
  } catch (error) {
    if (!(error instanceof EnvironmentError)) throw error;
    createLog('error').error(error.message);
    process.exit(exitCodes[error.code]);
  }
}

async function main(): Promise<void> {
  const task = readEnvironment();
  const log = createLog(task.logLevel);
  log.info(
    `node ${task.node} of ${task.addresses.length}, task ${task.taskId}, incarnation ${task.incarnation}, generation ${task.generation}`,
  );

  const crash = (error: unknown): void => {
    log.error(`a defect of the node agent: ${error instanceof Error ? error.stack : String(error)}`);
    process.exit(exitCodes.internalError);
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);

  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());

  try {
    await runNode(task, log, stop.signal);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof NodeEnd)) return crash(error);
    log.error(messageOf(error));
    process.exit(error.exitStatus);
  }
}

void main();
