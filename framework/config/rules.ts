/** What settings must hold together: one rule a function, each answering with a full sentence or nothing. */
import { broadcastOf, contains, formatAddress, parseAddress, parseNetwork } from './addresses.js';
import type { SettingName, Settings } from './settings.js';
import { hostOf, parseStoreUrl } from './store-url.js';

export interface Breach {
  /** The setting to name first. */
  readonly setting: SettingName;
  /** The one that it does not go with. */
  readonly other: SettingName;
  readonly message: string;
}

export type Rule = (settings: Partial<Settings>) => Breach | undefined;

const addressesAreInTheSubnet: Rule = ({ ips, subnet }) => {
  const network = subnet === undefined ? undefined : parseNetwork(subnet);
  if (network === undefined || ips === undefined) return undefined;
  for (const ip of ips) {
    const address = parseAddress(ip);
    if (address === undefined) continue;
    const breach = (message: string): Breach => ({ setting: 'ips', other: 'subnet', message });
    if (!contains(network, address)) return breach(`has ${ip}, which is not in the subnet ${subnet}`);
    const last = broadcastOf(network);
    if (address === network.base) return breach(`has ${ip}, which is the address of the subnet itself`);
    if (address === last) return breach(`has ${ip}, which is the subnet's broadcast address`);
    // Docker gives the first address of a subnet to its gateway, and Calico's pools keep it, too.
    if (address === network.base + 1) {
      return breach(
        `has ${ip}, which is the subnet's gateway: take addresses from ${formatAddress(network.base + 2)} on`,
      );
    }
  }
  return undefined;
};

const backoffGrows: Rule = ({ backoffMinS, backoffMaxS }) =>
  backoffMinS !== undefined && backoffMaxS !== undefined && backoffMinS > backoffMaxS
    ? {
        setting: 'backoffMinS',
        other: 'backoffMaxS',
        message: `is more than backoffMaxS, which is ${backoffMaxS}`,
      }
    : undefined;

const holdIsShorterThanLaunch: Rule = ({ offerHoldMs, launchTimeoutS }) =>
  offerHoldMs !== undefined && launchTimeoutS !== undefined && offerHoldMs >= launchTimeoutS * 1000
    ? { setting: 'offerHoldMs', other: 'launchTimeoutS', message: 'is not shorter than launchTimeoutS' }
    : undefined;

/** The nodes' own etcd comes and goes with them, and is founded by what the store says. */
const storeIsOutsideTheCluster: Rule = ({ store, ips }) => {
  const hosts = parseStoreUrl(store ?? '')?.endpoints.map(hostOf) ?? [];
  const node = hosts.find((host) => ips?.includes(host));
  return node === undefined
    ? undefined
    : {
        setting: 'store',
        other: 'ips',
        message: `has ${node}, which is a node's address: the scheduler's state must outlive the nodes, so give an etcd outside the cluster`,
      };
};

const pair =
  (setting: SettingName, other: SettingName): Rule =>
  (settings) =>
    settings[setting] !== undefined && settings[other] === undefined
      ? { setting, other, message: `is given without ${other}: give both or neither` }
      : undefined;

const arbiterIsTheThirdBrick: Rule = ({ arbiter, hosts }) => {
  if (arbiter === undefined || hosts === undefined) return undefined;
  const breach = (message: string): Breach => ({ setting: 'arbiter', other: 'hosts', message });
  if (hosts.length < 3) return breach(`is given, but there are ${hosts.length} hosts: it takes three`);
  return hosts.slice(0, 3).includes(arbiter)
    ? undefined
    : breach(`is none of the first three hosts, on which bricks lie: ${hosts.slice(0, 3).join(', ')}`);
};

const parentIsGivenWhereItIsUsed: Rule = ({ networkDriver, networkParent }) =>
  (networkDriver === 'macvlan' || networkDriver === 'ipvlan') && networkParent === undefined
    ? { setting: 'networkDriver', other: 'networkParent', message: 'is given without networkParent' }
    : undefined;

const storeSettingsHaveAStore: Rule = (settings) => {
  const names = ['storeCaFile', 'storeCertFile', 'storeUser'] as const;
  const given = names.find((name) => settings[name] !== undefined);
  return given !== undefined && settings.store === undefined
    ? { setting: given, other: 'store', message: 'is given, but no store that it is for' }
    : undefined;
};

export const rules: readonly Rule[] = [
  addressesAreInTheSubnet,
  backoffGrows,
  holdIsShorterThanLaunch,
  storeIsOutsideTheCluster,
  pair('storeCertFile', 'storeKeyFile'),
  pair('storeKeyFile', 'storeCertFile'),
  pair('storeUser', 'storePasswordFile'),
  pair('storePasswordFile', 'storeUser'),
  storeSettingsHaveAStore,
  arbiterIsTheThirdBrick,
  parentIsGivenWhereItIsUsed,
];
