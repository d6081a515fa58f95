/** What was seen of a host, as plain values: what facts are judged from. */
import type { Resource } from './calico.js';
import type { Peer, Volume } from './gluster.js';

export interface Observation {
  readonly isRoot: boolean;
  readonly isDebianLike: boolean;
  readonly hasSystemd: boolean;
  /** Programs of those that are needed which are not there. */
  readonly missingPrograms: readonly string[];
  /** This host's place among the hosts; undefined when none of its addresses is among theirs. */
  readonly self: number | undefined;
  /** All IPv4 addresses of this host. */
  readonly ownAddresses: readonly string[];
  /** In the order of the wish. */
  readonly hosts: readonly {
    readonly host: string;
    /** IPv4 addresses that the name stands for; none where it is unknown. */
    readonly addresses: readonly string[];
    /** Whether something takes connections at GlusterFS' port there. */
    readonly answers: boolean;
  }[];
  readonly docker: DockerSeen;
  readonly gluster: GlusterSeen;
  readonly brick: BrickSeen;
  readonly directory: DirectorySeen;
  readonly mount: { readonly type: string; readonly source: string } | undefined;
  /** Of a mount that is there. */
  readonly use: VolumeUse | undefined;
  readonly fstab: string;
}

export type DockerSeen =
  | { readonly kind: 'silent'; readonly why: string }
  | {
      readonly kind: 'answers';
      readonly version: string;
      /** Network and IPAM drivers that Docker names or that have a socket where it looks for them. */
      readonly drivers: readonly string[];
      readonly network: NetworkSeen | undefined;
      /** What the subnet would overlap; undefined where nothing, or where the network is there. */
      readonly overlap: string | undefined;
      readonly parentIsThere: boolean;
      readonly calico: CalicoSeen;
      readonly imageIsThere: boolean;
      /** Undefined where no trial was asked for, or none was possible. */
      readonly trial: Trial | undefined;
    };

export interface NetworkSeen {
  readonly driver: string;
  readonly ipamDriver: string;
  readonly subnets: readonly string[];
  readonly parent: string | undefined;
}

export type CalicoSeen =
  | { readonly kind: 'unasked' }
  | { readonly kind: 'trouble'; readonly why: string }
  | {
      readonly kind: 'answers';
      readonly pools: readonly string[];
      readonly profile: Resource | undefined;
    };

/** What became of a container at a fixed address. */
export type Trial =
  | { readonly kind: 'failed'; readonly address: string; readonly words: string }
  | {
      readonly kind: 'ran';
      readonly address: string;
      /** The address that Docker gave it. */
      readonly got: string;
      /** Whether this host reached it. */
      readonly reached: boolean;
    };

export type GlusterSeen =
  | { readonly kind: 'absent' }
  | { readonly kind: 'silent'; readonly why: string }
  | {
      readonly kind: 'answers';
      readonly peers: readonly Peer[];
      readonly volume: Volume | undefined;
      readonly bricksDown: readonly string[];
    };

export interface BrickSeen {
  readonly parentIsThere: boolean;
  readonly isOnRoot: boolean;
}

export type DirectorySeen =
  | { readonly kind: 'absent' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'filled' }
  | { readonly kind: 'unusable'; readonly why: string };

/** What came of a write, a rename, a read and a removal through the mount. */
export type VolumeUse =
  | { readonly kind: 'works'; readonly writesBehind: boolean }
  /** The mount's process is gone: such a mount never heals. */
  | { readonly kind: 'dead' }
  /** The mount lives, and too few bricks answer: it heals when they do. */
  | { readonly kind: 'no quorum' }
  | { readonly kind: 'read-only' }
  | { readonly kind: 'hangs'; readonly seconds: number }
  | { readonly kind: 'fails'; readonly words: string };
