/** Sees to the nodes' image and prints its name; how it comes about goes to standard error. For the scripts of this directory. */
import { ensureDocker } from '../../framework/local/docker.js';
import { ensureImage } from '../../framework/local/image.js';
import { createTerminal } from '../../framework/local/terminal.js';

const terminal = createTerminal({ stream: process.stderr });
await ensureDocker({ terminal });
process.stdout.write(`${await ensureImage({ terminal })}\n`);
