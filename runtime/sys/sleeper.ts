/**
 * How a thread that beats sleeps: in one `ppoll` of our own, which ends when a descriptor can be read, when a timer is due (to the nanosecond,
 * as the kernel allows), or when Node's event loop has something to do.
 *
 * Node's own event loop knows whole milliseconds and costs a thread some five system calls and a lot of code for each thing that wakes it. Here
 * a wake-up is one system call. Nothing of Node's is lost: the set holds the descriptor of its event loop (an epoll set, which can be waited for like any
 * other), and between two sleeps that loop turns once. While immediates are waiting there is no sleep at all; timers of Node's own, which
 * no descriptor tells of, are looked at every few milliseconds as long as there are any. {@link Clock} uses none of those in such a thread.
 *
 * The monotonic clock is CLOCK_MONOTONIC in milliseconds throughout.
 */
import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Ms, ms } from '../units.ts';
import { afInet, libc, sockCloexec, sockDgram, sockNonblock, type Watch } from './libc.ts';
import { letOthersRun } from './realtime.ts';

interface Entry {
  readonly atMs: number;
  /** How long before its instant the thread is awake [ms]. */
  readonly awakeMs: number;
  readonly fn: () => void;
}

interface Watched {
  readonly fd: number;
  readonly onReadable: () => void;
  closed: boolean;
}

/** POLLIN of <poll.h>. Hang-up and error are told without being asked for. */
const pollIn = 1;
/** POLLNVAL: no open descriptor. */
const pollInvalid = 0x20;
/** struct pollfd: descriptor; wanted and reported events, 16 bits each. */
const intsPerEntry = 2;
const reportedShift = 16;

/** The longest sleep [ms]: whatever nobody has thought of is not later than this. */
const longestMs = 999;
/** The longest sleep while Node has timers of its own [ms]: those are for things that take seconds. */
const longestBesideTimersMs = 4;

const monotonicMs = (): Ms => ms(Number(process.hrtime.bigint()) / 1e6);

/** One thread's sleep. See {@link sleepByOurselves}. */
export class Sleeper {
  readonly #loopFd: number;
  #watched: readonly Watched[] = [];
  readonly #entries: Entry[] = [];
  /** struct timespec. */
  readonly #timeout = new BigInt64Array(2);
  readonly #timeoutBytes = new Uint8Array(this.#timeout.buffer);
  #poll = new Int32Array(0);
  #pollBytes = new Uint8Array(0);
  readonly #turn = (): void => {
    try {
      this.#serve(this.#sleep());
    } finally {
      // Also after an error, which is the actor's end and nobody else's.
      setImmediate(this.#turn);
    }
  };

