/** The embedded Mesos as a process of its own: a master at port 5050 and one host, as mesos/mesos-mini has them. */
import { EmbeddedHost } from '../../../framework/local/host/host.js';
import { EmbeddedMaster } from '../../../framework/local/master/master.js';
import { createLogger } from '../../../framework/log.js';

const logger = createLogger('info');
const master = await EmbeddedMaster.start({ logger, port: 5050, hostname: 'localhost' });
const host = await EmbeddedHost.start({
  master,
  name: 'localhost',
  port: 5051,
  resources: { cpus: 8, memMb: 8192, diskMb: 10_000 },
  workDirectory: '/var/lib/mesos/agent',
  logger,
});
logger.info(`master at ${master.url}`);

process.on('SIGHUP', () => {
  logger.info('SIGHUP: the master is restarted');
  void master.restart({ keepRegistry: true }).then(() => logger.info(`master at ${master.url} again`));
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void host
      .stop()
      .then(() => master.stop())
      .finally(() => process.exit());
  });
}
