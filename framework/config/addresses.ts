/** IPv4 addresses and networks as numbers: parsing, and whether networks overlap. */

export interface Network {
  /** First address, as an unsigned 32-bit number. */
  readonly base: number;
  readonly prefixLength: number;
}

/** The address as an unsigned 32-bit number, or undefined for anything but four decimal bytes without leading zeros. */
export function parseAddress(text: string): number | undefined {
  const bytes = text.split('.');
  if (bytes.length !== 4) return undefined;
  let address = 0;
  for (const byte of bytes) {
    if (!/^(0|[1-9]\d{0,2})$/.test(byte) || Number(byte) > 255) return undefined;
    address = address * 256 + Number(byte);
  }
  return address;
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** Reads `192.0.2.0/24`. A base with bits set behind the prefix is no network: undefined. */
export function parseNetwork(text: string): Network | undefined {
  const parts = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const base = parseAddress(parts?.[1] ?? '');
  const prefixLength = Number(parts?.[2]);
  if (base === undefined || prefixLength > 32) return undefined;
  return base % sizeOf({ base, prefixLength }) === 0 ? { base, prefixLength } : undefined;
}

export function formatNetwork(network: Network): string {
  return `${formatAddress(network.base)}/${network.prefixLength}`;
}

/** How many addresses the network has, its own and the broadcast address included. */
export function sizeOf(network: Network): number {
  return 2 ** (32 - network.prefixLength);
}

/** The last address of the network. */
export function broadcastOf(network: Network): number {
  return network.base + sizeOf(network) - 1;
}

export function contains(network: Network, address: number): boolean {
  return address >= network.base && address <= broadcastOf(network);
}

export function overlap(a: Network, b: Network): boolean {
  return contains(a, b.base) || contains(b, a.base);
}
