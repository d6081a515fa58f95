import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress, overlap, parseAddress, parseNetwork } from '../../../framework/config/addresses.js';
import {
  candidateSubnets,
  chooseAddresses,
  chooseSubnet,
  overlapping,
  parseRoutes,
  type TakenNetwork,
} from '../../../framework/local/network.js';
import { connectedAddresses, nameServers } from '../../../framework/local/reached-hosts.js';

const network = (text: string) => {
  const parsed = parseNetwork(text);
  assert.ok(parsed, text);
  return parsed;
};
const taken = (...texts: string[]): TakenNetwork[] =>
  texts.map((text) => ({ network: network(text), by: text }));

describe('addresses', () => {
  test('an address is four bytes', () => {
    assert.equal(formatAddress(parseAddress('255.1.2.3') ?? 0), '255.1.2.3');
    for (const wrong of [
      '',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '1.2.3.-4',
      '1.2.3.4 ',
      '01.2.3.4',
      'a.b.c.d',
    ]) {
      assert.equal(parseAddress(wrong), undefined, wrong);
    }
  });

  test('networks overlap when one has an address of the other', () => {
    assert.ok(overlap(network('192.0.2.0/24'), network('192.0.2.128/25')));
    assert.ok(overlap(network('192.0.2.128/25'), network('192.0.0.0/16')));
    assert.ok(!overlap(network('192.0.2.0/25'), network('192.0.2.128/25')));
    assert.ok(overlap(network('0.0.0.0/0'), network('10.0.0.0/8')));
  });
});

describe('the choice of a network', () => {
  test('the first documentation range is taken where the machine is not on it', () => {
    assert.equal(chooseSubnet(candidateSubnets, taken('10.0.0.0/8', '172.17.0.0/16')), '192.0.2.0/24');
  });

  test("the next one is taken where the first is the machine's own", () => {
    assert.equal(chooseSubnet(candidateSubnets, taken('192.0.2.0/24')), '198.51.100.0/24');
    assert.equal(chooseSubnet(candidateSubnets, taken('192.0.2.64/26', '198.51.0.0/16')), '203.0.113.0/24');
  });

  test('there is none where the machine is on all of them', () => {
    assert.equal(chooseSubnet(candidateSubnets, taken('128.0.0.0/1', '0.0.0.0/1')), undefined);
  });

  test('an overlap is told with what has the network', () => {
    assert.equal(overlapping('192.0.2.0/24', taken('192.0.2.4/32'))?.by, '192.0.2.4/32');
  });

  test('nodes have the addresses from .100 on, or what a small network has, without those that are taken', () => {
    assert.deepEqual(chooseAddresses('198.51.100.0/24', 3, new Set()), [
      '198.51.100.100',
      '198.51.100.101',
      '198.51.100.102',
    ]);
    assert.deepEqual(chooseAddresses('198.51.100.0/29', 3, new Set(['198.51.100.3'])), [
      '198.51.100.2',
      '198.51.100.4',
      '198.51.100.5',
    ]);
    assert.deepEqual(chooseAddresses('198.51.100.0/30', 3, new Set()), ['198.51.100.2']);
  });

  test("the kernel's table of routes is read, without the default route", () => {
    const table = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'tun0\t010200C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0',
      '',
    ].join('\n');
    assert.deepEqual(
      parseRoutes(table).map(
        ({ network, by }) => `${formatAddress(network.base)}/${network.prefixLength} ${by}`,
      ),
      [
        '172.17.0.0/16 a route over docker0',
        '192.0.2.0/24 a route over eth0',
        '192.0.2.1/32 a route over tun0',
      ],
    );
  });

  test('a range that has an address which this machine talks to is not taken', () => {
    const table = [
      '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
      '   0: 0100007F:13BA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1',
      '   1: 020200C0:0016 076433C6:C350 01 00000000:00000000 00:00000000 00000000     0        0 2',
      '   2: 020200C0:0017 087100CB:C350 06 00000000:00000000 00:00000000 00000000     0        0 3',
    ].join('\n');
    assert.deepEqual(connectedAddresses(table), ['198.51.100.7']);
    assert.deepEqual(nameServers('# nameserver 1.1.1.1\nnameserver 10.0.0.53\nnameserver fe80::1\n'), [
      '10.0.0.53',
    ]);
    assert.equal(chooseSubnet(candidateSubnets, taken('192.0.2.0/24', '198.51.100.7/32')), '203.0.113.0/24');
  });
});
