/**
 * The multicast media, mcast and mcast6: one statement of five values in a fixed order.
 */
import { linkName } from '../runtime/units.ts';
import { advise, type Reading, refuse, type Statement } from './draft.ts';
import { addMedium, blanks, missingInterface } from './media.ts';
import type { System } from './system.ts';
import { type Word, words } from './text.ts';
import { isIpv4Multicast, isIpv6Multicast, parseCInteger, parseCount } from './values.ts';

/** What differs between mcast and mcast6. */
interface Family {
  readonly kind: 'mcast' | 'mcast6';
  readonly example: string;
  readonly hops: 'ttl' | 'hops';
  readonly groups: string;
  /** mcast prints two blanks before its name in complaints about numbers, mcast6 also in the one about the address. */
  readonly badAddress: string;
  readonly isGroup: (address: string) => boolean;
  /** The errno text of a device that cannot be used, or null. */
  readonly deviceProblem: (system: System, device: string) => string | null;
  readonly deviceOriginal: (device: string, problem: string) => string;
}

const ipv4: Family = {
  kind: 'mcast',
  example: 'mcast eth0 225.0.0.1 694 1 0',
  hops: 'ttl',
  groups: '224.0.0.0 to 239.255.255.255',
  badAddress: 'glib: mcast',
  isGroup: isIpv4Multicast,
  deviceProblem(system, device) {
    const facts = system.networkInterface(device);
    if (facts === null) return noSuchDevice;
    return facts.address === null ? 'Cannot assign requested address' : null;
  },
  deviceOriginal: (device, problem) =>
    `ERROR: glib: Unable to retrieve local interface address for interface [${device}] using ioctl(SIOCGIFADDR): ${problem}\nERROR: glib: mcast device [${device}] is invalid or not set up properly`,
};

const ipv6: Family = {
  kind: 'mcast6',
  example: 'mcast6 eth0 ff18::1 694 1 0',
  hops: 'hops',
  groups: 'ff00::/8',
  badAddress: 'glib:  mcast6',
  isGroup: isIpv6Multicast,
  deviceProblem: (system, device) => (system.networkInterface(device) === null ? noSuchDevice : null),
  deviceOriginal: (device) => `ERROR: glib: mcast6 device [${device}] is invalid or not set up properly`,
};

const noSuchDevice = 'No such device';

export function mcast(reading: Reading, statement: Statement): void {
  multicast(reading, statement, ipv4);
}

export function mcast6(reading: Reading, statement: Statement): void {
  multicast(reading, statement, ipv6);
}

function multicast(reading: Reading, statement: Statement, family: Family): void {
  const { kind, hops } = family;
  const hint = `write it as ${family.example}: interface, group, port, ${hops}, loop`;
  const [device, group, ...numbers] = words(statement.rest.text, blanks, statement.rest.column);
  if (device === undefined) {
    refuse(
      reading,
      statement.position,
      `${kind} needs five values`,
      hint,
      `ERROR: glib: ${kind} statement without device`,
    );
    return;
  }
  const position = statement.at(device.column);
  const problem = family.deviceProblem(reading.system, device.text);
  if (problem !== null) {
    const message =
      problem === noSuchDevice
        ? `there is no interface ${device.text}`
        : `interface ${device.text} has no IPv4 address`;
    refuse(reading, position, message, missingInterface, family.deviceOriginal(device.text, problem));
    return;
  }
  if (group === undefined) {
    refuse(
      reading,
      position,
      `${kind} through ${device.text} has no group`,
      hint,
      `ERROR: glib: ${kind} [${device.text}] missing ${kind} address`,
    );
    return;
  }
  if (!family.isGroup(group.text)) {
    refuse(
      reading,
      statement.at(group.column),
      `${group.text} is no multicast group`,
      `a group is an address of ${family.groups}`,
      `ERROR: ${family.badAddress} [${device.text}] bad addr [${group.text}]`,
    );
    return;
  }
  const bounds = [
    { name: 'port', min: 1, max: 65_535, mask: 0xffff },
    { name: hops, min: 0, max: 255, mask: 0xff },
    { name: 'loop', min: 0, max: 1, mask: 0xff },
  ];
  const values: number[] = [];
  for (const [index, bound] of bounds.entries()) {
    const word = numbers[index];
    if (word === undefined) {
      refuse(
        reading,
        position,
        `${kind} through ${device.text} has no ${bound.name}`,
        hint,
        `ERROR: glib: ${kind} [${device.text}] missing ${bound.name}`,
      );
      return;
    }
    const value = readNumber(reading, statement, word, {
      ...bound,
      hint,
      prefix: `ERROR: glib:  ${kind} [${device.text}]`,
    });
    if (value === null) return;
    values.push(value);
  }
  const [port = 0, ttl = 0, loop = 0] = values;
  addMedium(reading, position, {
    kind,
    link: linkName(device.text),
    device: device.text,
    group: group.text,
    port,
    ttl,
    loop: loop === 1,
    place: position.place,
  });
}

interface Bound {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The bits that Heartbeat keeps of a number, and prints. */
  readonly mask: number;
  readonly hint: string;
  readonly prefix: string;
}

/** @returns the number, or null when it was refused */
function readNumber(reading: Reading, statement: Statement, word: Word, bound: Bound): number | null {
  const { name, min, max, hint } = bound;
  const value = parseCount(word.text, min, max);
  const parsed = parseCInteger(word.text);
  if (value === null) {
    refuse(
      reading,
      statement.at(word.column),
      `${name} ${word.text} is outside ${min} to ${max}`,
      hint,
      `${bound.prefix} bad ${name} [${parsed.value & bound.mask}]`,
    );
  } else if (!parsed.clean) {
    advise(reading, statement.at(word.column), `${name} ${word.text} is no plain number and counts as ${value}`, hint);
  }
  return value;
}
