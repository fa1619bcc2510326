import { exitCode } from './exit-codes.ts';

/** Where a command prints: standard output and error, injectable so that tests see what a user sees. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** True when standard output is a terminal that shows colours. */
  readonly color: boolean;
  /** Columns of the terminal; 80 when there is none. */
  readonly columns: number;
}

/** The process's own streams. `NO_COLOR` switches colours off, as is usual. */
export function processIo(): Io {
  // `systole decode FILE | head`: whoever has read enough has closed the pipe, and that is all right.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      // A command that has something to clean up listens.
      if (!process.emit('SIGPIPE')) process.exit(exitCode.ok);
    });
  return {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    color: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    columns: process.stdout.columns ?? 80,
  };
}
