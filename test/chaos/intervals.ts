/** When each task's Jupyter was seen at work, and whether two of them ever were at the same time. */

/** One sight of a Jupyter at work: it answered between these times, or wrote at one. Boot clock, in milliseconds. */
export interface Sight {
  readonly taskId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Interval {
  readonly taskId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Overlap {
  readonly first: Interval;
  readonly second: Interval;
  readonly forMs: number;
}

export interface Verdict {
  readonly intervals: readonly Interval[];
  /** Two at the same time: never. */
  readonly overlaps: readonly Overlap[];
  /** Two at the same time, for the moment that a container which was paused takes to find out (DESIGN, Leadership). */
  readonly afterPauses: readonly Overlap[];
}

/** Sights further apart than this are of two intervals: it is several times what lies between two of them. */
const gapMs = 250;
/** For how long a resumed container may answer before it is frozen, with the recorder's clock of 10 ms at both ends. */
const afterPauseMs = 50 + 20;

/**
 * @param resumes when a container of the task went on after a pause (or a stop of its node agent), by task
 */
export function judge(
  sights: readonly Sight[],
  resumes: ReadonlyMap<string, readonly number[]> = new Map(),
): Verdict {
  const intervals = intervalsOf(sights);
  const overlaps: Overlap[] = [];
  const afterPauses: Overlap[] = [];
  for (const [position, first] of intervals.entries()) {
    for (const second of intervals.slice(position + 1)) {
      if (second.fromMs > first.toMs) break;
      if (second.taskId === first.taskId) continue;
      const fromMs = Math.max(first.fromMs, second.fromMs);
      const toMs = Math.min(first.toMs, second.toMs);
      const overlap = { first, second, forMs: toMs - fromMs };
      const isAfterPause = [first, second].some(({ taskId }) =>
        (resumes.get(taskId) ?? []).some((atMs) => fromMs >= atMs - 10 && toMs <= atMs + afterPauseMs),
      );
      (isAfterPause ? afterPauses : overlaps).push(overlap);
    }
  }
  return { intervals, overlaps, afterPauses };
}

/** In order of their beginnings. */
function intervalsOf(sights: readonly Sight[]): Interval[] {
  const byTask = new Map<string, Sight[]>();
  for (const sight of sights) byTask.set(sight.taskId, [...(byTask.get(sight.taskId) ?? []), sight]);
  const intervals: Interval[] = [];
  for (const [taskId, its] of byTask) {
    its.sort((a, b) => a.fromMs - b.fromMs);
    let open: { taskId: string; fromMs: number; toMs: number } | undefined;
    for (const { fromMs, toMs } of its) {
      if (open !== undefined && fromMs - open.toMs <= gapMs) open.toMs = Math.max(open.toMs, toMs);
      else {
        if (open !== undefined) intervals.push(open);
        open = { taskId, fromMs, toMs };
      }
    }
    if (open !== undefined) intervals.push(open);
  }
  return intervals.sort((a, b) => a.fromMs - b.fromMs);
}
