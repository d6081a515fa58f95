/** `mesos-jupyter confirm-dead TASK`: the operator's word that a task's container is gone. */
import type { CommandModule } from 'yargs';
import type { ClusterRecord } from '../cluster/model.js';
import { addSettingFlags } from '../config/flags.js';
import { CodedError } from '../errors.js';
import type { GlobalFlags } from './global-flags.js';
import { leaveOrder, orderSettings, withOrders } from './order.js';

interface ConfirmFlags extends GlobalFlags {
  task: string;
}

export const confirmDeadCommand: CommandModule<GlobalFlags, ConfirmFlags> = {
  command: 'confirm-dead <task>',
  describe: 'say that the container of a task that Mesos lost is gone for certain',
  builder: (yargs) =>
    addSettingFlags(yargs, orderSettings)
      .positional('task', { type: 'string', demandOption: true, describe: 'id of the task' })
      .usage(
        '$0 confirm-dead TASK [options]\n\nSays that the container of a task is gone for certain, where Mesos cannot prove it: its host burnt, say, or you\nhave looked at it. Nodes then stop waiting for it. Said of a container that lives on, it lets two hold one address.\nThe scheduler need not run: the next one takes note when it starts.',
      )
      .example('$0 confirm-dead node1.4.9f3a --state-file /var/lib/mesos-jupyter/state.json', ''),
  handler: (argv) =>
    withOrders(argv, async (book) => {
      const record = await book.record();
      if (record === undefined)
        throw new CodedError(
          'STATE_MISSING',
          `${book.place} holds no state: give the --state-file or --store, and the --framework-name, of the scheduler`,
        );
      const doubtful = doubtfulTasks(record);
      if (!doubtful.includes(argv.task)) {
        throw new CodedError(
          'TASK_UNKNOWN',
          `"${argv.task}" is no task that may live on: ${doubtful.length === 0 ? 'there is none' : `those are ${doubtful.join(', ')}`}`,
        );
      }
      const words = await leaveOrder(book, { kind: 'confirmDead', taskId: argv.task });
      return words ?? `Task ${argv.task} counts as dead as soon as a scheduler runs.`;
    }),
};

/** Tasks that have not ended, as far as is known, and those of which nothing proves that their containers are gone. */
function doubtfulTasks({ nodes, unproven }: ClusterRecord): string[] {
  const live = nodes.flatMap(({ task }) => (task !== undefined && task.end === undefined ? [task.id] : []));
  return [...live, ...unproven.map(({ id }) => id)];
}
