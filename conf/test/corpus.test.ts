/** Every recorded start of Heartbeat 3.0.6: the same verdict, and the same words in its log. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { countErrors } from '../diagnostics.ts';
import { readConfiguration } from '../read.ts';
import { hostWith } from './fake-system.ts';

interface Case {
  readonly name: string;
  readonly ha_cf: string | null;
  readonly authkeys: string | null;
  readonly authkeys_mode: string;
  readonly haresources: string | null;
  readonly exit: number;
  readonly running: boolean;
  readonly stderr: readonly string[];
}

const directory = new URL('../../test/corpus/config-cases/', import.meta.url);
const cases = readdirSync(directory)
  .filter((name) => name.endsWith('.json'))
  .flatMap((name): Case[] => JSON.parse(readFileSync(new URL(name, directory), 'utf8')));

/** Where the verdict is meant to differ from "it goes on running": none so far; a daemon that dies right after its start counts as refused. */
const otherVerdict: Readonly<Record<string, string>> = {};

/** Where the words are meant to differ. */
const otherWords: Readonly<Record<string, string>> = {
  'ucast bad if': 'refused when read, not after the start (configuration.md section 12)',
  'ucast bad if log': 'the same',
  'nice_failback on (no auto_failback)': 'on counts as auto_failback off, as the original texts promise (section 12)',
  'debug 256': 'the original only adds debug lines',
};

/** Lines that say something of the recording or of parts that Systole does not have. */
function isNoise(line: string): boolean {
  return (
    /^heartbeat: (baudrate|udpport) setting must precede media statements$/.test(line) ||
    line.includes('Initializing connection to logging daemon failed') ||
    / debug: /.test(line)
  );
}

/** Severity and text of the recorded lines; a message that holds a newline is put together again. */
function recordedTexts(stderr: readonly string[]): string[] {
  const texts: string[] = [];
  for (const line of stderr.filter((candidate) => candidate !== '' && !isNoise(candidate))) {
    if (line.startsWith('] ')) texts[texts.length - 1] += line;
    else texts.push(line.replace(/^(TIME \S+ heartbeat: \[PID\]: |heartbeat\[PID\]: TIME )/, ''));
  }
  return texts;
}

/** What authkeys holds is hidden in our texts: compare around it. */
function matches(ours: string, theirs: string | undefined): boolean {
  if (theirs === undefined) return false;
  const pattern = ours.split('(hidden)').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pattern.join('.*')}$`, 's').test(theirs);
}

function read(entry: Case) {
  const system = hostWith({
    haCf: entry.ha_cf,
    authkeys: entry.authkeys,
    authkeysMode: Number.parseInt(entry.authkeys_mode, 8),
    haresources: entry.haresources,
  });
  return readConfiguration({ configDir: '/etc/ha.d', hostname: 'node1', system });
}

describe('recorded configurations', () => {
  it('has the whole corpus', () => {
    expect(cases.length).toBeGreaterThan(100);
  });

  it.each(cases.map((entry) => [entry.name, entry] as const))('%s: same verdict', (name, entry) => {
    const { settings, diagnostics } = read(entry);
    const starts = entry.exit === 0 && entry.running;
    expect({ starts: settings !== null, errors: countErrors(diagnostics) > 0 }, otherVerdict[name]).toEqual({
      starts,
      errors: !starts,
    });
  });

  it.each(cases.filter(({ name }) => !Object.hasOwn(otherWords, name)).map((entry) => [entry.name, entry] as const))(
    '%s: same words',
    (_name, entry) => {
      const ours = read(entry).originalLog.filter((line) => !isNoise(line));
      const theirs = recordedTexts(entry.stderr);
      expect(ours.map((line, index) => (matches(line, theirs[index]) ? theirs[index] : line))).toEqual(theirs);
    },
  );
});
