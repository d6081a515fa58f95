/**
 * What runs on a holder and must not run beside its successor: a kernel, a terminal, what they left in the background, and
 * a process that forks all the time. Each appends the boot clock to a file of its own on the shared volume.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { containerPaths } from '../../executor-image/contract.js';
import type { JupyterClient } from './jupyter.js';
import { waitFor } from './wait.js';

const directory = 'stamps';

/** Python that stamps every 2 ms, for ever. */
const stamper = (file: string): string => `
import os, time
def stamp(file):
    os.write(file, b"%d\\n" % (time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000))
def stamp_for_ever(path):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        stamp(file)
        time.sleep(0.002)
stamp_for_ever("${file}")
`;

/** Python that stamps, forks, and ends in the parent: no two looks at /proc see the same process. */
const forker = (file: string): string => `
import os, time
file = os.open("${file}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
while True:
    os.write(file, b"%d\\n" % (time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000))
    if os.fork() != 0:
        os._exit(0)
    os.setsid()
`;

export interface Writer {
  readonly name: string;
  /** Boot clock of its stamps, in ms, as the volume has them now. */
  stamps(): number[];
}

/** The boot clock of this machine, which its containers share, in ms. */
export function bootMs(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1000;
}

export class Stamps {
  readonly #directory: string;

  /** @param shared the shared directory on this machine */
  constructor(shared: string) {
    this.#directory = join(shared, basename(containerPaths.notebooks), directory);
  }

  /** Starts all kinds of writers by `jupyter`, and waits until each writes. */
  async start(jupyter: JupyterClient, label: string): Promise<Writer[]> {
    mkdirSync(this.#directory, { recursive: true });
    const inside = (kind: string): string => `${containerPaths.notebooks}/${directory}/${label}-${kind}`;
    const kernel = await jupyter.startKernel();
    const code = `
import subprocess, threading
def run(code, *before):
    subprocess.Popen([*before, "python3", "-c", code], stdin=subprocess.DEVNULL, start_new_session=True)
run(${JSON.stringify(stamper(inside('nohup')))}, "nohup")
run(${JSON.stringify(`import os\nif os.fork() or os.fork(): os._exit(0)\n${stamper(inside('daemon'))}`)})
run(${JSON.stringify(forker(inside('forker')))})
threading.Thread(target=exec, args=(${JSON.stringify(stamper(inside('kernel')))}, {}), daemon=True).start()
`;
    await jupyter.runCell(kernel, code);
    const script = Buffer.from(stamper(inside('terminal'))).toString('base64');
    await jupyter.typeInTerminal(`echo ${script} | base64 -d | python3 -`);
    const writers = ['kernel', 'terminal', 'nohup', 'daemon', 'forker'].map((kind) =>
      this.#writer(`${label}-${kind}`),
    );
    for (const writer of writers) {
      await waitFor(`stamps of ${writer.name}`, 15_000, () => writer.stamps().length > 10);
    }
    return writers;
  }

  #writer(name: string): Writer {
    const stamps = (): number[] => {
      if (!readdirSync(this.#directory).includes(name)) return [];
      const lines = readFileSync(join(this.#directory, name), 'latin1').split('\n');
      // The last is empty, or half of one.
      return lines.slice(0, -1).map((line) => Number(line) / 1000);
    };
    return { name, stamps };
  }
}
