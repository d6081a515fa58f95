/** Leadership follows the notebook: whether an etcd leader that is not the holder should make the holder's member leader. */

export interface HandBackView {
  /** Boot clock. */
  readonly nowMs: number;
  readonly leading: boolean;
  /** The holder, when it is another node. */
  readonly holderAddress?: string;
  /** Whether the notebook is to leave the holder: handed over, or unfit. */
  readonly isGivenAway?: boolean;
  /** Whether the operator has automation frozen. */
  readonly isPaused: boolean;
  /** When this node handed leadership back before, on the boot clock, oldest first. */
  readonly handedBackAtMs: readonly number[];
}

/** A leadership that moved twice within this time is left where it is for as long. */
export const restMs = 60_000;

/**
 * Whether to hand back now. Once at once, since a user's kernels are on the holder; after a second loss within a minute only
 * a minute later: something keeps moving it, and each move costs the cluster a moment without a leader.
 */
export function shouldHandBack(view: HandBackView): boolean {
  if (!view.leading || view.holderAddress === undefined || view.isGivenAway || view.isPaused) return false;
  const last = view.handedBackAtMs.at(-1);
  return last === undefined || view.nowMs - last >= restMs;
}
