/** The store that the settings ask for. */
import { readNamedFile } from '../config/files.js';
import type { Settings } from '../config/settings.js';
import { parseStoreUrl } from '../config/store-url.js';
import type { Logger } from '../log.js';
import type { EtcdAccess } from './etcd-client.js';
import type { EtcdPlace } from './etcd-store.js';
import { openFileOrders, openFileStore } from './file-store.js';
import { type PendingOperations, watched } from './pending.js';
import type { OrderBook, Store } from './store.js';

type EtcdSettings =
  | 'store'
  | 'storeCaFile'
  | 'storeCertFile'
  | 'storeKeyFile'
  | 'storeUser'
  | 'storePasswordFile';

export type StoreSettings = Pick<Settings, 'frameworkName' | 'stateFile'> &
  Partial<Pick<Settings, EtcdSettings | 'hostname'>>;

export interface OpenOptions {
  readonly logger: Logger;
  /** What a scheduler does while another one has the store in etcd; a file's lock is never waited for. */
  readonly whileLocked: 'standBy' | 'giveUp';
  /** Ends the standing by. */
  readonly signal?: AbortSignal | undefined;
  /** Who watches over it. */
  readonly observer?: StoreObserver | undefined;
}

/** Sees how a store is used. */
export interface StoreObserver {
  /** Another scheduler has the store; its host and process, in words. */
  standingBy(holder: string): void;
  readonly pending: PendingOperations;
}

/** What messages call the store that the settings ask for. */
export function placeOf(settings: StoreSettings): string {
  if (settings.store === undefined) return settings.stateFile;
  const { endpoints, prefix } = etcdOf(settings, settings.store);
  return `etcd://${endpoints.join(',')}${prefix}`;
}

/** @throws CodedError as openFileStore and openEtcdStore do; FILES_UNUSABLE or CONFIG_INVALID for the files that settings name */
export async function openStore(settings: StoreSettings, options: OpenOptions): Promise<Store> {
  const { observer } = options;
  const store = await open(settings, options);
  return observer === undefined ? store : watched(store, observer.pending);
}

async function open(settings: StoreSettings, options: OpenOptions): Promise<Store> {
  const { observer } = options;
  if (settings.store === undefined) {
    const path = settings.stateFile;
    return observer === undefined
      ? openFileStore(path)
      : observer.pending.during(`opening ${path}`, () => openFileStore(path));
  }
  const place = etcdPlaceOf(settings, settings.store);
  // Not loaded where a file is used: it and gRPC take some 30 MB.
  const { lockTtlDefaultS, openEtcdStore } = await import('./etcd-store.js');
  return openEtcdStore({
    ...place,
    host: settings.hostname,
    logger: options.logger,
    ...(observer !== undefined && { onStandingBy: (holder: string) => observer.standingBy(holder) }),
    ...(options.signal !== undefined && { signal: options.signal }),
    // Long enough for the lock of a scheduler that was killed to run out.
    ...(options.whileLocked === 'giveUp' && { standByMs: (lockTtlDefaultS + 5) * 1000 }),
  });
}

/** For what an operator does to the store while a scheduler has it. @throws CodedError as openStore */
export async function openOrders(settings: StoreSettings): Promise<OrderBook> {
  if (settings.store === undefined) return openFileOrders(settings.stateFile);
  const { openEtcdOrders } = await import('./etcd-store.js');
  return openEtcdOrders(etcdPlaceOf(settings, settings.store));
}

/** Which etcd, and which keys of it, with what it takes to be let in. */
export function etcdPlaceOf(settings: StoreSettings, store: string): EtcdPlace {
  const { endpoints, prefix } = etcdOf(settings, store);
  return { ...accessOf(settings, endpoints), prefix };
}

function etcdOf({ frameworkName }: StoreSettings, store: string) {
  const url = parseStoreUrl(store);
  if (url === undefined) throw new Error(`unchecked setting: ${store}`);
  return { endpoints: url.endpoints, prefix: url.prefix ?? `/mesos-jupyter/${frameworkName}` };
}

function accessOf(settings: StoreSettings, endpoints: readonly string[]): EtcdAccess {
  const read = (name: EtcdSettings) => readNamedFile(settings, name);
  const ca = read('storeCaFile');
  const cert = read('storeCertFile');
  const key = read('storeKeyFile');
  const password = read('storePasswordFile')?.replace(/\r?\n$/, '');
  const hasTls = ca !== undefined || cert !== undefined;
  return {
    endpoints,
    ...(hasTls && {
      tls: {
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
      },
    }),
    ...(settings.storeUser !== undefined &&
      password !== undefined && { auth: { username: settings.storeUser, password } }),
  };
}
