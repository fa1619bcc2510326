/**
 * Links, IPv4 addresses and routes of this network namespace, asked and changed over rtnetlink, without any helper program.
 *
 * Every call opens a socket, speaks and closes it (together some 50 µs), so nothing has to be kept or lent. Calls are synchronous;
 * the kernel answers within the request, so the deadline only guards against a kernel that does not.
 */
import { closeSync } from 'node:fs';
import { type Ms, ms } from '../units.ts';
import { ipv4FromBytes } from './ipv4.ts';
import {
  afNetlink,
  errnoName,
  lastErrno,
  libc,
  msgDontwait,
  sockCloexec,
  sockNonblock,
  sockRaw,
  systemCallError,
  withSocket,
} from './libc.ts';
import { writeU16, writeU32 } from './native.ts';
import {
  type Address,
  type AddressChange,
  decodeAddress,
  decodeLink,
  decodeMessages,
  decodeRoute,
  dumpHeader,
  dumpInterrupted,
  encodeAddressChange,
  encodeLinkUp,
  encodeMessage,
  errorOf,
  type Link,
  type Message,
  message,
  type Route,
  request,
} from './netlink.core.ts';
import { type Address6, type Address6Change, decodeAddress6, encodeAddress6Change } from './netlink6.core.ts';
import { ownDescriptor } from './owned-descriptor.ts';
import { watchReadable } from './watch.ts';

/** Outcome of a change; `errno` is a name such as EEXIST, EADDRNOTAVAIL, EPERM, ENODEV. */
export type NetlinkResult = { readonly ok: true } | { readonly ok: false; readonly errno: string };

/** NETLINK_ROUTE. */
const protocolRoute = 0;
/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR. */
const monitorGroups = 0x1 | 0x10;
/** How long an answer may take [ms]. */
const answerTimeoutMs = 1_000;
/** The kernel fills datagrams of a dump up to 32 KiB when the reader offers that much. */
const receiveBytes = 32 * 1024;
/** A dump that was interrupted by a change is repeated this often; then the last one is taken as it is. */
const dumpAttempts = 5;

let buffer: Uint8Array | null = null;
let sequence = 0;

function nextSequence(): number {
  sequence = (sequence % 0x7fffffff) + 1;
  return sequence;
}

/** Receives one datagram: a view of the shared buffer, valid until the next call. Null when nothing came in time or it was lost (ENOBUFS). */
function receive(fd: number, timeoutMs: number): Uint8Array | null {
  const c = libc();
  buffer ??= new Uint8Array(receiveBytes);
  for (;;) {
    const sizeBytes = c.recv(fd, buffer, buffer.length, msgDontwait);
    if (sizeBytes >= 0) return buffer.subarray(0, sizeBytes);
    const errno = lastErrno();
    if (errno === 'EINTR') continue;
    if (errno === 'ENOBUFS') return null;
    if (errno !== 'EAGAIN') throw systemCallError('recv(AF_NETLINK)', 'read from rtnetlink', errno);
    if (timeoutMs === 0) return null;
    const pollfd = new Uint8Array(8);
    writeU32(pollfd, 0, fd);
    writeU16(pollfd, 4, 1);
    if (c.poll(pollfd, 1, timeoutMs) === 0) return null;
  }
}

function transmit(fd: number, bytes: Uint8Array): void {
  if (libc().sendto(fd, bytes, bytes.length, 0, null, 0) < 0)
    throw systemCallError('sendto(AF_NETLINK)', 'write to rtnetlink');
}

/** Hands every message of a dump to `visit`. @returns false when the kernel marked it as inconsistent */
function dumpOnce(type: number, family: 0 | 2 | 10, visit: (found: Message) => void): boolean {
  return withSocket(afNetlink, sockRaw, protocolRoute, (fd) => {
    const own = nextSequence();
    let consistent = true;
    transmit(fd, encodeMessage(type, request.plain | request.dump, own, dumpHeader(family)));
    for (;;) {
      const datagram = receive(fd, answerTimeoutMs);
      if (datagram === null) throw systemCallError('recv(AF_NETLINK)', 'read from rtnetlink', 'ETIMEDOUT');
      for (const found of decodeMessages(datagram)) {
        if (found.sequence !== own) continue;
        if ((found.flags & dumpInterrupted) !== 0) consistent = false;
        if (found.type === message.done) return consistent;
        if (found.type === message.error)
          throw systemCallError('rtnetlink dump', 'list the network configuration', errnoName(errorOf(found.body)));
        visit(found);
      }
    }
  });
}

function dump<T>(type: number, family: 0 | 2 | 10, decode: (body: Uint8Array) => T | null): T[] {
  for (let attempt = 1; ; attempt++) {
    const items: T[] = [];
    const consistent = dumpOnce(type, family, (found) => {
      const item = decode(found.body);
      if (item !== null) items.push(item);
    });
    if (consistent || attempt === dumpAttempts) return items;
  }
}

