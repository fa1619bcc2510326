/** `systole check`: every error and warning of the three configuration files at once. */
import { hostname } from 'node:os';
import { countErrors, diagnosticsToJson, formatDiagnostics } from '../../../conf/diagnostics.ts';
import { readConfiguration } from '../../../conf/read.ts';
import { realSystem } from '../../../conf/system.ts';
import { activeMedia } from '../../../plugins/media/index.ts';
import { notActiveLines } from '../daemon/log-target.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

/** @returns 0 when the node would start (warnings allowed), 1 when it would not */
export function runCheck(options: { configDir: string; json: boolean }, io: Io): ExitCode {
  const { diagnostics, settings } = readConfiguration({
    configDir: options.configDir,
    hostname: hostname(),
    system: realSystem(),
    activeMedia,
  });
  const errors = countErrors(diagnostics);
  if (options.json) {
    const notActive = (settings?.notActive ?? []).map(({ directive, place }) => ({ directive, ...place }));
    io.out(`${JSON.stringify({ ok: errors === 0, errors, diagnostics: diagnosticsToJson(diagnostics), notActive })}\n`);
  } else {
    io.out(formatDiagnostics(diagnostics, { color: io.color }));
    if (settings !== null) for (const line of notActiveLines(settings)) io.out(`${line}\n`);
    io.out(
      errors === 0
        ? `${options.configDir}: the configuration is complete, the node would start\n`
        : `${options.configDir}: ${errors} ${errors === 1 ? 'error' : 'errors'}: the node would not start\n`,
    );
  }
  return errors === 0 ? exitCode.ok : exitCode.general;
}
