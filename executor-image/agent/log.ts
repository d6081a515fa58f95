/** The node agent's log: one line an entry, on standard output, no secrets. */
import winston from 'winston';

export type Log = Pick<winston.Logger, 'error' | 'warn' | 'info' | 'debug'>;

/** Hides what stands for a notebook token in a line of another program's output. */
export function withoutTokens(line: string): string {
  return line.replace(/(token[=:]\s*|Authorization:\s*\S+\s+)[^\s&"')]+/gi, '$1…');
}

const line = winston.format.printf(
  ({ timestamp, level, duty, message }) =>
    `${timestamp} ${level} ${duty === undefined ? '' : `${duty}: `}${String(message).replace(/\s*\n\s*/g, ' | ')}`,
);

export function createLog(level: string): winston.Logger {
  return winston.createLogger({
    level,
    format: winston.format.combine(winston.format.timestamp(), line),
    transports: [new winston.transports.Console()],
  });
}