/** Sends one change and waits for its acknowledgement. */
function change(bytes: Uint8Array, own: number): NetlinkResult {
  return withSocket(afNetlink, sockRaw, protocolRoute, (fd) => changeOver(fd, bytes, own));
}

function changeOver(fd: number, bytes: Uint8Array, own: number): NetlinkResult {
  transmit(fd, bytes);
  for (;;) {
    const datagram = receive(fd, answerTimeoutMs);
    if (datagram === null) return { ok: false, errno: 'ETIMEDOUT' };
    for (const found of decodeMessages(datagram)) {
      if (found.sequence !== own || found.type !== message.error) continue;
      const value = errorOf(found.body);
      return value === 0 ? { ok: true } : { ok: false, errno: errnoName(value) };
    }
  }
}

/**
 * Sends all of them in one datagram: the kernel takes them in their order, goes on after one that it refuses, and answers the refused ones and
 * the last one.
 *
 * @returns one result for each
 */
function addOver(fd: number, addresses: readonly AddressChange[]): readonly NetlinkResult[] {
  const results = addresses.map((): NetlinkResult | null => null);
  const places = new Map<number, number>();
  const last = addresses.length - 1;
  if (last < 0) return [];
  transmit(
    fd,
    Buffer.concat(
      addresses.map((address, place) => {
        const own = nextSequence();
        places.set(own, place);
        return encodeAddressChange(own, 'add', address, place === last ? 'always' : 'refusal');
      }),
    ),
  );
  while (results[last] === null) {
    const datagram = receive(fd, answerTimeoutMs);
    // Unknown what became of those without an answer: none of them may pass for set.
    if (datagram === null) return results.map((result) => result ?? { ok: false, errno: 'ETIMEDOUT' });
    for (const found of decodeMessages(datagram)) {
      const place = places.get(found.sequence);
      if (place === undefined || found.type !== message.error) continue;
      const value = errorOf(found.body);
      results[place] = value === 0 ? { ok: true } : { ok: false, errno: errnoName(value) };
    }
  }
  return results.map((result) => result ?? { ok: true });
}

/** A socket for changes that stays open: a change over it costs half of one that opens its own. */
export interface ChangeSocket {
  /** As {@link addAddress}, for some dozens at most (their answers must find room), in one call: one result for each. None is left out when one is refused. */
  addAddresses(addresses: readonly AddressChange[]): readonly NetlinkResult[];
  /** Goes the same way with an address that is there: the kernel finds it and refuses it. @param addresses those that are there */
  rehearse(addresses: readonly Address[]): void;
  close(): void;
}

/** 127.0.0.1/8 of the interface lo: if it went away in this very moment, it would come back, which harms nobody. */
const loopback: AddressChange = {
  linkIndex: 1,
  address: ipv4FromBytes(Uint8Array.of(127, 0, 0, 1)),
  prefixLength: 8,
  broadcast: null,
  label: null,
  scope: 254,
};

function isLoopback({ linkIndex, address, prefixLength }: Address): boolean {
  return linkIndex === loopback.linkIndex && address === loopback.address && prefixLength === loopback.prefixLength;
}

/** For interface 0, which does not exist. */
const impossible: AddressChange = {
  linkIndex: 0,
  address: ipv4FromBytes(Uint8Array.of(192, 0, 2, 1)),
  prefixLength: 32,
  broadcast: null,
  label: null,
  scope: 0,
};

/** Opens one. Its descriptor is closed with the thread. Throws SystemCallError. */
export function openChangeSocket(): ChangeSocket {
  const fd = openKept('change the network configuration');
  return {
    addAddresses: (addresses) => addOver(fd, addresses),
    rehearse: (addresses) => void addOver(fd, [addresses.some(isLoopback) ? loopback : impossible]),
    close: () => closeSync(fd),
  };
}

function openKept(what: string): number {
  const fd = libc().socket(afNetlink, sockRaw | sockCloexec | sockNonblock, protocolRoute);
  if (fd < 0) throw systemCallError('socket(AF_NETLINK)', what);
  return ownDescriptor(fd);
}

/** What has changed since it was asked last; `unknown` when the kernel could not keep account. */
export type Changes = readonly Message[] | 'unknown';

/** The kernel's announcements of changed links and IPv4 addresses, kept by the kernel until they are asked for: nothing is woken by them. */
export interface ChangeFeed {
  /** Complete up to this moment: the kernel announces a change before it acknowledges it. */
  take(): Changes;
  close(): void;
}

