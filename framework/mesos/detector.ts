/** Where the leading master is: among addresses that were given, or where ZooKeeper says. */
import type { Logger } from '../log.js';
import { ZooKeeperDetector } from './zookeeper-detector.js';

export interface MasterDetector {
  /**
   * The address to try next. With ZooKeeper, the leader's, waited for while there is none.
   * @throws the signal's reason when it is aborted
   */
  next(signal: AbortSignal): Promise<URL>;
  /** Called whenever another master has become the leader, so that a stream to the former one can be left at once. */
  onLeaderChange(listener: () => void): void;
  /** In words, for errors. */
  readonly description: string;
  close(): void;
}

/** @param setting `http://HOST:PORT[,…]` or `zk://HOST:PORT[,…]/PATH`, as the settings have checked it */
export function createDetector(
  setting: string,
  options: { secure: boolean; logger: Logger },
): MasterDetector {
  if (setting.startsWith('zk://')) return new ZooKeeperDetector(setting, options);
  return new ListDetector(setting.split(',').map((address) => new URL(address)));
}

/** Tries the addresses in turn; which one leads is found by the masters' own redirections. */
class ListDetector implements MasterDetector {
  readonly #masters: readonly URL[];
  #turn = 0;

  constructor(masters: readonly URL[]) {
    this.#masters = masters;
  }

  get description(): string {
    return this.#masters.map((master) => master.origin).join(', ');
  }

  next(): Promise<URL> {
    const master = this.#masters[this.#turn % this.#masters.length];
    this.#turn += 1;
    return master === undefined ? Promise.reject(new RangeError('no master given')) : Promise.resolve(master);
  }

  onLeaderChange(): void {}

  close(): void {}
}
