/**
 * The progress of a run, as one line.
 */

/** `[######--------------]  34/120  3:20 left  systole 5/15 idle kill`, cut to the width. @param elapsedMs since the start [ms] */
export function progressLine(done: number, total: number, elapsedMs: number, what: string, columns: number): string {
  const width = 20;
  const full = total === 0 ? width : Math.floor((width * done) / total);
  const bar = `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
  const left = done === 0 ? '' : `${minutes((elapsedMs / done) * (total - done))} left  `;
  return `${bar} ${String(done).padStart(String(total).length)}/${total}  ${left}${what}`.slice(0, columns - 1);
}

function minutes(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
