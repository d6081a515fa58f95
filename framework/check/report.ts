/** Findings as an operator reads them: a line each; or as JSON. */
import type { Finding, Verdict } from './finding.js';

const order: readonly Verdict[] = ['wrong', 'warning', 'unknown', 'ok'];

/** One line a finding, in the order in which they were found. */
export function asLines(findings: readonly Finding[]): string[] {
  const width = Math.max(0, ...findings.map(({ subject }) => subject.length));
  return findings.map(({ subject, verdict, says, cure }) => {
    const text = cure === undefined ? says : `${says}: ${cure}`;
    return `${verdict.padEnd(7)}  ${subject.padEnd(width)}  ${oneLine(text)}`;
  });
}

export function asJson(findings: readonly Finding[]): string {
  return JSON.stringify({ verdict: worst(findings), findings }, null, 2);
}

/** The gravest of the verdicts. */
export function worst(findings: readonly Finding[]): Verdict {
  return order.find((verdict) => findings.some((finding) => finding.verdict === verdict)) ?? 'ok';
}

/** What a master or a program says may have lines of its own. */
const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, ' ').trim();
