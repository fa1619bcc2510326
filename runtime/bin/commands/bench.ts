/** `systole bench`: measures this machine. The benchmarks are part of a checkout, not of the package. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

/** As bench/detect/command.ts takes them; texts are read there. */
export interface BenchDetectOptions {
  readonly timings?: string;
  readonly faults?: string;
  readonly loads?: string;
  readonly media?: string;
  readonly peers?: string;
  readonly trials?: string;
  readonly rounds?: string;
  readonly soak?: string;
  readonly realtime: boolean;
  readonly out?: string;
  readonly compare?: string;
  readonly loopback: boolean;
  readonly json: boolean;
}

/** What is loaded: not imported, since the package is built without it. */
const benchmark = v.object({ runBenchDetect: v.function() });

/** A first Ctrl-C ends the run after the step at hand and reports what there is; a second one ends the program. */
export async function runBenchDetect(options: BenchDetectOptions, io: Io): Promise<ExitCode> {
  const module = new URL('../../../bench/detect/command.ts', import.meta.url);
  if (!existsSync(module)) {
    io.err(
      `systole bench: the benchmarks are not part of the package: run this in a checkout (${fileURLToPath(module)} is missing)\n`,
    );
    return exitCode.general;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => {
    io.err('\nsystole bench: ends after this step; again to end at once\n');
    stop.abort();
  });
  const { runBenchDetect: run } = v.parse(benchmark, await import(module.href));
  const terminal = { out: io.out, err: io.err, progressColumns: process.stderr.isTTY ? process.stderr.columns : null };
  const code = v.parse(v.number(), await run(options, terminal, stop.signal));
  return Object.values(exitCode).find((known) => known === code) ?? exitCode.general;
}
