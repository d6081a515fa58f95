/** Flags that take a number: yargs gives texts, so that what is wrong is said in our words. */
import { CodedError } from '../errors.js';

/** @throws CodedError CONFIG_INVALID */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new CodedError(
      'CONFIG_INVALID',
      `--${flag} "${text}" is not a whole number from ${least} to ${most}`,
    );
  }
  return value;
}
