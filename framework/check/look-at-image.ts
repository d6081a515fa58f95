/** Whether this machine's Docker engine has the image, and whether its registry has it. Nothing is pulled. */
import { lastLines, run } from '../local/command.js';
import type { ImageView, Seen } from './observations.js';

const engineTimeoutMs = 5_000;
/** A registry may be far, and asks for a token first. */
const registryTimeoutMs = 10_000;

export async function lookAtImage(image: string): Promise<ImageView> {
  const [here, inRegistry] = await Promise.all([
    asked(
      ['image', 'inspect', '--format', '{{.Id}}', image],
      /no such image/i,
      engineTimeoutMs,
      "this machine's Docker engine could not be asked",
    ),
    asked(
      ['manifest', 'inspect', image],
      /no such manifest|manifest unknown|not found|denied|unauthorized/i,
      registryTimeoutMs,
      'no answer',
    ),
  ]);
  return { here, inRegistry };
}

/** @param absent the words for "it is not there"; any other failure tells nothing */
async function asked(
  args: readonly string[],
  absent: RegExp,
  timeoutMs: number,
  otherwise: string,
): Promise<Seen<boolean>> {
  const { status, output } = await run('docker', args, { timeoutMs, env: { LC_ALL: 'C' } });
  if (status === 0) return { kind: 'seen', value: true };
  // "docker: not found" is about the program.
  if (status !== 127 && absent.test(output)) return { kind: 'seen', value: false };
  return { kind: 'unseen', why: lastLines(output, 1).trim() || otherwise };
}
