/**
 * What nodes of a heartbeat cluster say on the wire about their own dead time.
 */
import type { CapturedPacket } from '../detect/referee.ts';
import type { Arena } from './peer.ts';

export const heartbeatPort = 694;

/** How old a status may be to count as the present [ms]: several times the longest keepalive time that is measured. */
const freshMs = 2_000;

/** The dead time that a status packet carries [ms]; null for other packets. */
export function advertisedMs(payload: Buffer): number | null {
  const text = payload.toString('latin1');
  const digits = text.includes('t=status') ? /\bdt=([0-9a-f]+)/.exec(text)?.[1] : undefined;
  return digits === undefined ? null : Number.parseInt(digits, 16);
}

/** Whether both nodes are past their beginning: for the first seconds of its life a node advertises 2 s more than it is configured to. */
export function advertiseDeadtime({ referee }: Arena, deadtimeMs: number): boolean {
  const isStatus = (packet: CapturedPacket): boolean =>
    packet.protocol === 17 && packet.destinationPort === heartbeatPort && advertisedMs(packet.payload) !== null;
  return (['in', 'out'] as const).every((way) => {
    const newest = referee.lastPacket((packet) => packet.way === way && isStatus(packet), freshMs);
    // It travels in whole milliseconds.
    return newest !== null && advertisedMs(newest.payload) === Math.round(deadtimeMs);
  });
}
