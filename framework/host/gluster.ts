/** What GlusterFS' command line prints, read: peers, a volume, and which of its bricks are up. Pure. */

export interface Peer {
  /** All names and addresses that the peer goes by. */
  readonly names: readonly string[];
  /** In the pool, and connected now. */
  readonly connected: boolean;
}

export interface Volume {
  readonly started: boolean;
  /** GlusterFS' own word: `Replicate`, `Distribute`… */
  readonly type: string;
  readonly bricks: readonly string[];
  readonly hasArbiter: boolean;
  /** Options that are not at their defaults. */
  readonly options: ReadonlyMap<string, string>;
}

/** Reads `gluster peer status`. */
export function parsePeers(text: string): Peer[] {
  return text
    .split(/^(?=Hostname: )/m)
    .slice(1)
    .map((block) => {
      const [main, others] = block.split(/^Other names:\s*$/m);
      const names = [/^Hostname: (.+)$/m.exec(main ?? '')?.[1], ...(others ?? '').split('\n')];
      return {
        names: names.map((name) => (name ?? '').trim()).filter((name) => name !== ''),
        connected: /^State: Peer in Cluster \(Connected\)/m.test(block),
      };
    });
}

/** Reads `gluster volume info NAME`. */
export function parseVolume(text: string): Volume {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1]?.trim() ?? '';
  const bricks = [...text.matchAll(/^Brick\d+: (\S+)( \(arbiter\))?/gm)];
  const reconfigured = /^Options Reconfigured:\n([\s\S]*)$/m.exec(text)?.[1] ?? '';
  return {
    started: field('Status') === 'Started',
    type: field('Type'),
    bricks: bricks.map(([, brick]) => brick ?? ''),
    hasArbiter: bricks.some(([, , arbiter]) => arbiter !== undefined),
    options: new Map(
      [...reconfigured.matchAll(/^([\w.-]+): (.*)$/gm)].map(([, name, value]) => [name ?? '', value ?? '']),
    ),
  };
}

/** The bricks that are down, from `gluster volume status NAME detail`. */
export function parseBricksDown(text: string): string[] {
  return text
    .split(/^(?=Brick\s+: )/m)
    .slice(1)
    .flatMap((block) => {
      const brick = /^Brick\s+: Brick (\S+)/.exec(block)?.[1];
      return brick === undefined || /^Online\s+: Y/m.test(block) ? [] : [brick];
    });
}

/** The host of `host:/directory`. */
export const hostOfBrick = (brick: string): string => brick.slice(0, brick.indexOf(':/'));
