/** Two machines and a cable for the tests of system calls: network namespaces joined by a veth pair. Root only. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NodeCommand, NodeEvent } from '../fixtures/sys-node.ts';

const fixture = fileURLToPath(new URL('../fixtures/sys-node.ts', import.meta.url));

/** How long anything in these tests may take before it counts as never [ms]. */
const patienceMs = 10_000;

/** Runs a program and returns its output; a failure is an Error with what it printed. */
export function run(...[program, ...args]: [string, ...string[]]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Rejects when a promise takes longer than the lab's patience. */
export async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms in vain for ${what}`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is yes; rejects when the lab's patience is over. */
export async function until(what: string, ask: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (!(await ask())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${patienceMs} ms in vain for ${what}`);
    await sleep(25);
  }
}

/** One machine: a process inside a namespace. */
export class LabNode {
  readonly namespace: string;
  readonly events: NodeEvent[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  readonly #watchers = new Set<() => void>();

  constructor(namespace: string) {
    this.namespace = namespace;
    this.#child = spawn('ip', ['netns', 'exec', namespace, process.execPath, fixture], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const said: { event?: NodeEvent; reply?: unknown; failed?: string } = JSON.parse(line);
      if (said.event !== undefined) {
        this.events.push(said.event);
        for (const watcher of this.#watchers) watcher();
      } else if (said.failed !== undefined) this.#answers.shift()?.reject(new Error(said.failed));
      else this.#answers.shift()?.resolve(said.reply);
    });
    this.#child.on('exit', () => {
      for (const { reject } of this.#answers) reject(new Error(`the node in ${namespace} has ended`));
    });
  }

  /** Sends a command and resolves with its answer, or rejects with the node's error. */
  ask(command: NodeCommand): Promise<unknown> {
    const answer = new Promise<unknown>((resolve, reject) => this.#answers.push({ resolve, reject }));
    this.#child.stdin.write(`${JSON.stringify(command)}\n`);
    return soon(`an answer to ${command.type} in ${this.namespace}`, answer);
  }

  /** Resolves when an event that fits was said, now or before. */
  seen(what: string, fits: (event: NodeEvent) => boolean): Promise<void> {
    let watcher: () => void = () => undefined;
    const found = new Promise<void>((resolve) => {
      watcher = () => {
        if (this.events.some(fits)) resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
    return soon(`${what} in ${this.namespace}`, found).finally(() => this.#watchers.delete(watcher));
  }

  heard(text: string): Promise<void> {
    return this.seen(`the datagram "${text}"`, (event) => event.type === 'heard' && event.text === text);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await soon(`the end of the node in ${this.namespace}`, exit);
  }
}

/** Two machines with eth0 (10.77.0.1 and .2) and eth1 (10.77.1.1 and .2), each cable a veth pair. */
export interface Lab {
  readonly a: LabNode;
  readonly b: LabNode;
  /** Takes both ends of everything away. */
  remove(): Promise<void>;
}

/** @param name short and different in every test file: it is part of the namespaces' names */
export function makeLab(name: string): Lab {
  const [first, second] = [`sys-${name}-${process.pid}-a`, `sys-${name}-${process.pid}-b`] as const;
  const namespaces: string[] = [];
  const removeNamespaces = (): void => {
    for (const namespace of namespaces.splice(0)) run('ip', 'netns', 'delete', namespace);
  };
  // Also when the test run is broken off: then no hook is called.
  process.once('exit', removeNamespaces);
  try {
    for (const namespace of [first, second]) {
      run('ip', 'netns', 'add', namespace);
      namespaces.push(namespace);
      run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
      // Else IPv6 addresses cannot be used for the first second or two.
      run('ip', 'netns', 'exec', namespace, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad');
    }
    for (const [number, device] of ['eth0', 'eth1'].entries()) {
      run('ip', '-n', first, 'link', 'add', device, 'type', 'veth', 'peer', 'name', device, 'netns', second);
      for (const [host, namespace] of [first, second].entries()) {
        run('ip', '-n', namespace, 'address', 'add', `10.77.${number}.${host + 1}/24`, 'broadcast', '+', 'dev', device);
        run('ip', '-n', namespace, 'link', 'set', device, 'up');
      }
    }
  } catch (error) {
    removeNamespaces();
    throw error;
  }
  const a = new LabNode(first);
  const b = new LabNode(second);
  return {
    a,
    b,
    remove: async () => {
      await Promise.allSettled([a.end(), b.end()]);
      removeNamespaces();
      process.off('exit', removeNamespaces);
    },
  };
}
