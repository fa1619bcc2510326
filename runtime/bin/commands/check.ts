/** `systole check`: every error and warning of the three configuration files at once, and whether this machine can keep their times. */
import { hostname } from 'node:os';
import { realtimePriority } from '../../../actors/tree.ts';
import { countErrors, diagnosticsToJson, formatDiagnostics } from '../../../conf/diagnostics.ts';
import { readConfiguration } from '../../../conf/read.ts';
import type { Settings } from '../../../conf/settings.ts';
import { realSystem } from '../../../conf/system.ts';
import { activeMedia } from '../../../plugins/media/index.ts';
import { isWorthMeasuring, judgeLateness, type LatenessVerdict } from '../check/lateness.core.ts';
import { type LatenessMeasurement, measureLateness } from '../check/lateness.ts';
import { notActiveLines } from '../daemon/log-target.ts';
import { type ExitCode, exitCode } from '../exit-codes.ts';
import type { Io } from '../io.ts';

/** How long timers are measured [ms]. */
const measuredMs = 1_200;

type Timing = LatenessVerdict & Pick<LatenessMeasurement, 'realtime' | 'durationMs'>;

/**
 * @param options.measure false leaves the measurement of timers out (`--no-measure`)
 * @returns 0 when the node would start (warnings allowed), 1 when it would not
 */
export async function runCheck(
  options: { configDir: string; json: boolean; measure: boolean },
  io: Io,
): Promise<ExitCode> {
  const { diagnostics, settings } = readConfiguration({
    configDir: options.configDir,
    hostname: hostname(),
    system: realSystem(),
    activeMedia,
  });
  const errors = countErrors(diagnostics);
  const timing =
    options.measure && errors === 0 && settings !== null && isWorthMeasuring(settings) ? await measure(settings) : null;
  if (options.json) {
    const notActive = (settings?.notActive ?? []).map(({ directive, place }) => ({ directive, ...place }));
    const answer = { ok: errors === 0, errors, diagnostics: diagnosticsToJson(diagnostics), notActive, timing };
    io.out(`${JSON.stringify(answer)}\n`);
  } else {
    io.out(formatDiagnostics(diagnostics, { color: io.color }));
    if (settings !== null) for (const line of notActiveLines(settings)) io.out(`${line}\n`);
    if (timing !== null && settings !== null) for (const line of timingLines(timing, settings)) io.out(`${line}\n`);
    io.out(
      errors === 0
        ? `${options.configDir}: the configuration is complete, the node would start\n`
        : `${options.configDir}: ${errors} ${errors === 1 ? 'error' : 'errors'}: the node would not start\n`,
    );
  }
  return errors === 0 ? exitCode.ok : exitCode.general;
}

async function measure(settings: Settings): Promise<Timing> {
  const measurement = await measureLateness(measuredMs, settings.keepaliveMs, realtimePriority(settings));
  const { realtime, durationMs } = measurement;
  return { ...judgeLateness(measurement.latenessesMs, settings), realtime, durationMs };
}

function timingLines(timing: Timing, { keepaliveMs, deadtimeMs }: Settings): string[] {
  const { worstMs, roomMs, ok, enoughDeadtimeMs, realtime, durationMs } = timing;
  const scheduling = realtime?.granted === true ? `real-time priority ${realtime.priority}` : 'ordinary scheduling';
  const figure = `timers came up to ${worstMs.toFixed(2)} ms late in ${durationMs / 1_000} s with ${scheduling}`;
  const lines = ok
    ? [`info: ${figure}: deadtime ${deadtimeMs} ms has room for ${roomMs} ms`]
    : [
        `warning: ${figure}: deadtime ${deadtimeMs} ms with keepalive ${keepaliveMs} ms has room for ${roomMs} ms, too little on this machine`,
        `  hint: raise deadtime to ${enoughDeadtimeMs}ms or more${realtime === null ? ', or write realtime on' : ''}`,
      ];
  if (realtime?.granted === false)
    lines.push(`  hint: the daemon is to have real-time scheduling, which was refused here: ${realtime.reason}`);
  return lines;
}
