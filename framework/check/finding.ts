/** What a check says of one thing: a verdict, a sentence, and what to do where it is not well. */

/** `unknown`: it cannot be told from here. Only `wrong` makes the command fail. */
export type Verdict = 'ok' | 'warning' | 'wrong' | 'unknown';

export interface Finding {
  /** What it is about, in a word or two: `master`, `credentials`, `address 192.0.2.100`. */
  readonly subject: string;
  readonly verdict: Verdict;
  /** What was seen, with no full stop at its end. */
  readonly says: string;
  /** What to do about it. */
  readonly cure?: string;
}
