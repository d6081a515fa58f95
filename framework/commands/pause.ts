/** `mesos-jupyter pause` and `resume`: automation frozen, and let go on. */
import type { ArgumentsCamelCase, CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import type { Order } from '../store/orders.js';
import type { GlobalFlags } from './global-flags.js';
import { leaveOrder, orderSettings, withOrders } from './order.js';

interface PauseFlags extends GlobalFlags {
  reason: string | undefined;
}

export const pauseFlags = {
  reason: { type: 'string', requiresArg: true, describe: 'why, for the status and the log' },
} as const;

/** The nodes have this long to hear of it before the command says which have not, in milliseconds. */
const toldWithinMs = 15_000;

export const pauseCommand: CommandModule<GlobalFlags, PauseFlags> = {
  command: 'pause',
  describe: 'freeze automation: nothing is launched or killed, and Jupyter stays where it is',
  builder: (yargs) =>
    addSettingFlags(yargs, orderSettings)
      .usage(
        '$0 pause [--reason TEXT] [options]\n\nFreezes automation until "mesos-jupyter resume", over restarts of the scheduler, too: what ends is not launched again,\nnothing is killed, and Jupyter moves to no other node, but by "mesos-jupyter hand-over". It is still frozen where its node is\ncut off: there are never two.',
      )
      .options(pauseFlags)
      .example('$0 pause --reason "switch work until noon"', ''),
  async handler(argv) {
    const since = new Date().toISOString();
    const why = argv.reason === undefined ? {} : { reason: argv.reason };
    await give(argv, { kind: 'pause', since, ...why }, 'The cluster is paused');
  },
};

export const resumeCommand: CommandModule<GlobalFlags, GlobalFlags> = {
  command: 'resume',
  describe: 'let automation go on after a pause',
  builder: (yargs) =>
    addSettingFlags(yargs, orderSettings)
      .usage('$0 resume [options]\n\nEnds a pause: what was held back is done, as far as it is still needed.')
      .example('$0 resume', ''),
  handler: (argv) => give(argv, { kind: 'resume' }, 'The pause ends'),
};

/** @param what becomes so, where no scheduler runs that could say so itself */
function give(argv: ArgumentsCamelCase<GlobalFlags>, order: Order, what: string): Promise<void> {
  return withOrders(
    argv,
    async (book) =>
      (await leaveOrder(book, order, toldWithinMs)) ??
      `${what} as soon as a scheduler works with ${book.place}, before it does anything else.`,
  );
}
