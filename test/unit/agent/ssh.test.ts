import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseGathered } from '../../../executor-image/agent/ssh/duty.js';
import {
  keyFileName,
  ownerOf,
  parseNodeKeys,
  renderAuthorizedKeys,
  renderKnownHosts,
  renderNodeKeys,
} from '../../../executor-image/agent/ssh/files.js';

const keys = (node: number) => ({
  node,
  hostKey: `ssh-ed25519 AAAAhost${node}`,
  userKey: `ssh-ed25519 AAAAuser${node}=`,
});

describe('the keys that nodes tell one another', () => {
  test('are read as they were written', () => {
    assert.deepEqual(parseNodeKeys(1, renderNodeKeys(keys(1))), keys(1));
  });

  test('are refused when they are anything but two plain public keys', () => {
    for (const text of [
      '',
      'host ssh-ed25519 AAAA\n',
      'host ssh-rsa AAAA\nuser ssh-ed25519 AAAA\n',
      'host ssh-ed25519 AAAA\nuser command="reboot" ssh-ed25519 AAAA\n',
      'host ssh-ed25519 AAAA,@cert-authority *\nuser ssh-ed25519 AAAA\n',
    ]) {
      assert.equal(parseNodeKeys(0, text), undefined, text);
    }
  });

  test('are gathered by node; half a file, a stranger’s and one of a node that is none are left out', () => {
    const output = `= node-2.1.1\n${renderNodeKeys(keys(2))}= node-1.1.1\nhost ssh-ed25519 AA\n= node-7.1.1\n${renderNodeKeys(keys(7))}= node-x\n= node-0.1.1\n${renderNodeKeys(keys(0))}`;
    assert.deepEqual(parseGathered(output, 3), [keys(0), keys(2)]);
    assert.deepEqual(parseGathered('', 3), []);
  });

  test('of earlier tasks of a node count no more, whichever is read first', () => {
    const of = (name: string, number: number) => `= ${name}\n${renderNodeKeys({ ...keys(number), node: 0 })}`;
    const files = [of('node-0.1.9', 1), of('node-0.2.10', 2), of('node-0.2.9', 3), of('node-0', 4)];
    for (const order of [files, [...files].reverse()]) {
      assert.deepEqual(parseGathered(order.join(''), 3), [{ ...keys(2), node: 0 }]);
    }
  });

  test('lie under a name of the task’s own', () => {
    const owner = { node: 1, generation: 2, incarnation: 3 };
    assert.deepEqual(ownerOf(keyFileName(owner)), owner);
    for (const name of [
      'node-1',
      'node-1.2',
      '.node-1.2.3.Xy',
      'node-1.2.3.4',
      'node--1.2.3',
      'node-1.2.x',
    ]) {
      assert.equal(ownerOf(name), undefined, name);
    }
  });

  test('become one line of authorized_keys for each node', () => {
    assert.equal(
      renderAuthorizedKeys([keys(0), keys(1)]),
      'ssh-ed25519 AAAAuser0= jupyter-0\nssh-ed25519 AAAAuser1= jupyter-1\n',
    );
  });

  test('make each host known under its own name and address, and under every name that may come to be its', () => {
    assert.equal(
      renderKnownHosts([keys(0), keys(1)], ['192.0.2.100', '192.0.2.101']),
      'node0,node1,notebook,jupyter-0,192.0.2.100 ssh-ed25519 AAAAhost0\n' +
        'node0,node1,notebook,jupyter-1,192.0.2.101 ssh-ed25519 AAAAhost1\n',
    );
  });
});
