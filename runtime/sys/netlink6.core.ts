/** IPv6 addresses in rtnetlink messages, beside netlink.core.ts. Numbers are those of <linux/if_addr.h>. Pure. */
import { readU16, readU32, writeU32 } from './native.ts';
import { encodeMessage, message, request } from './netlink.core.ts';

/** An IPv6 address of an interface. */
export interface Address6 {
  readonly linkIndex: number;
  /** 16 bytes. */
  readonly address: Uint8Array;
  /** 0 to 128. */
  readonly prefixLength: number;
  /** False when the address has a lifetime (router advertisement, DHCP). */
  readonly permanent: boolean;
  /** Added without duplicate address detection, as the agent adds its own. */
  readonly noDad: boolean;
  /** The kernel has found the address on another machine and does not use it. */
  readonly dadFailed: boolean;
}

export interface Address6Change {
  readonly linkIndex: number;
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

const familyInet6 = 10;
const attribute = { address: 1, local: 2, flags: 8 } as const;
const flag = { noDad: 0x02, dadFailed: 0x08, permanent: 0x80 } as const;

/** struct ifaddrmsg with its attributes; null when it is not IPv6. */
export function decodeAddress6(body: Uint8Array): Address6 | null {
  if (body.length < 8 || body[0] !== familyInet6) return null;
  let flags = body[2] ?? 0;
  let address: Uint8Array | null = null;
  for (let offset = 8; offset + 4 <= body.length; ) {
    const sizeBytes = readU16(body, offset);
    if (sizeBytes < 4 || offset + sizeBytes > body.length) break;
    const kind = readU16(body, offset + 2) & 0x3fff;
    const value = body.subarray(offset + 4, offset + sizeBytes);
    // A point-to-point link has its own address in `local` and the peer's in `address`.
    if (value.length === 16 && (kind === attribute.local || (kind === attribute.address && address === null)))
      address = new Uint8Array(value);
    if (kind === attribute.flags && value.length >= 4) flags = readU32(value, 0);
    offset += (sizeBytes + 3) & ~3;
  }
  if (address === null) return null;
  return {
    linkIndex: readU32(body, 4),
    address,
    prefixLength: body[1] ?? 0,
    permanent: (flags & flag.permanent) !== 0,
    noDad: (flags & flag.noDad) !== 0,
    dadFailed: (flags & flag.dadFailed) !== 0,
  };
}

/** A request to add (usable at once, without detection; refused with EEXIST when present) or delete an address. */
export function encodeAddress6Change(sequence: number, action: 'add' | 'delete', change: Address6Change): Uint8Array {
  const fixed = new Uint8Array(8);
  fixed[0] = familyInet6;
  fixed[1] = change.prefixLength;
  fixed[2] = action === 'add' ? flag.noDad | flag.permanent : 0;
  writeU32(fixed, 4, change.linkIndex);
  const attributes: [number, Uint8Array][] = [
    [attribute.local, change.address],
    [attribute.address, change.address],
  ];
  return action === 'add'
    ? encodeMessage(
        message.newAddress,
        request.plain | request.ack | request.createExclusive,
        sequence,
        fixed,
        attributes,
      )
    : encodeMessage(message.deleteAddress, request.plain | request.ack, sequence, fixed, attributes);
}
