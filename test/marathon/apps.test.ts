import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadSettings } from '../../framework/config/load.js';
import { type App, appSchema } from './app-schema.js';
import { appFiles, readApp } from './apps.js';

const [host, container] = appFiles.map((file) => appSchema.parse(readApp(file))) as [App, App];

describe('the apps for Marathon', () => {
  it('are what Marathon 1.6 takes', () => {
    for (const file of appFiles) {
      const result = appSchema.safeParse(readApp(file));
      assert.ok(result.success, `${file}: ${result.error}`);
    }
  });

  it('differ in their network alone', () => {
    const common = ({ networks: _, portDefinitions: __, env, container, ...rest }: App) => {
      const { MESOS_JUPYTER_HTTP_PORT: ___, ...others } = env;
      const { portMappings: ____, ...same } = container;
      return { ...rest, env: others, container: same };
    };
    assert.deepEqual(common(host), common(container));
  });

  it('give the scheduler settings that it takes, and keep its state where another host finds it', () => {
    for (const { env } of [host, container]) {
      const settings = loadSettings({
        env: { ...env, MARATHON_APP_ID: '/mesos-jupyter', HOST: 'host-1', PORT0: '31005' },
      });
      assert.match(settings.store ?? '', /^etcd:/);
      assert.equal(settings.webuiUrl, 'http://host-1:31005');
    }
  });

  it('wait for longer than a scheduler takes to stop, and than a lock to run out, before anything is killed', () => {
    const [check] = host.healthChecks;
    assert.ok((check?.intervalSeconds ?? 0) * (check?.maxConsecutiveFailures ?? 0) >= 60);
    assert.ok(host.taskKillGracePeriodSeconds >= 10);
  });

  it('carry no secret', () => {
    for (const { env } of [host, container]) {
      assert.deepEqual(
        Object.keys(env).filter((name) => /SECRET|PASSWORD|TOKEN/.test(name) && !name.endsWith('_FILE')),
        [],
      );
    }
  });
});

describe('the schema of Marathon’s apps', () => {
  const refused: readonly [what: string, app: object][] = [
    ['an upper-case id', { ...host, id: '/Mesos' }],
    ['a relative id', { ...host, id: 'mesos' }],
    ['a field that it does not have', { ...host, healthcheck: [] }],
    ['two instances of a singleton', { ...host, instances: 2 }],
    [
      'a second one during an upgrade',
      { ...host, upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 1 } },
    ],
    ['a health check of a port that is not there', { ...host, portDefinitions: [] }],
    ['two health checks', { ...host, healthChecks: [...host.healthChecks, ...host.healthChecks] }],
    ['port mappings with host networking', { ...container, networks: host.networks }],
    ['port definitions with container networking', { ...host, networks: container.networks }],
    ['two networks', { ...container, networks: [...container.networks, ...container.networks] }],
    ['a network with a name where none is taken', { ...host, networks: [{ mode: 'host', name: 'x' }] }],
    [
      'expunging before a replacement',
      { ...host, unreachableStrategy: { inactiveAfterSeconds: 9, expungeAfterSeconds: 8 } },
    ],
    ['a number in the environment', { ...host, env: { PORT: 1 } }],
  ];
  for (const [what, app] of refused) {
    it(`refuses ${what}`, () => assert.equal(appSchema.safeParse(app).success, false));
  }
});
