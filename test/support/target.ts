/** The Mesos that tests are to use in the place of the embedded one, as the environment names it (docs/ci.md). */

export interface GivenMesos {
  /** `http://host:port` of the leading master. */
  readonly master: string;
  /** Shell command that restarts the master; it need not wait for that. */
  readonly restartMaster: string | undefined;
  /** A directory that the hosts share, for each deployment to have one below it; without it one of this machine is used. */
  readonly shared: string | undefined;
  /** Further `--docker-parameters` for every node, as the hosts' engine may need. */
  readonly dockerParameters: readonly string[];
}

/** Without the variables' common start. Empty counts as not set. */
export const testSetting = (name: string): string | undefined =>
  process.env[`MESOS_JUPYTER_TEST_${name}`] || undefined;

const master = process.env['MESOS_MASTER'] || undefined;

export const givenMesos: GivenMesos | undefined =
  master === undefined
    ? undefined
    : {
        master: master.replace(/\/+$/, ''),
        restartMaster: testSetting('RESTART_MASTER'),
        shared: testSetting('SHARED'),
        dockerParameters: testSetting('DOCKER_PARAMETERS')?.split(';') ?? [],
      };

/** For `skip`: why a test that orders faults of the embedded Mesos has nothing to do where another is given. */
export const skipElsewhere = (what: string): string | false =>
  givenMesos === undefined ? false : `${what}: MESOS_MASTER names another Mesos`;
