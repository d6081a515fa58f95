/** Medians and spreads, and one table of them. */

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly number[];
  readonly note?: string;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** In Markdown, so that it can go into a page as it is. */
export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, unit, samples, note }) => [
    name,
    `${round(median(samples))} ${unit}`,
    samples.length === 1 ? '' : `${round(Math.min(...samples))} to ${round(Math.max(...samples))}`,
    String(samples.length),
    note ?? '',
  ]);
  const all = [['what', 'median', 'least to most', 'runs', 'note'], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(all[0] ?? []), rule, ...cells.map(line)].join('\n');
}

const round = (value: number): string => {
  if (!Number.isFinite(value)) return '?';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
};
