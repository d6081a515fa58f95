/** The scheduler's log in a file, all of it, while the screen tells the story. */
import winston from 'winston';
import type { Logger } from '../log.js';

export function fileLogger(path: string): Logger {
  return winston.createLogger({
    level: 'debug',
    format: winston.format.combine(
      winston.format.timestamp(),
      winston.format.printf((entry) => `${entry['timestamp']} ${entry.level} ${entry.message}`),
    ),
    transports: [new winston.transports.File({ filename: path })],
  });
}
