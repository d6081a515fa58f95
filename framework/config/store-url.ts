/** The setting `store`: which etcd, and under which keys. Written `etcd://HOST:PORT[,HOST:PORT…][/PREFIX]`. */

export interface StoreUrl {
  /** `HOST:PORT`, one a member of that etcd. */
  readonly endpoints: readonly string[];
  /** What all keys begin with, without a slash at its end; undefined where the URL has none. */
  readonly prefix: string | undefined;
}

/** Undefined for anything else than such a URL. */
export function parseStoreUrl(text: string): StoreUrl | undefined {
  const match = /^etcd:\/\/([^/\s]+)((?:\/[^/\s]+)*)\/?$/.exec(text);
  const endpoints = match?.[1]?.split(',') ?? [];
  if (match === null || !endpoints.every(isEndpoint)) return undefined;
  return { endpoints, prefix: match[2] === '' ? undefined : match[2] };
}

/** `10.0.0.1` of `10.0.0.1:2379`. */
export function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function isEndpoint(text: string): boolean {
  const port = /^(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(text)?.[1];
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535;
}
