/** Looks at everything that a check is about, side by side, each look with a time limit; changes nothing anywhere. */
import { hostname, networkInterfaces } from 'node:os';
import type { Settings } from '../config/settings.js';
import { CodedError, messageOf } from '../errors.js';
import type { Transport } from '../mesos/transport.js';
import { inspectStore } from '../store/inspect.js';
import { lookAtAddress } from './look-at-address.js';
import { lookAtImage } from './look-at-image.js';
import { lookAtMasters } from './look-at-masters.js';
import type { Observations, Seen } from './observations.js';

/** Longer than one call to one member of an etcd that is away. In milliseconds. */
const storeTimeoutMs = 8_000;

export async function observe(settings: Settings, transport: Transport): Promise<Observations> {
  const [masters, store, image, ...addresses] = await Promise.all([
    lookAtMasters(settings, transport),
    lookAtStore(settings),
    lookAtImage(settings.image),
    ...settings.ips.map((address) => lookAtAddress(address)),
  ]);
  return { masters, store, image, addresses, thisMachine: namesOfThisMachine() };
}

async function lookAtStore(settings: Settings): Promise<Observations['store']> {
  const looked = await within(storeTimeoutMs, 'the store did not answer', () =>
    inspectStore(settings).catch((error: unknown) => ({
      trouble: messageOf(error),
      code: error instanceof CodedError ? error.code : ('STATE_UNWRITABLE' as const),
    })),
  );
  if (looked.kind === 'seen') return looked.value;
  const code = settings.store === undefined ? 'STATE_UNWRITABLE' : 'STORE_UNREACHABLE';
  return { trouble: looked.why, code };
}

function namesOfThisMachine(): ReadonlySet<string> {
  const addresses = Object.values(networkInterfaces()).flatMap(
    (each) => each?.map(({ address }) => address) ?? [],
  );
  return new Set([hostname(), ...addresses]);
}

/** What is never answered (a file on a dead mount, say) is left alone: the process ends all the same. */
async function within<T>(timeoutMs: number, otherwise: string, look: () => Promise<T>): Promise<Seen<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Seen<T>>((resolve) => {
    timer = setTimeout(
      () => resolve({ kind: 'unseen', why: `${otherwise} within ${timeoutMs / 1000} s` }),
      timeoutMs,
    );
  });
  const seen = look().then((value): Seen<T> => ({ kind: 'seen', value }));
  return Promise.race([seen, late]).finally(() => clearTimeout(timer));
}
