import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { loadSettings, type Sources } from '../../../framework/config/load.js';
import type { Settings } from '../../../framework/config/settings.js';
import { parseStoreUrl } from '../../../framework/config/store-url.js';
import { CodedError, type ErrorCode } from '../../../framework/errors.js';

const enough = {
  master: 'http://10.0.0.1:5050',
  image: 'mesos-jupyter-node:1',
  ips: '192.0.2.100,192.0.2.101,192.0.2.102',
  shared: '/home/pkusei/gfsmount',
};

const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-'));
after(() => rmSync(directory, { recursive: true }));

function load(flags: Record<string, unknown> = {}, more: Omit<Sources, 'flags'> = {}): Settings {
  return loadSettings({ flags: { ...enough, ...flags }, ...more });
}

function fileWith(text: string): string {
  const path = join(directory, 'cluster.yaml');
  writeFileSync(path, text);
  return path;
}

/** The error's message, when it is of this code. */
function refusal(code: ErrorCode, work: () => unknown): string {
  let message = '';
  assert.throws(work, (error) => {
    assert.ok(error instanceof CodedError, `not a coded error: ${error}`);
    assert.equal(error.code, code, error.message);
    message = error.message;
    return true;
  });
  return message;
}

describe('settings', () => {
  test('what is not set gets its default', () => {
    const settings = load();
    assert.deepEqual(settings.ips, ['192.0.2.100', '192.0.2.101', '192.0.2.102']);
    assert.equal(settings.network, 'calico');
    assert.equal(settings.role, '*');
    assert.equal(settings.failoverTimeoutS, 604_800);
    assert.equal(settings.basePath, '/notebook/');
    assert.equal(settings.principal, undefined);
    assert.deepEqual(settings.dockerParameters, []);
    assert.ok(settings.hostname.length > 0);
  });

  test("in a task of Marathon's the defaults are what Marathon gave it, and whatever is set wins", () => {
    const env = { MARATHON_APP_ID: '/mesos-jupyter', HOST: 'host-7', PORT0: '31005' };
    const web = ({ httpAddress, httpPort, webuiUrl, hostname }: Settings) => [
      httpAddress,
      httpPort,
      webuiUrl,
      hostname,
    ];
    assert.deepEqual(web(load({}, { env })), ['0.0.0.0', 31005, 'http://host-7:31005', 'host-7']);
    // As with container networking: it listens at the container's port, and is found at the host's.
    assert.deepEqual(web(load({}, { env: { ...env, MESOS_JUPYTER_HTTP_PORT: '8475' } })), [
      '0.0.0.0',
      8475,
      'http://host-7:31005',
      'host-7',
    ]);
    assert.equal(load({ webuiUrl: 'http://jupyter.example/' }, { env }).webuiUrl, 'http://jupyter.example/');
    // An app without ports; and variables of others' making.
    assert.equal(load({}, { env: { ...env, PORT0: undefined } }).httpPort, 8475);
    assert.equal(load({}, { env: { ...env, PORT0: undefined } }).webuiUrl, undefined);
    assert.equal(load({}, { env: { HOST: 'host-7', PORT0: '1' } }).httpPort, 8475);
    const message = refusal('CONFIG_INVALID', () => load({}, { env: { ...env, PORT0: 'http' } }));
    assert.match(message, /httpPort by Marathon's \$PORT0 "http" is not a number/);
  });

  test('a flag wins over the environment, and the environment over the file', () => {
    const file = fileWith('cpus: 2\nmemMb: 3000\nleaseTtlS: 7\n');
    const env = { MESOS_JUPYTER_MEM_MB: '4000', MESOS_JUPYTER_LEASE_TTL_S: '8' };
    const settings = load({ leaseTtlS: '9' }, { env, file });
    assert.deepEqual([settings.cpus, settings.memMb, settings.leaseTtlS], [2, 4000, 9]);
  });

  test('MESOS_JUPYTER_CONFIG names the file where no flag does', () => {
    const file = fileWith('cpus: 3\n');
    assert.equal(load({}, { env: { MESOS_JUPYTER_CONFIG: file } }).cpus, 3);
  });

  test('an empty variable counts as not set', () => {
    assert.equal(load({}, { env: { MESOS_JUPYTER_CPUS: '' } }).cpus, 1);
  });

  test("the secret's variable is no setting, and no mistake", () => {
    const settings = load({}, { env: { MESOS_JUPYTER_SECRET: 'hush' } });
    assert.ok(!JSON.stringify(settings).includes('hush'));
  });

  test('all of it can stand in the file', () => {
    const file = fileWith(
      [
        'master: http://10.0.0.1:5050',
        'image: node:1',
        'ips:',
        '  - 192.0.2.100',
        'shared: /srv/shared',
        'role: "*"',
        'principal: 007',
        'dockerParameters:',
        '  - memory-swap=4g',
        '  - {key: env, value: A=B=C}',
      ].join('\n'),
    );
    const settings = loadSettings({ file });
    assert.deepEqual(settings.ips, ['192.0.2.100']);
    assert.equal(settings.principal, '007');
    assert.deepEqual(settings.dockerParameters, [
      { key: 'memory-swap', value: '4g' },
      { key: 'env', value: 'A=B=C' },
    ]);
  });

  test('a base path gets a slash at both ends', () => {
    for (const [given, read] of [
      ['notebook', '/notebook/'],
      ['/a/b', '/a/b/'],
      ['//x//', '/x/'],
      ['/', '/'],
    ]) {
      assert.equal(load({ basePath: given }).basePath, read);
    }
  });

  test("masters' addresses lose their trailing slashes", () => {
    assert.equal(load({ master: 'http://a:5050/, http://b:5050' }).master, 'http://a:5050,http://b:5050');
    assert.equal(load({ master: 'zk://a:2181,b:2181/mesos' }).master, 'zk://a:2181,b:2181/mesos');
  });

  test('docker parameters are read from flags that are given several times', () => {
    const { dockerParameters } = load({ dockerParameters: ['ulimit=nofile=10:10', 'privileged=true'] });
    assert.deepEqual(dockerParameters, [
      { key: 'ulimit', value: 'nofile=10:10' },
      { key: 'privileged', value: 'true' },
    ]);
  });

  test("the state file bears the framework's name", () => {
    assert.match(load({ frameworkName: 'lab' }).stateFile, /^\/.*\/lab\.json$/);
    assert.equal(load({ stateFile: '/x/y.json' }).stateFile, '/x/y.json');
  });

  test('the store may be an etcd of several members, with a prefix or without', () => {
    assert.deepEqual(parseStoreUrl('etcd://10.0.0.1:2379,[fd00::1]:2379,etcd-3:23790/a/b/'), {
      endpoints: ['10.0.0.1:2379', '[fd00::1]:2379', 'etcd-3:23790'],
      prefix: '/a/b',
    });
    assert.deepEqual(parseStoreUrl('etcd://a:1'), { endpoints: ['a:1'], prefix: undefined });
    for (const wrong of [
      'etcd://',
      'etcd://a:1,',
      'etcd://a:0',
      'etcd://a:65536',
      'etcd://a:1//b',
      'etcd:a:1',
    ]) {
      assert.equal(parseStoreUrl(wrong), undefined, wrong);
    }
    assert.equal(load({ store: 'etcd://10.0.0.1:2379/x' }).store, 'etcd://10.0.0.1:2379/x');
  });

  test('a command that needs less is not asked for more, but what is there is checked', () => {
    const sources = { flags: { master: 'http://a:5050' } };
    assert.equal(loadSettings(sources, ['master', 'stateFile']).master, 'http://a:5050');
    const wrong = { flags: { ...sources.flags, cpus: 'many' } };
    refusal('CONFIG_INVALID', () => loadSettings(wrong, ['master']));
  });
});

describe('settings that cannot be', () => {
  const cases: readonly [what: string, flags: Record<string, unknown>, message: RegExp][] = [
    [
      'an address that is none',
      { ips: '192.0.2.100,192.0.2.1001,192.0.2.102' },
      /--ips .*has "192\.0\.2\.1001", which is not an IPv4 address/,
    ],
    ['an address with a leading zero', { ips: '192.0.2.010' }, /not an IPv4 address/],
    ['a host name for an address', { ips: 'node0' }, /not an IPv4 address/],
    ['an empty address between commas', { ips: '192.0.2.100,,192.0.2.102' }, /has ""/],
    ['a loopback address', { ips: '127.0.0.1' }, /no node can have/],
    ['an even number of nodes', { ips: '192.0.2.100,192.0.2.101' }, /has 2 addresses: give 1, 3, 5 or 7/],
    [
      'more nodes than seven',
      { ips: Array.from({ length: 9 }, (_, k) => `192.0.2.${100 + k}`) },
      /has 9 addresses/,
    ],
    ['two equal addresses', { ips: '192.0.2.100,192.0.2.100,192.0.2.102' }, /has 192\.0\.2\.100 twice/],
    [
      'an address outside the subnet',
      { subnet: '192.0.2.0/24', ips: '192.0.3.100' },
      /--ips "192\.0\.3\.100" has 192\.0\.3\.100, which is not in the subnet 192\.0\.2\.0\/24/,
    ],
    [
      "the subnet's own address",
      { subnet: '192.0.2.0/24', ips: '192.0.2.0' },
      /address of the subnet itself/,
    ],
    ['the broadcast address', { subnet: '192.0.2.0/24', ips: '192.0.2.255' }, /broadcast address/],
    [
      'the gateway',
      { subnet: '192.0.2.0/24', ips: '192.0.2.1' },
      /gateway: take addresses from 192\.0\.2\.2 on/,
    ],
    [
      'a store without its scheme',
      { store: '10.0.0.1:2379' },
      /--store "10\.0\.0\.1:2379" is not etcd:\/\/HOST:PORT/,
    ],
    ['a store without a port', { store: 'etcd://10.0.0.1/x' }, /is not etcd:/],
    ['a store with a password in it', { store: 'etcd://me:secret@10.0.0.1:2379' }, /is not etcd:/],
    [
      "a node's own etcd as the store",
      { store: 'etcd://10.0.0.1:2379,192.0.2.101:2379/x' },
      /--store .* has 192\.0\.2\.101, which is a node's address: .* give an etcd outside the cluster/,
    ],
    [
      "the store's user alone",
      { store: 'etcd://a:1', storeUser: 'me' },
      /is given without storePasswordFile/,
    ],
    ["the store's key alone", { store: 'etcd://a:1', storeKeyFile: '/k' }, /is given without storeCertFile/],
    ["a store's CA, and no store", { storeCaFile: '/ca' }, /is given, but no store/],
    ['a subnet with host bits', { subnet: '192.0.2.5/24' }, /--subnet "192\.0\.2\.5\/24" is not a network/],
    ['a master without http://', { master: '10.0.0.1:5050' }, /does not start with http:\/\//],
    ['a master with a password', { master: 'http://u:p@10.0.0.1:5050' }, /password/],
    ['a master with a path', { master: 'http://10.0.0.1:5050/api/v1' }, /has a path/],
    ['a ZooKeeper name without a path', { master: 'zk://a:2181' }, /is not zk:\/\//],
    ['an image name that is none', { image: 'My Image' }, /is not the name of a Docker image/],
    ['a network that gives no addresses', { network: 'host' }, /gives no fixed addresses/],
    ['a relative shared directory', { shared: 'gfsmount' }, /is not an absolute path/],
    ['the root directory as shared', { shared: '/' }, /is the root directory/],
    ['a number that is none', { cpus: 'two' }, /--cpus "two" is not a number/],
    ['no memory to speak of', { memMb: '64' }, /is less than 256/],
    ['a fraction of a megabyte', { memMb: '300.5' }, /is not a whole number/],
    ['a lease shorter than etcd takes', { leaseTtlS: '1' }, /is less than 2/],
    ['a log level that is none', { logLevel: 'loud' }, /is not one of error, warn, info, debug/],
    ['a docker option that Mesos needs', { dockerParameters: ['detach=true'] }, /may not set "detach"/],
    ['a docker option of ours', { dockerParameters: ['ip=1.2.3.4'] }, /may not set "ip".*use ips/],
    ['a docker option with dashes', { dockerParameters: ['--privileged=true'] }, /without its dashes/],
    ['a docker option without a value', { dockerParameters: ['privileged'] }, /has no "=value"/],
    ['a variable of the contract', { dockerParameters: ['env=MJ_NODE=7'] }, /may not set a variable MJ_/],
    ['a base path with ..', { basePath: '/a/../b' }, /has "\." or "\.\."/],
    ['a backoff that shrinks', { backoffMinS: '60', backoffMaxS: '10' }, /is more than backoffMaxS/],
    ['a flag given twice', { image: ['a', 'b'] }, /--image is given 2 times/],
  ];
  for (const [what, flags, message] of cases) {
    test(`${what} is refused`, () => {
      assert.match(
        refusal('CONFIG_INVALID', () => load(flags)),
        message,
      );
    });
  }

  for (const option of ['detach', 'restart', 'pid', 'name', 'net', 'network', 'ip', 'sig-proxy', 'rm']) {
    test(`the docker option ${option} is refused`, () => {
      refusal('CONFIG_INVALID', () => load({ dockerParameters: [`${option}=x`] }));
    });
  }

  test('what is missing is named with all the ways to give it', () => {
    const message = refusal('CONFIG_INVALID', () => load({ image: undefined }));
    assert.equal(
      message,
      'image is not set: give --image, MESOS_JUPYTER_IMAGE, or image in the settings file',
    );
  });

  test('all that is wrong is told at once', () => {
    const message = refusal('CONFIG_INVALID', () => load({ cpus: 'x', memMb: 'y' }));
    assert.match(message, /--cpus "x".*\n.*--mem-mb "y"/);
  });

  test('a wrong variable is named', () => {
    const message = refusal('CONFIG_INVALID', () => load({}, { env: { MESOS_JUPYTER_CPUS: 'x' } }));
    assert.equal(message, 'MESOS_JUPYTER_CPUS "x" is not a number');
  });

  test('an unknown variable is refused with the nearest name', () => {
    const message = refusal('CONFIG_UNKNOWN', () => load({}, { env: { MESOS_JUPYTER_CPU: '2' } }));
    assert.match(message, /MESOS_JUPYTER_CPU.* Did you mean MESOS_JUPYTER_CPUS\?/);
  });
});

describe('a settings file that cannot be', () => {
  test('a wrong value is named with its line', () => {
    const file = fileWith('# mine\n\ncpus: lots\n');
    assert.equal(
      refusal('CONFIG_INVALID', () => load({}, { file })),
      `${file}:3: cpus "lots" is not a number`,
    );
  });

  test('an unknown key is refused with its line and the nearest name', () => {
    const file = fileWith('cpus: 1\nlease-ttl: 5\n');
    const message = refusal('CONFIG_UNKNOWN', () => load({}, { file }));
    assert.equal(message, `${file}:2: there is no setting "lease-ttl". Did you mean leaseTtlS?`);
  });

  test('broken YAML is refused with its line', () => {
    const file = fileWith('cpus: 1\nips: [1, 2\n');
    assert.match(
      refusal('CONFIG_FILE', () => load({}, { file })),
      /cluster\.yaml:[23]: /,
    );
  });

  test('a key that stands there twice is refused', () => {
    const file = fileWith('cpus: 1\nmemMb: 512\ncpus: 2\n');
    assert.match(
      refusal('CONFIG_FILE', () => load({}, { file })),
      /cluster\.yaml:3: .*unique/,
    );
  });

  test('a bare asterisk is refused with a hint at quotes', () => {
    const file = fileWith('role: *\n');
    assert.match(
      refusal('CONFIG_FILE', () => load({}, { file })),
      /cluster\.yaml:1: .*quotes/,
    );
  });

  test('a list in place of settings is refused', () => {
    const file = fileWith('- cpus\n');
    assert.match(
      refusal('CONFIG_FILE', () => load({}, { file })),
      /one setting a line/,
    );
  });

  test('a key without a value is refused', () => {
    const file = fileWith('network:\n');
    assert.match(
      refusal('CONFIG_INVALID', () => load({}, { file })),
      /cluster\.yaml:1: network null is not/,
    );
  });

  test('an empty file sets nothing', () => {
    assert.equal(load({}, { file: fileWith('# nothing\n') }).cpus, 1);
  });

  test('a file that is not there is refused', () => {
    assert.match(
      refusal('CONFIG_FILE', () => load({}, { file: join(directory, 'none.yaml') })),
      /none\.yaml/,
    );
  });
});
