/**
 * The media directives: each statement becomes one {@link MediumSpec} for each device, peer or host.
 */
import { isIPv6 } from 'node:net';
import { linkName } from '../runtime/units.ts';
import type { Position } from './diagnostics.ts';
import { advise, type Reading, refuse, type Statement } from './draft.ts';
import { declareNode } from './nodes.ts';
import type { MediumSpec } from './settings.ts';
import { type Word, words } from './text.ts';
import { isIpv6, isIpv6Multicast } from './values.ts';

/** Heartbeat's table of media; it checks the size for bcast, serial and ping only. */
const maxMedia = 64;

/** What the whole-line statements split their arguments at. */
export const blanks = ' \t\f';

export const missingInterface = 'see `ip address` for the names and addresses of the interfaces';

export function bcast(reading: Reading, word: Word, position: Position): void {
  const facts = reading.system.networkInterface(word.text);
  if (facts === null || facts.address === null) {
    const why = facts === null ? 'No such device' : 'Cannot assign requested address';
    const message =
      facts === null
        ? `there is no interface ${word.text}`
        : `interface ${word.text} has no IPv4 address to broadcast from`;
    refuse(
      reading,
      position,
      message,
      missingInterface,
      `ERROR: glib: Get broadcast for interface ${word.text} failed: ${why}\nERROR: glib: IP interface [${word.text}] does not exist\n${illegalMedium('bcast', 'UDP/IP broadcast', word)}`,
    );
    return;
  }
  if (mediaFull(reading, 'bcast', word, position)) return;
  addMedium(reading, position, {
    kind: 'bcast',
    link: linkName(word.text),
    device: word.text,
    port: reading.draft.udpPort,
    place: position.place,
  });
}

export function serial(reading: Reading, word: Word, position: Position): void {
  const facts = reading.system.stat(word.text);
  const illegal = illegalMedium('serial', 'serial ring', word);
  if (!word.text.startsWith('/')) {
    refuse(
      reading,
      position,
      `serial port ${word.text} is no full path`,
      'write it as /dev/ttyS0',
      `ERROR: glib: Serial port not full pathname [${word.text}] in config file\n${illegal}`,
    );
  } else if (facts === null) {
    refuse(
      reading,
      position,
      `there is no serial port ${word.text}`,
      'see `ls /dev/ttyS* /dev/ttyUSB*`',
      `ERROR: glib: Nonexistent serial port [${word.text}] in config file\n${illegal}`,
    );
  } else if (facts.kind !== 'character-device') {
    refuse(
      reading,
      position,
      `${word.text} is no serial port`,
      'name a character device, as /dev/ttyS0',
      `ERROR: glib: Serial port [${word.text}] not a char device in config file\n${illegal}`,
    );
  } else if (!mediaFull(reading, 'serial', word, position)) {
    addMedium(reading, position, {
      kind: 'serial',
      link: linkName(word.text),
      device: word.text,
      baud: reading.draft.baud,
      place: position.place,
    });
  }
}

export function ping(reading: Reading, word: Word, position: Position): void {
  if (reading.system.resolveIpv4(word.text) === null) {
    refuse(
      reading,
      position,
      `host ${word.text} to ping is not known`,
      'write its IPv4 address, or add it to /etc/hosts',
      `ERROR: glib: unknown host: ${word.text}: Resource temporarily unavailable\n${illegalMedium('ping', 'ping membership', word)}`,
    );
  } else if (!mediaFull(reading, 'ping', word, position)) {
    addPing(reading, 'ping', word, position);
  }
}

export function ping6(reading: Reading, word: Word, position: Position): void {
  if (!isIPv6(word.text)) {
    refuse(
      reading,
      position,
      `${word.text} is no IPv6 address`,
      'ping6 takes addresses only, no names',
      illegalMedium('ping6', 'ping6 membership', word),
    );
  } else if (!mediaFull(reading, 'ping6', word, position)) {
    addPing(reading, 'ping6', word, position);
  }
}

function addPing(reading: Reading, kind: 'ping' | 'ping6', word: Word, position: Position): void {
  const label = kind === 'ping' ? 'ping membership' : 'ping6 membership';
  if (!declareNode(reading, word.text, 'ping', position, illegalMedium(kind, label, word))) return;
  addMedium(reading, position, { kind, link: linkName(word.text), host: word.text, place: position.place });
}

export function pingGroup(reading: Reading, statement: Statement): void {
  const [name, ...hosts] = words(statement.rest.text, blanks, statement.rest.column);
  if (name === undefined || hosts.length === 0) {
    refuse(
      reading,
      statement.position,
      'ping_group needs a name and at least one host',
      'write ping_group NAME HOST HOST…',
    );
    return;
  }
  for (const host of hosts) {
    if (reading.system.resolveIpv4(host.text) !== null) continue;
    reading.report.add(statement.at(host.column), {
      severity: 'warning',
      code: 'HB_CONFIG_UNKNOWN',
      message: `host ${host.text} of ping group ${name.text} is not known`,
      hint: 'write its IPv4 address, or add it to /etc/hosts; hosts are separated by blanks, not commas',
      original: `ERROR: glib: unknown host: ${host.text}: Resource temporarily unavailable`,
    });
  }
  const position = statement.at(name.column);
  const declared = declareNode(reading, name.text, 'ping', position, null);
  if (!declared) return;
  addMedium(reading, position, {
    kind: 'ping_group',
    link: linkName(name.text),
    name: declared,
    hosts: hosts.map((host) => host.text),
    place: position.place,
  });
}

