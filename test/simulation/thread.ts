/** A thread that lives what it is asked to. */
import { parentPort } from 'node:worker_threads';
import { type Lives, liveAll } from './many.js';

parentPort?.on('message', (lives: Lives) => parentPort?.postMessage(liveAll(lives)));
