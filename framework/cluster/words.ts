/** Numbers in sentences. */

export const seconds = (ms: number): string => `${Math.round(ms / 100) / 10} s`;

export function ordinal(count: number): string {
  const tens = count % 100;
  const suffix = tens >= 11 && tens <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${suffix}`;
}