/** Opens one. Its descriptor is closed with the thread. Throws SystemCallError. */
export function openChangeFeed(): ChangeFeed {
  const fd = openKept('watch the network configuration');
  joinMonitorGroups(fd);
  return {
    take: () => {
      const changes: Message[] = [];
      for (;;) {
        buffer ??= new Uint8Array(receiveBytes);
        const sizeBytes = libc().recv(fd, buffer, receiveBytes, msgDontwait);
        if (sizeBytes < 0) {
          const errno = lastErrno();
          if (errno === 'EINTR') continue;
          return errno === 'EAGAIN' ? changes : 'unknown';
        }
        for (const found of decodeMessages(buffer.slice(0, sizeBytes))) changes.push(found);
      }
    },
    close: () => closeSync(fd),
  };
}

function joinMonitorGroups(fd: number): void {
  const local = new Uint8Array(12);
  writeU16(local, 0, afNetlink);
  writeU32(local, 8, monitorGroups);
  if (libc().bind(fd, local, local.length) < 0)
    throw systemCallError('bind(AF_NETLINK)', 'watch the network configuration');
}

/** All interfaces, in the kernel's order. Throws SystemCallError. */
export function listLinks(): Link[] {
  return dump(message.getLink, 0, decodeLink);
}

/** All IPv4 addresses; of one interface in their order, primaries before their secondaries. Throws SystemCallError. */
export function listAddresses(): Address[] {
  return dump(message.getAddress, 2, decodeAddress);
}

/** The unicast routes of the main table, in the order of the kernel's table. Throws SystemCallError. */
export function listRoutes(): Route[] {
  return dump(message.getRoute, 2, decodeRoute);
}

/** Adds an IPv4 address; EEXIST when the interface has it with that prefix length. Needs CAP_NET_ADMIN (else EPERM). */
export function addAddress(address: AddressChange): NetlinkResult {
  const own = nextSequence();
  return change(encodeAddressChange(own, 'add', address), own);
}

/**
 * Deletes an IPv4 address; EADDRNOTAVAIL when it is not there. Deleting a primary address deletes the secondaries of its subnet too,
 * unless net.ipv4.conf.*.promote_secondaries is set.
 */
export function deleteAddress(address: AddressChange): NetlinkResult {
  const own = nextSequence();
  return change(encodeAddressChange(own, 'delete', address), own);
}

/** All IPv6 addresses. Throws SystemCallError. */
export function listAddresses6(): Address6[] {
  return dump(message.getAddress, 10, decodeAddress6);
}

/** Adds an IPv6 address that can be used at once; EEXIST when the interface has it. Needs CAP_NET_ADMIN (else EPERM). */
export function addAddress6(address: Address6Change): NetlinkResult {
  const own = nextSequence();
  return change(encodeAddress6Change(own, 'add', address), own);
}

/** Deletes an IPv6 address; EADDRNOTAVAIL when it is not there. */
export function deleteAddress6(address: Address6Change): NetlinkResult {
  const own = nextSequence();
  return change(encodeAddress6Change(own, 'delete', address), own);
}

/** Sets an interface up; success when it is. */
export function setLinkUp(linkIndex: number): NetlinkResult {
  const own = nextSequence();
  return change(encodeLinkUp(own, linkIndex), own);
}

/** What the monitor saw, with the monotonic time at which this thread read it. */
export type NetworkEvent =
  | { readonly type: 'address-added' | 'address-removed'; readonly address: Address; readonly atMs: Ms }
  | { readonly type: 'link'; readonly link: Link; readonly atMs: Ms };

/**
 * Follows changes of links and IPv4 addresses until closed (for tests, benchmarks and `doctor`). Events that the kernel drops because
 * this thread reads too slowly are missing without a sign: it is an observer, nothing may be decided by it. Throws SystemCallError.
 */
export function monitorNetwork(onEvent: (event: NetworkEvent) => void): { close(): void } {
  const c = libc();
  const fd = c.socket(afNetlink, sockRaw | sockCloexec | sockNonblock, protocolRoute);
  if (fd < 0) throw systemCallError('socket(AF_NETLINK)', 'watch the network configuration');
  try {
    joinMonitorGroups(fd);
  } catch (error) {
    c.close(fd);
    throw error;
  }
  const watch = watchReadable(fd, () => {
    const atMs = ms(Number(process.hrtime.bigint()) / 1e6);
    const datagram = receive(fd, 0);
    if (datagram === null) return;
    for (const found of decodeMessages(datagram)) {
      if (found.type === message.newAddress || found.type === message.deleteAddress) {
        const address = decodeAddress(found.body);
        if (address !== null)
          onEvent({ type: found.type === message.newAddress ? 'address-added' : 'address-removed', address, atMs });
      } else if (found.type === message.newLink) {
        const link = decodeLink(found.body);
        if (link !== null) onEvent({ type: 'link', link, atMs });
      }
    }
  });
  return {
    close() {
      watch.close();
      c.close(fd);
    },
  };
}
