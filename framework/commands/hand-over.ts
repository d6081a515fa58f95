/** `mesos-jupyter hand-over`: Jupyter moves to another node, as the operator wants it. */
import type { CommandModule } from 'yargs';
import { addSettingFlags } from '../config/flags.js';
import type { GlobalFlags } from './global-flags.js';
import { demandScheduler, giveOrder, orderSettings, withOrders } from './order.js';
import { wholeNumber } from './whole-number.js';

interface HandOverFlags extends GlobalFlags {
  to: string | undefined;
  'within-s': string;
}

export const handOverFlags = {
  to: {
    type: 'string',
    requiresArg: true,
    describe: 'number of the node that is to run Jupyter',
    defaultDescription: 'the one that is best prepared',
  },
  'within-s': {
    type: 'string',
    requiresArg: true,
    describe: 'seconds that it may take',
    default: '30',
    defaultDescription: '30',
  },
} as const;

export const handOverCommand: CommandModule<GlobalFlags, HandOverFlags> = {
  command: 'hand-over',
  describe: 'move Jupyter to another node',
  builder: (yargs) =>
    addSettingFlags(yargs, orderSettings)
      .usage(
        '$0 hand-over [--to NODE] [options]\n\nMoves Jupyter to another node, and waits until it answers there: before work on a host, say. Kernels and terminals\nend; files are the same. The scheduler must run, and reach the nodes; the order is left in its store.',
      )
      .options(handOverFlags)
      .example('$0 hand-over', '')
      .example('$0 hand-over --to 2 --config cluster.yaml', ''),
  async handler(argv) {
    const to = argv.to === undefined ? undefined : wholeNumber('to', argv.to, 0, 999);
    const withinS = wholeNumber('within-s', argv.withinS, 1, 3600);
    await withOrders(argv, async (book) => {
      await demandScheduler(book);
      const order = {
        kind: 'handOver',
        ...(to === undefined ? {} : { to }),
        givenAt: new Date().toISOString(),
        withinS,
      } as const;
      return giveOrder(book, order, withinS * 1000);
    });
  },
};