  /** @param loopFd the epoll set of this thread's event loop */
  constructor(loopFd: number) {
    this.#loopFd = loopFd;
    this.#rebuild();
    setImmediate(this.#turn);
  }

  /** Calls back whenever a descriptor can be read or was hung up, until closed. */
  watch(fd: number, onReadable: () => void): Watch {
    const watched: Watched = { fd, onReadable, closed: false };
    this.#watched = [...this.#watched, watched];
    this.#rebuild();
    return {
      close: () => this.#forget(watched),
      // The thread ends when its actor does.
      unref: () => undefined,
      ref: () => undefined,
    };
  }

  /**
   * Calls `fn` once, never before `atMs`.
   *
   * @param awakeMs how long before that the thread is awake and waits for it (>= 0 ms)
   * @returns takes the timer back
   */
  at(atMs: Ms, fn: () => void, awakeMs: number): () => void {
    const entry: Entry = { atMs, awakeMs, fn };
    const entries = this.#entries;
    let place = entries.length;
    while (place > 0 && (entries[place - 1]?.atMs ?? 0) > atMs) place--;
    entries.splice(place, 0, entry);
    return () => {
      const found = entries.indexOf(entry);
      if (found >= 0) entries.splice(found, 1);
    };
  }

  #rebuild(): void {
    this.#poll = new Int32Array(intsPerEntry * (this.#watched.length + 1));
    this.#pollBytes = new Uint8Array(this.#poll.buffer);
    [this.#loopFd, ...this.#watched.map(({ fd }) => fd)].forEach((fd, index) => {
      this.#poll[intsPerEntry * index] = fd;
      this.#poll[intsPerEntry * index + 1] = pollIn;
    });
  }

  /** @returns how many descriptors have news, the event loop's included; negative after a signal */
  #sleep(): number {
    const nowMs = monotonicMs();
    const patienceMs = this.#patienceMs();
    let wakeMs = nowMs + patienceMs;
    const entries = this.#entries;
    for (let at = 0; at < entries.length; at++) {
      const entry = entries[at];
      if (entry !== undefined && entry.atMs - entry.awakeMs < wakeMs) wakeMs = entry.atMs - entry.awakeMs;
    }
    const ready = this.#pollFor(wakeMs - nowMs);
    return ready === 0 && patienceMs > 0 ? this.#waitAwake() : ready;
  }

  /** The last fraction of a millisecond before an instant that must be met: how long waking up takes, nobody knows. */
  #waitAwake(): number {
    for (;;) {
      const nowMs = monotonicMs();
      const [first] = this.#entries;
      if (first === undefined || first.atMs <= nowMs) return 0;
      if (!this.#entries.some(({ atMs, awakeMs }) => awakeMs > 0 && atMs - awakeMs <= nowMs)) return 0;
      const ready = this.#pollFor(0);
      if (ready !== 0) return ready;
      letOthersRun();
    }
  }

  /** How long the event loop can do without us [ms]. */
  #patienceMs(): number {
    const active = process.getActiveResourcesInfo();
    if (active.includes('Immediate')) return 0;
    return active.includes('Timeout') ? longestBesideTimersMs : longestMs;
  }

  #pollFor(durationMs: number): number {
    const ns = Math.max(0, Math.ceil(durationMs * 1e6));
    // Never a second: see longestMs.
    this.#timeout[1] = BigInt(ns);
    return libc().ppoll(this.#pollBytes, this.#poll.length / intsPerEntry, this.#timeoutBytes, null);
  }

  /** Datagrams before timers: what has come in time is seen by what looks whether it has. */
  #serve(ready: number): void {
    if (ready > 0) {
      const poll = this.#poll;
      // A handler may open and close watches: these are the ones that the kernel was asked about.
      const watched = this.#watched;
      for (let index = 0; index < watched.length; index++) {
        const reported = (poll[intsPerEntry * (index + 1) + 1] ?? 0) >>> reportedShift;
        const one = watched[index];
        if (reported === 0 || one === undefined || one.closed) continue;
        // Closed behind our back: there will never be anything to read, and asking again would return at once for ever.
        if ((reported & pollInvalid) !== 0) this.#forget(one);
        else one.onReadable();
      }
    }
    for (let first = this.#entries[0]; first !== undefined && first.atMs <= monotonicMs(); first = this.#entries[0]) {
      this.#entries.shift();
      first.fn();
    }
  }

  #forget(one: Watched): void {
    if (one.closed) return;
    one.closed = true;
    this.#watched = this.#watched.filter((other) => other !== one);
    this.#rebuild();
  }
}

let current: Sleeper | null = null;

/** The sleep of the calling thread, where it is our own. */
export function sleeperOfThread(): Sleeper | null {
  return current;
}

/**
 * From now on the calling thread sleeps in {@link Sleeper}. For threads that end with their actor: the event loop is never empty from now on.
 * Without /proc everything stays as it is.
 */
export async function sleepByOurselves(): Promise<void> {
  const loopFd = await ownEventLoop();
  if (loopFd !== null) current ??= new Sleeper(loopFd);
}

/** So many turns of the event loop until it waits for a new socket. One is enough. */
const turnsToFind = 5;

/** The epoll set of this thread's event loop, which no interface tells: the one that waits for a socket that we have just opened. */
async function ownEventLoop(): Promise<number | null> {
  const fd = libc().socket(afInet, sockDgram | sockCloexec | sockNonblock, 0);
  if (fd < 0) return null;
  const mark = createSocket('udp4');
  mark.bind({ fd });
  try {
    for (let turn = 0; turn < turnsToFind; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      const found = epollSetWith(fd);
      if (found !== null) return found;
    }
    return null;
  } finally {
    mark.close();
  }
}

function epollSetWith(fd: number): number | null {
  const line = new RegExp(`^tfd:\\s+${fd}\\s`, 'm');
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`) !== 'anon_inode:[eventpoll]') continue;
      if (line.test(readFileSync(`/proc/self/fdinfo/${name}`, 'latin1'))) return Number(name);
    } catch {
      // Another thread has closed it meanwhile: it was not ours.
    }
  }
  return null;
}
