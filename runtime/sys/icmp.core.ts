/**
 * Echo requests and replies as bytes (RFC 792, RFC 4443). Pure; no system call.
 */
import { readU16, writeU16, writeU16Net } from './native.ts';

/** IPv4 or IPv6: ICMP or ICMPv6. */
export type IcmpFamily = 4 | 6;

export interface Echo {
  /** 16 bits, as Heartbeat has it: in the machine's own byte order. */
  readonly id: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/** ICMP types of the two messages. */
export const echoTypes = {
  4: { request: 8, reply: 0 },
  6: { request: 128, reply: 129 },
} as const;

/** type, code, checksum, id, sequence [bytes]. */
export const echoHeaderBytes = 8;
const shortestIpv4HeaderBytes = 20;

/** The Internet checksum (RFC 1071) over an even or odd number of bytes; 0 over bytes that contain their own right checksum. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** One echo request. The checksum is filled in for IPv4 only: that of ICMPv6 covers addresses which only the kernel knows. */
export function encodeEchoRequest(family: IcmpFamily, { id, sequence, payload }: Echo): Uint8Array {
  const bytes = new Uint8Array(echoHeaderBytes + payload.length);
  bytes[0] = echoTypes[family].request;
  writeU16(bytes, 4, id & 0xffff);
  writeU16Net(bytes, 6, sequence & 0xffff);
  bytes.set(payload, echoHeaderBytes);
  if (family === 4) writeU16Net(bytes, 2, internetChecksum(bytes));
  return bytes;
}

/** Reads an ICMP message as an echo reply; null when it is anything else or, with IPv4, damaged. The payload is a view. */
export function decodeEchoReply(family: IcmpFamily, bytes: Uint8Array): Echo | null {
  if (bytes.length < echoHeaderBytes || bytes[0] !== echoTypes[family].reply || bytes[1] !== 0) return null;
  if (family === 4 && internetChecksum(bytes) !== 0) return null;
  const sequence = ((bytes[6] ?? 0) << 8) | (bytes[7] ?? 0);
  return { id: readU16(bytes, 4), sequence, payload: bytes.subarray(echoHeaderBytes) };
}

/** What follows the header of an IPv4 packet, as a raw socket delivers it; null when there is no whole header. */
export function ipv4Body(packet: Uint8Array): Uint8Array | null {
  const first = packet[0] ?? 0;
  const headerBytes = (first & 0x0f) * 4;
  if (first >> 4 !== 4 || headerBytes < shortestIpv4HeaderBytes || packet.length < headerBytes) return null;
  return packet.subarray(headerBytes);
}
