/** Medians and spreads, and one table of them. */

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly samples: readonly number[];
  /** What the median should not be above, in the same unit. */
  readonly aim?: number;
  /** The same, in the same run, in the way that the university report describes. */
  readonly reportsSamples?: readonly number[];
  readonly note?: string;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

interface Column {
  readonly title: string;
  readonly cell: (row: Row) => string | undefined;
}

const columns: readonly Column[] = [
  { title: 'what', cell: ({ name }) => name },
  { title: 'median', cell: ({ samples, unit }) => `${round(median(samples))} ${unit}` },
  { title: 'least to most', cell: ({ samples }) => spread(samples) },
  { title: 'runs', cell: ({ samples }) => String(samples.length) },
  { title: 'aim', cell: ({ aim, unit }) => (aim === undefined ? undefined : `${round(aim)} ${unit}`) },
  {
    title: "the report's way",
    cell: ({ reportsSamples: samples, unit }) => samples && `${round(median(samples))} ${unit}`,
  },
  { title: 'least to most', cell: ({ reportsSamples: samples }) => samples && spread(samples) },
  { title: 'runs', cell: ({ reportsSamples: samples }) => samples && String(samples.length) },
  { title: 'note', cell: ({ note }) => note },
];

/** In Markdown, so that it can go into a page as it is; without columns of which no row has anything. */
export function table(rows: readonly Row[]): string {
  const used = columns.filter(({ cell }) => rows.some((row) => cell(row)));
  const all = [used.map(({ title }) => title), ...rows.map((row) => used.map(({ cell }) => cell(row) ?? ''))];
  const widths = used.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(all[0] ?? []), rule, ...all.slice(1).map(line)].join('\n');
}

const spread = (samples: readonly number[]): string =>
  samples.length === 1 ? '' : `${round(Math.min(...samples))} to ${round(Math.max(...samples))}`;

const round = (value: number): string => {
  if (!Number.isFinite(value)) return '?';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
};
