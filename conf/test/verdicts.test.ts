/** 1,100 more starts of Heartbeat 3.0.6, of which only the exit code was kept: the verdict must be the same, but for the list below. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readConfiguration } from '../read.ts';
import { type FakeFile, fakeSystem, recordedHost } from './fake-system.ts';

/** Texts are Latin-1: one character is one byte. Absent: the usual file; null: no file. */
interface Case {
  readonly haCf: string | null;
  readonly authkeys?: string | null;
  readonly mode?: string;
  readonly haresources?: string | null;
  readonly nodeinfo?: string;
  readonly exit: number;
}

const times = 'logfile /var/log/ha-log\nkeepalive 1\ndeadtime 10\nwarntime 5\ninitdead 20\nauto_failback on\n';
const nodes = 'node node1 node2\n';

/** Where we mean to be stricter or milder, and why. */
const exceptions: readonly { readonly pattern: RegExp; readonly starts: boolean; readonly because: string }[] = [
  {
    pattern: /^udpport (65536|99999999999)$/m,
    starts: false,
    because: 'a port over 65535 is refused, not truncated (section 12)',
  },
  { pattern: /^mcast6? \S+ \S+ (-1|70000) /m, starts: false, because: 'the same for multicast ports' },
  { pattern: /^mcast6 \S+ \S+ 0 /m, starts: false, because: 'port 0 cannot be listened on: mcast refuses it as well' },
  { pattern: /^mcast6? \S+ \S+ \S+ 25[67] /m, starts: false, because: 'a ttl over 255 is refused, not truncated' },
  {
    pattern: /^mcast6? \S+ \S+ \S+ 5 /m,
    starts: true,
    because: 'the documented range of ttl is up to 255 (section 12)',
  },
  {
    pattern: /^env (WORD|A|A B|A=1,2)$/m,
    starts: false,
    because: 'env without = reads past the word in the original (section 12)',
  },
  {
    pattern: /^ucast eth9 10/m,
    starts: false,
    because: 'an interface that does not exist is refused when read (section 12)',
  },
  {
    pattern: /^respawn root \/usr\/lib\/heartbeat\/ipfail$/m,
    starts: true,
    because: 'the old path stands for our own ipfail (section 13)',
  },
  {
    pattern: /^node node2\nping_group node1 /m,
    starts: false,
    because: 'a node that is only declared as a ping node takes part in nothing',
  },
];

const emptyName = 'nodeinfo with an empty first line gives a node without a name';
const duplicateKeys = 'two groups with one first resource are refused (section 12)';

const cases: Case[] = JSON.parse(readFileSync(new URL('verdicts.json', import.meta.url), 'utf8'));

function expand(entry: Case): string | null {
  return (
    entry.haCf
      ?.replace('@1', `${times}bcast eth0\n${nodes}`)
      .replace('@2', times + nodes)
      .replace('@3', times) ?? null
  );
}

function expectedStart(entry: Case, haCf: string): { readonly starts: boolean; readonly because: string } {
  const exception = exceptions.find(({ pattern }) => pattern.test(haCf));
  if (exception !== undefined) return exception;
  if (entry.nodeinfo?.startsWith('\n') === true) return { starts: false, because: emptyName };
  if (entry.exit === 0 && hasDuplicateKey(entry.haresources ?? '')) return { starts: false, because: duplicateKeys };
  return { starts: entry.exit === 0, because: `exit code ${entry.exit} of the original` };
}

function hasDuplicateKey(haresources: string): boolean {
  const keys = haresources
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => line.trim().split(/\s+/)[1])
    .filter((key) => key !== undefined && key !== '\\' && key !== '#');
  return new Set(keys).size < keys.length;
}

function file(text: string | null | undefined, usual: string | null, mode = 0o644): FakeFile | null {
  const content = text === undefined ? usual : text;
  return content === null ? null : { bytes: Buffer.from(content, 'latin1'), mode };
}

it.each(cases.map((entry) => [JSON.stringify(entry).slice(0, 160), entry] as const))('%s', (_name, entry) => {
  const haCf = expand(entry);
  const files = {
    'ha.cf': file(haCf, null),
    authkeys: file(entry.authkeys, 'auth 1\n1 sha1 secret\n', Number.parseInt(entry.mode ?? '600', 8)),
    haresources: file(entry.haresources, 'node1 10.77.0.200\n'),
    nodeinfo: file(entry.nodeinfo, null),
  };
  const present = Object.entries(files).flatMap(([name, content]) =>
    content === null ? [] : [[`/etc/ha.d/${name}`, content] as const],
  );
  const system = fakeSystem({
    ...recordedHost,
    interfaces: { ...recordedHost.interfaces, eth1: null, ethd: '10.78.0.1', 'eth0:0': null },
    hosts: { localhost: '127.0.0.1', '1.2': '1.0.0.2', '10.77': '10.0.0.77' },
    files: { ...recordedHost.files, ...Object.fromEntries(present) },
  });
  const { settings, diagnostics } = readConfiguration({ configDir: '/etc/ha.d/', hostname: 'node1', system });
  const { starts, because } = expectedStart(entry, haCf ?? '');
  const errors = diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  expect({ starts: settings !== null }, `${because}; ${errors.join(' | ')}`).toEqual({ starts });
});
