/** The directories of a local cluster: made for one run and removed with it, except for what people wrote in them. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { containerPaths, generationOfFileName } from '../../executor-image/contract.js';
import { stateDirectory } from '../config/paths.js';
import { CodedError, messageOf } from '../errors.js';
import { asRoot, isRoot, takeOwnership } from './as-root.js';

export interface LocalDirectories {
  /** The directory that stands for the shared volume. */
  readonly shared: string;
  /** Whether it was given, and so is kept. */
  readonly sharedIsGiven: boolean;
  readonly stateFile: string;
  readonly logFile: string;
  workDirectoryOf(host: string): string;
}

const runsDirectory = () => join(stateDirectory(), 'local');
const imageFile = 'image';
const notebooks = relative(containerPaths.shared, containerPaths.notebooks);
const trusted = relative(containerPaths.shared, containerPaths.trusted);

/** @throws CodedError FILES_UNUSABLE, naming the directory that cannot be made. */
export function makeDirectories(
  instance: string,
  image: string,
  shared: string | undefined,
): LocalDirectories {
  const own = join(runsDirectory(), instance);
  make(own, 0o700);
  // So that who removes it knows an image that is there, also after this process was killed.
  writeFileSync(join(own, imageFile), image);
  const volume = shared ?? join(own, 'shared');
  make(volume, 0o755);
  return {
    shared: volume,
    sharedIsGiven: shared !== undefined,
    stateFile: join(own, 'state.json'),
    logFile: join(own, 'mesos-jupyter.log'),
    workDirectoryOf(host) {
      const directory = join(own, host);
      make(directory, 0o700);
      return directory;
    },
  };
}

/** Names of the runs whose directories are there. */
export function instancesWithDirectories(): string[] {
  const directory = runsDirectory();
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Removes a run's directory. Files that people made in its notebooks are moved aside first; says where, if there are any. */
export async function removeDirectories(instance: string, now: Date): Promise<string | undefined> {
  const own = join(runsDirectory(), instance);
  if (!existsSync(own)) return undefined;
  try {
    if (!isRoot && existsSync(join(own, imageFile))) {
      await takeOwnership(readFileSync(join(own, imageFile), 'utf8'), own);
    }
    const written = join(own, 'shared', notebooks);
    let kept: string | undefined;
    if (hasFiles(written)) {
      kept = join(stateDirectory(), 'notebooks', now.toISOString().replace(/[:.]/g, '-'));
      mkdirSync(dirname(kept), { recursive: true });
      renameSync(written, kept);
    }
    rmSync(own, { recursive: true, force: true });
    return kept;
  } catch (error) {
    throw new CodedError('CLEANUP_FAILED', `${own} could not be removed: ${messageOf(error)}`);
  }
}

/**
 * Takes the generations' files out of a shared directory that is kept, once all containers are gone: there is nobody left to
 * fence off, and the next run, which begins with generation 1, would take them for those of tasks that may live.
 */
export async function forgetGenerations(shared: string, image: string): Promise<void> {
  const directory = join(shared, trusted);
  try {
    if (!isRoot) {
      const found = ['-maxdepth', '1', '-name', 'generation-*', '-delete'];
      await asRoot(image, shared, ['find', `/directory/${trusted}`, ...found]);
      return;
    }
    for (const name of existsSync(directory) ? readdirSync(directory) : []) {
      if (generationOfFileName(name) !== undefined) rmSync(join(directory, name), { force: true });
    }
  } catch (error) {
    throw new CodedError('CLEANUP_FAILED', `${directory} could not be tidied up: ${messageOf(error)}`);
  }
}

/** Jupyter's own check points are no work of anybody's. */
function hasFiles(directory: string): boolean {
  if (!existsSync(directory)) return false;
  return readdirSync(directory, { recursive: true, withFileTypes: true }).some(
    (entry) => entry.isFile() && !entry.parentPath.includes('.ipynb_checkpoints'),
  );
}

function make(directory: string, mode: number): void {
  try {
    mkdirSync(directory, { recursive: true, mode });
    if (!statSync(directory).isDirectory()) throw new Error('it is not a directory');
  } catch (error) {
    throw new CodedError('FILES_UNUSABLE', `the directory ${directory} cannot be used: ${messageOf(error)}`);
  }
}
