import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { docker, imageUnderTest, logsOf } from '../support/docker.js';
import { waitFor } from '../support/wait.js';
import { TestCluster } from './cluster.js';

describe('three containers with nobody at the keyboard', () => {
  let cluster: TestCluster;
  let leader: number;

  before(async () => {
    cluster = await TestCluster.create();
  });
  after(async () => {
    await cluster?.remove();
  });

  test('they form one cluster, with one Jupyter, on its leader', async (t) => {
    await cluster.startAll();
    const started = performance.now();
    leader = await cluster.settled(30_000);
    t.diagnostic(
      `containers started → Jupyter answers and all are ready: ${Math.round(performance.now() - started)} ms`,
    );
    const members = await cluster.exec(leader, 'etcdctl', 'member', 'list');
    assert.equal(members.split('\n').filter((line) => /, started, .*, false$/.test(line)).length, 3, members);
  });

  test('Jupyter answers with the token and refuses without it, or with another', async () => {
    assert.equal(await cluster.jupyter(leader).probe(), 200);
    assert.equal(await cluster.jupyter(leader, 'wrong').probe(), 403);
    assert.equal(await cluster.jupyter(leader, '').probe(), 403);
    assert.match(cluster.token, /^[0-9a-f]{48}$/);
  });

  test('the lab’s page and all that it loads first are there, and nothing that looks to the internet', async () => {
    const page = await (await cluster.jupyter(leader).request('GET', 'lab')).text();
    const assets = [...page.matchAll(/(?:src|href)="(\/notebook\/[^"]+)"/g)].map((match) => match[1] ?? '');
    assert.ok(assets.length > 0, page);
    for (const asset of assets) {
      assert.equal(
        (await cluster.jupyter(leader).request('GET', asset.replace('/notebook/', ''))).status,
        200,
        asset,
      );
    }
    const path = 'lab/api/settings/@jupyterlab/apputils-extension:notification';
    const { schema } = (await (await cluster.jupyter(leader).request('GET', path)).json()) as {
      schema: { properties: Record<string, { default: unknown }> };
    };
    assert.deepEqual(
      [schema.properties['fetchNews']?.default, schema.properties['checkForUpdates']?.default],
      ['false', false],
    );
  });

  test('every node’s /etc/hosts lists all of them, in order of address, with names that stay and the notebook', async () => {
    const expected = cluster.nodes.map(
      (node) => `${cluster.address(node)} node${node} jupyter-${node}${node === leader ? ' notebook' : ''}`,
    );
    for (const node of cluster.nodes) {
      await waitFor(`hosts of node ${node}`, 5000, async () => {
        assert.deepEqual(await cluster.hosts(node), expected);
        return true;
      });
      assert.match(await cluster.exec(node, 'head', '-1', '/etc/hosts'), /^127\.0\.0\.1\s+localhost/);
    }
  });

  test('ssh goes from every node to every node with no prompt and no password', async () => {
    const hostnames = await Promise.all(cluster.nodes.map((node) => cluster.exec(node, 'hostname')));
    for (const from of cluster.nodes) {
      const names = [
        ...cluster.nodes.flatMap((to) => [`node${to}`, `jupyter-${to}`, cluster.address(to)]),
        'notebook',
      ];
      const script = names
        .map((name) => `ssh -o BatchMode=yes -o StrictHostKeyChecking=yes ${name} hostname`)
        .join('; ');
      const answers = await waitFor(`ssh from node ${from}`, 10_000, () =>
        cluster.shell(from, `set -e; ${script}`),
      );
      const expected = [...cluster.nodes.flatMap((to) => Array(3).fill(hostnames[to])), hostnames[leader]];
      assert.deepEqual(answers.split('\n'), expected);
    }
  });

  test('ssh refuses a host that shows another key, and lets nobody in with a password', async () => {
    const [from, to] = [leader, (leader + 1) % 3];
    const impostor = 'echo "node9 $(cut -d" " -f2- /etc/ssh/ssh_host_ed25519_key.pub)" > /tmp/known; ';
    await assert.rejects(
      cluster.shell(
        from,
        `${impostor} ssh -o BatchMode=yes -o GlobalKnownHostsFile=/tmp/known -o HostKeyAlias=node9 jupyter-${to} true`,
      ),
      /Host key verification failed/,
    );
    const refused =
      'ssh -o BatchMode=yes -o PubkeyAuthentication=no -o PreferredAuthentications=password,keyboard-interactive';
    await assert.rejects(
      cluster.shell(from, `${refused} jupyter-${to} true`),
      /Permission denied \(publickey\)/,
    );
  });

  test('a file written through the contents API is seen on all nodes', async () => {
    await cluster.jupyter(leader).writeFile('hello.txt', 'from the lab');
    for (const node of cluster.nodes) {
      assert.equal(await cluster.exec(node, 'cat', '/root/sharedfiles/notebooks/hello.txt'), 'from the lab');
    }
  });

  test('the trusted directory is not among what Jupyter serves', async () => {
    for (const path of [
      '.mesos-jupyter',
      '../.mesos-jupyter/notebook-token',
      '..%2f.mesos-jupyter%2fnotebook-token',
    ]) {
      assert.ok((await cluster.jupyter(leader).probe(`api/contents/${path}`)) >= 400, path);
    }
    assert.equal(await cluster.exec(leader, 'stat', '-c', '%a', '/root/sharedfiles/.mesos-jupyter'), '700');
  });

  test('a notebook’s cell runs in a kernel, at a lower priority and with the task’s number of threads', async () => {
    const jupyter = cluster.jupyter(leader);
    const kernel = await jupyter.startKernel();
    const code = [
      'import os',
      'x = 6 * 7',
      'print(x, os.getpriority(os.PRIO_PROCESS, 0), open("/proc/self/oom_score_adj").read().strip(), os.environ["OMP_NUM_THREADS"])',
      'print([name for name in os.environ if name.startswith("MJ_")])',
    ].join('\n');
    assert.equal(await jupyter.runCell(kernel, code), '42 10 500 1\n[]\n');
    assert.equal(await jupyter.runCell(kernel, 'print(x + 1)'), '43\n');
  });

  test('terminals work', async () => {
    const response = await cluster.jupyter(leader).request('POST', 'api/terminals');
    assert.equal(response.status, 200, await response.text());
  });

  test('what Jupyter keeps for itself is on the node’s own disk: on the volume are notebooks', async () => {
    const jupyter = cluster.jupyter(leader);
    const code = [
      'from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir',
      'from IPython.paths import get_ipython_dir',
      'history = get_ipython().history_manager.hist_file',
      'print(jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir(), get_ipython_dir(), history)',
    ].join('\n');
    const directories = (await jupyter.runCell(await jupyter.startKernel(), code)).trim().split(' ');
    assert.equal(directories.length, 5);
    for (const directory of directories) assert.match(directory, /^\/var\/lib\/mesos-jupyter\//);
    const names = ['.ipython', '.jupyter', '.local', '*.sqlite*', 'kernel-*.json', 'jpserver-*', '*.pid'];
    const tests = names.flatMap((name) => ['-o', '-name', name]).slice(1);
    assert.equal(await cluster.exec(leader, 'find', '/root/sharedfiles/notebooks', ...tests), '');
  });

  test('etcd’s leadership that is moved by hand ends on one Jupyter, on the leader, with its kernels', async () => {
    const jupyter = cluster.jupyter(leader);
    const kernel = jupyter.connect(await jupyter.startKernel());
    await kernel.run('kept = "still here"');
    await cluster.moveLeadership(leader, (leader + 1) % 3);
    // Leadership comes back to where Jupyter is. etcd is asked, since a status may be half a second old.
    const { memberId: holder } = (await cluster.status(leader)).etcd;
    await waitFor('leadership on the holder', 20_000, async () => {
      const text = await cluster.exec(leader, 'etcdctl', 'endpoint', 'status', '-w', 'json');
      return /"leader":(\d+)/.exec(text)?.[1] === BigInt(`0x${holder}`).toString();
    });
    assert.equal(await cluster.settled(20_000), leader);
    // By the connection that was open all along.
    assert.equal(await kernel.run('print(kept)'), 'still here\n');
    kernel.close();
  });

  test('a Jupyter that is killed is started again on its node, and nothing of the former one is left', async () => {
    const jupyter = cluster.jupyter(leader);
    const kernel = await jupyter.startKernel();
    const hidden = 'import subprocess; print(subprocess.Popen(["setsid", "nohup", "sleep", "12345"]).pid)';
    const stray = (await jupyter.runCell(kernel, hidden)).trim();
    await cluster.exec(leader, 'pkill', '-KILL', '-f', '^/usr/bin/python3 -P ');
    await waitFor('no Jupyter', 10_000, async () => (await jupyter.probe()) !== 200);
    assert.equal(await cluster.settled(20_000), leader);
    await assert.rejects(cluster.exec(leader, 'test', '-d', `/proc/${stray}`));
    assert.equal(await cluster.shell(leader, 'pgrep -fc [i]pykernel_launcher || true'), '0');
  });

  test('the status says what each node is; what is unknown is not found', async () => {
    const status = await cluster.status(leader);
    assert.equal(status.etcd.start, 'founder');
    assert.equal(status.reason, 'etcd is a leader');
    const at = (path: string) =>
      fetch(`http://${cluster.address(leader)}:8889${path}`).then((answer) => answer.status);
    assert.deepEqual([await at('/livez'), await at('/readyz'), await at('/else')], [200, 200, 404]);
  });

  test('the token is in no log, no `docker inspect`, no process list, no environment and no status', async () => {
    const { token } = cluster;
    // Not even after a login by URL, as people do it, and a wrong request that Jupyter logs in full.
    await fetch(`${cluster.jupyter(leader).base}lab?token=${token}`);
    await fetch(`${cluster.jupyter(leader).base}api/nothing?token=${token}`, {
      headers: { referer: `/lab?token=${token}` },
    });
    for (const node of cluster.nodes) {
      const name = cluster.container(node);
      const places = {
        log: await logsOf(name),
        inspect: await docker('inspect', name),
        processes: await cluster.exec(node, 'ps', 'axewwo', 'args'),
        // `grep` ends with 1 when it finds nothing; our own shell has the token in its arguments, so it is read from a file.
        environment: await cluster.shell(
          node,
          'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"',
        ),
        status: JSON.stringify(await cluster.status(node)),
      };
      for (const [place, text] of Object.entries(places)) {
        assert.ok(text.length > 0, place);
        assert.ok(!text.includes(token), `the token is in node ${node}'s ${place}`);
      }
    }
  });

  test('apt still works in the image', async () => {
    await docker('run', '--rm', '--entrypoint', 'apt-get', imageUnderTest(), 'check');
  });

  test('a node agent sleeps well: under 100 MB, and little of a core', async (t) => {
    const node = (leader + 1) % 3;
    const used = async () => {
      const pid = await cluster.shell(node, 'pgrep -f ^/usr/bin/node');
      const stat = (await cluster.exec(node, 'cat', `/proc/${pid}/stat`)).split(' ');
      const status = await cluster.exec(node, 'cat', `/proc/${pid}/status`);
      return {
        ticks: Number(stat[13]) + Number(stat[14]),
        rssKb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]),
      };
    };
    const [first, since] = [await used(), performance.now()];
    await waitFor('five seconds', 10_000, () => performance.now() - since >= 5000);
    const second = await used();
    const percent = (second.ticks - first.ticks) / ((performance.now() - since) / 1000);
    t.diagnostic(
      `node agent: ${Math.round(second.rssKb / 1000)} MB resident, ${percent.toFixed(1)} % of a core`,
    );
    assert.ok(second.rssKb < 120_000);
  });
});
