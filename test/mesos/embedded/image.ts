/** Builds the image of a Mesos in a container of its own, and prints its name. */
import { join } from 'node:path';
import { ensureDocker } from '../../../framework/local/docker.js';
import { buildImage } from '../../../framework/local/image.js';
import { packageRoot } from '../../../framework/local/package.js';
import { createTerminal } from '../../../framework/local/terminal.js';

const context = join(packageRoot, 'test/mesos/embedded');
const tag = 'mesos-jupyter-test-mesos:latest';
const terminal = createTerminal({ stream: process.stderr });
await ensureDocker({ terminal });
await buildImage({ dockerfile: join(context, 'Dockerfile'), context, tag }, { terminal });
process.stdout.write(`${tag}\n`);
