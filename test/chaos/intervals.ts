/** When each task's Jupyter was seen at work, and whether two of them ever were at the same time. */

/**
 * One sight of a Jupyter at work: it was so at some moment between these, those of a question and its answer, or at one, that of a
 * line that it wrote. Boot clock, in milliseconds.
 */
export interface Sight {
  readonly taskId: string;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Sights close together: surely at work from the first answer to the last question that was answered. Of a single one only the moment
 * is sure to be in between: then `fromMs` is the later.
 */
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
/** How late Docker may note that a container goes on. Before that it stood still: what was seen came after it went on. */
const noteLateMs = 500;

/**
 * @param resumes when Docker noted that a container of the task went on after a pause, by task
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
      if (second.taskId === first.taskId || second.fromMs > first.toMs || first.fromMs > second.toMs)
        continue;
      const fromMs = Math.max(first.fromMs, second.fromMs);
      const toMs = Math.min(first.toMs, second.toMs);
      const overlap = { first, second, forMs: Math.max(0, toMs - fromMs) };
      const isAfterPause = [first, second].some(({ taskId }) =>
        (resumes.get(taskId) ?? []).some(
          (atMs) => fromMs >= atMs - noteLateMs && toMs <= atMs + afterPauseMs,
        ),
      );
      (isAfterPause ? afterPauses : overlaps).push(overlap);
    }
  }
  return { intervals, overlaps, afterPauses };
}

function intervalsOf(sights: readonly Sight[]): Interval[] {
  const byTask = new Map<string, Sight[]>();
  for (const sight of sights) {
    const its = byTask.get(sight.taskId);
    if (its === undefined) byTask.set(sight.taskId, [sight]);
    else its.push(sight);
  }
  const intervals: Interval[] = [];
  for (const [taskId, its] of byTask) {
    its.sort((a, b) => a.fromMs - b.fromMs);
    let untilMs = Number.NEGATIVE_INFINITY;
    let open: { taskId: string; fromMs: number; toMs: number } | undefined;
    for (const { fromMs, toMs } of its) {
      if (open === undefined || fromMs - untilMs > gapMs) {
        open = { taskId, fromMs: toMs, toMs: fromMs };
        intervals.push(open);
      }
      open.fromMs = Math.min(open.fromMs, toMs);
      open.toMs = Math.max(open.toMs, fromMs);
      untilMs = Math.max(untilMs, toMs);
    }
  }
  return intervals.sort((a, b) => a.fromMs - b.fromMs);
}