export function ucast(reading: Reading, statement: Statement): void {
  const [device, peer] = words(statement.rest.text, blanks, statement.rest.column);
  if (device === undefined) {
    refuse(
      reading,
      statement.position,
      'ucast needs an interface and a peer',
      'write ucast eth0 10.0.0.2',
      'ERROR: glib: ucast: [] missing target IP address/hostname',
    );
  } else if (peer === undefined) {
    refuse(
      reading,
      statement.at(device.column),
      `ucast through ${device.text} has no peer`,
      "write the peer's address or host name after the interface, separated by a blank",
      `ERROR: glib: ucast: [${device.text}] missing target IP address/hostname`,
    );
  } else if (reading.system.resolveIpv4(peer.text) === null) {
    refuse(
      reading,
      statement.at(peer.column),
      `host ${peer.text} is not known`,
      'write its IPv4 address, or add it to /etc/hosts',
      `ERROR: glib: ucast: cannot resolve hostname\nERROR: glib: ucast: interface [${device.text}] does not exist`,
    );
  } else if (reading.system.networkInterface(device.text) === null) {
    refuse(
      reading,
      statement.at(device.column),
      `there is no interface ${device.text}`,
      missingInterface,
      `ERROR: glib: ucast: interface [${device.text}] does not exist`,
    );
  } else {
    const { udpPort, bindAddress } = reading.draft;
    const position = statement.at(device.column);
    addMedium(reading, position, {
      kind: 'ucast',
      link: linkName(device.text),
      device: device.text,
      peer: peer.text,
      port: udpPort,
      bindAddress,
      place: position.place,
    });
  }
}

export function ucast6(reading: Reading, statement: Statement): void {
  const [device, peer] = words(statement.rest.text, blanks, statement.rest.column);
  if (device === undefined) {
    refuse(
      reading,
      statement.position,
      'ucast6 needs an interface and a peer',
      'write ucast6 eth0 fe80::2',
      'ERROR: glib: ucast6 statement without device',
    );
    return;
  }
  const position = statement.at(device.column);
  if (reading.system.networkInterface(device.text) === null) {
    refuse(
      reading,
      position,
      `there is no interface ${device.text}`,
      missingInterface,
      `ERROR: glib: ucast6 device [${device.text}] is invalid or not set up properly`,
    );
    return;
  }
  if (peer === undefined) {
    refuse(
      reading,
      position,
      `ucast6 through ${device.text} has no peer`,
      "write the peer's IPv6 address after the interface",
      `ERROR: glib: ucast6 [${device.text}] missing ucast6 address`,
    );
    return;
  }
  const [address = '', scope] = peer.text.split('%');
  if (!isIpv6(address) || isIpv6Multicast(address) || /^[0:]+[01]?$/.test(address)) {
    refuse(
      reading,
      statement.at(peer.column),
      `${peer.text} is no IPv6 address of a peer`,
      'write a unicast address: names, ::, ::1 and ff… are refused',
      `ERROR: glib: ucast6 [${device.text}] bad addr [${peer.text}]`,
    );
    return;
  }
  if (scope !== undefined && reading.system.networkInterface(scope) === null) {
    refuse(
      reading,
      statement.at(peer.column),
      `there is no interface ${scope}, the scope of ${peer.text}`,
      missingInterface,
      `ERROR: glib: getaddrinfo([${peer.text}]:${reading.draft.udpPort}): Name or service not known\nWARN: glib: Error creating ucast6_private(${device.text}, ${peer.text})`,
    );
    return;
  }
  addMedium(reading, position, {
    kind: 'ucast6',
    link: linkName(device.text),
    device: device.text,
    peer: peer.text,
    port: reading.draft.udpPort,
    bindAddress: null,
    place: position.place,
  });
}

function illegalMedium(kind: string, description: string, word: Word): string {
  return `ERROR: Illegal ${kind} [${description}] in config file [${word.text}]`;
}

function mediaFull(reading: Reading, directive: string, word: Word, position: Position): boolean {
  if (reading.draft.media.length < maxMedia) return false;
  refuse(
    reading,
    position,
    `more than ${maxMedia} media`,
    'remove some: two independent links are what a cluster needs',
    `ERROR: Too many media specified (> ${maxMedia})\ninfo: Offending command: ${directive} ${word.text}`,
  );
  return true;
}

/** Adds a medium. Two media that would open the same socket beat twice for nothing. */
export function addMedium(reading: Reading, position: Position, spec: MediumSpec): void {
  if (reading.draft.media.some((other) => identityOf(other) === identityOf(spec))) {
    advise(
      reading,
      position,
      `this ${spec.kind} medium is written twice`,
      'remove one of them: it adds traffic, but no independent link',
    );
  }
  if (reading.draft.media.length >= maxMedia) {
    advise(
      reading,
      position,
      `more than ${maxMedia} media`,
      'remove some: two independent links are what a cluster needs',
    );
  }
  reading.draft.media.push(spec);
}

function identityOf(medium: MediumSpec): string {
  return JSON.stringify({ ...medium, place: null });
}
