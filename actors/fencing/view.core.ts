/** What `systole status` shows of fencing: the devices and their health, and what is waited for. */
import type { Ms } from '../../runtime/units.ts';
import type { FencingState, FencingView, Pending } from './types.ts';

/** @param nowMs the monotonic time [ms] */
export function viewFencing(state: FencingState, nowMs: Ms): FencingView {
  const { pending } = state;
  return {
    devices: state.devices.map(({ id }, index) => {
      const health = state.health[index];
      const checkedMs = health?.checkedMs ?? null;
      return { device: id, status: health?.status ?? 'unknown', ageMs: checkedMs === null ? null : nowMs - checkedMs };
    }),
    pending:
      pending === null
        ? null
        : {
            node: pending.node,
            sinceMs: nowMs - pending.sinceMs,
            failures: pending.failures,
            lastFailure:
              pending.lastFailure === null
                ? null
                : { device: pending.lastFailure.device, ageMs: nowMs - pending.lastFailure.atMs },
            waitsFor: waitsFor(state, pending),
          },
  };
}

function waitsFor(state: FencingState, pending: Pending): string {
  const { node, running } = pending;
  if (running !== null) return `${state.devices[running.device]?.id ?? 'a device'} is resetting ${node}`;
  return `no device has reset ${node}: they are tried again, until one does, ${node} is heard, or systole fence-confirm ${node}`;
}
