/** Reload without a change of state: authkeys are used from the next packet on; a changed ha.cf takes effect at the next start. */
import type { McpOptions } from '../../../actors/mcp.ts';
import { lineOf } from '../../../conf/diagnostics.ts';
import type { Configuration } from '../../../conf/read.ts';
import type { AuthKeys, Settings } from '../../../conf/settings.ts';

/** Compares what was read again with what runs. Files with errors change nothing. */
export function reloadFrom(
  read: Configuration,
  running: { readonly settings: Settings; readonly keys: AuthKeys },
): ReturnType<McpOptions['reload']> {
  if (read.settings === null || read.authKeys === null) {
    const errors = read.diagnostics.filter((entry) => entry.severity === 'error');
    const [first] = errors;
    const where = first === undefined ? '' : `: ${lineOf(first)}: ${first.message}`;
    const rest = errors.length > 1 ? ` (and ${errors.length - 1} more: see systole check)` : '';
    return { ok: false, text: `Config errors: Heartbeat keeps running as it was${where}${rest}` };
  }
  const changed = JSON.stringify(withoutPlaces(read.settings)) !== JSON.stringify(withoutPlaces(running.settings));
  const newKeys = JSON.stringify(read.authKeys) !== JSON.stringify(running.keys);
  const about = changed ? ' ha.cf or haresources has changed: that takes effect at the next start.' : '';
  const text = newKeys ? 'Rereading authentication file.' : changed ? 'Keys unchanged.' : 'Configuration unchanged.';
  return { ok: true, keys: read.authKeys, text: `${text}${about}` };
}

/** A moved line is no change. */
function withoutPlaces(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, entry: unknown) => (key === 'place' ? undefined : entry)));
}
