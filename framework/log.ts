/** The scheduler's log: winston, one line an entry, on standard error so that standard output stays for results. */
import winston from 'winston';

export type Logger = Pick<winston.Logger, 'error' | 'warn' | 'info' | 'debug'>;
export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export function createLogger(level: LogLevel): Logger {
  return winston.createLogger({
    level,
    format: winston.format.combine(
      winston.format.timestamp(),
      winston.format.printf((entry) => `${entry['timestamp']} ${entry.level} ${entry.message}`),
    ),
    transports: [new winston.transports.Console({ stderrLevels: [...logLevels] })],
  });
}

/** For tests and for commands whose output is something else. */
export const silentLogger: Logger = winston.createLogger({
  silent: true,
  transports: [new winston.transports.Console()],
});
