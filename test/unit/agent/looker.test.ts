import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Looker, parseFindings } from '../../../executor-image/agent/looker.js';
import { waitFor } from '../../support/wait.js';

const patience = 10_000;

describe('an answer of looks.py', () => {
  test('lists names, and says what else was found', () => {
    assert.deepEqual(parseFindings(['generation-1', 'token']), {
      names: ['generation-1', 'token'],
      writesBehind: false,
      isDead: false,
    });
    assert.equal(parseFindings(['generation-1', './write-behind']).writesBehind, true);
    assert.deepEqual(parseFindings(['./error /trusted: not connected', './dead']), {
      names: [],
      writesBehind: false,
      isDead: true,
      error: '/trusted: not connected',
    });
  });
});

describe('what looks at the volume', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'mj-looker-'));
  });
  const lookers: Looker[] = [];
  after(() => {
    for (const looker of lookers) looker.stop();
    rmSync(directory, { recursive: true });
  });

  /** Answers with its pid as a name; what `script` says comes before the answer. */
  const answering = (script: string): Looker => {
    const looker = new Looker(['/bin/sh', '-c', `while read -r _; do ${script}; echo $$; echo ./end; done`]);
    lookers.push(looker);
    return looker;
  };
  const pidOf = async (looker: Looker): Promise<number> => Number((await looker.look(patience)).names[0]);

  test('is one process that stays', async () => {
    const looker = answering(':');
    assert.equal(await pidOf(looker), await pidOf(looker));
  });

  test('is given up and killed when it does not answer in time, and another takes its place', async () => {
    const [asked, mayHang] = [join(directory, 'asked'), join(directory, 'may-hang')];
    writeFileSync(mayHang, '');
    const looker = answering(`if [ -e ${mayHang} ]; then echo $$ > ${asked}; sleep 600; fi`);
    await assert.rejects(looker.look(500), /did not answer within 0\.5 s/);
    const first = readFileSync(asked, 'utf8').trim();
    rmSync(mayHang);
    assert.notEqual(await pidOf(looker), Number(first));
    await waitFor('the end of the first', patience, () => !existsSync(`/proc/${first}`));
  });

  test('is started again when it has ended', async () => {
    const looker = answering(':');
    const first = await pidOf(looker);
    process.kill(first, 'SIGKILL');
    await waitFor('the end of the first', patience, () => !existsSync(`/proc/${first}`));
    assert.notEqual(await pidOf(looker), first);
  });

  test('ends when there is nothing more to ask', async () => {
    const looker = answering(':');
    const pid = await pidOf(looker);
    looker.stop();
    await waitFor('its end', patience, () => !existsSync(`/proc/${pid}`));
  });

  test('says how it ended, when it ends at a look', async () => {
    const looker = new Looker(['/bin/sh', '-c', 'read -r _; echo "no such thing" >&2; exit 3']);
    await assert.rejects(looker.look(patience), /ended: status 3 no such thing/);
    await assert.rejects(new Looker(['/nowhere']).look(patience), /ENOENT/);
  });
});
