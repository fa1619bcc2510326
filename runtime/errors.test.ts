import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  AgentError,
  ConfigError,
  ERROR_CODES,
  fromWire,
  HbError,
  RETIRED_CODES,
  SystemCallError,
  toWire,
} from './errors.ts';

/** Sends an error as the threads do: as plain data through a structured clone. */
function across(error: unknown): Error {
  return fromWire(structuredClone(toWire(error)));
}

describe('the reference page', () => {
  const page = readFileSync(new URL('./ERRORS.md', import.meta.url), 'utf8');
  const sections = page.split(/^## /m).slice(1);
  const described = sections.flatMap((section) => {
    const family = section.split('\n')[0];
    return [...section.matchAll(/^\| `(HB_[A-Z_]+)` \|/gm)].map((match) => `${match[1]} ${family}`);
  });

  it('describes every code under its class, once, and none that is gone', () => {
    expect(described.toSorted()).toEqual(
      Object.entries(ERROR_CODES)
        .map(([code, family]) => `${code} ${family}`)
        .toSorted(),
    );
  });

  it('never has a retired code again', () => {
    for (const code of RETIRED_CODES) expect(Object.keys(ERROR_CODES)).not.toContain(code);
  });
});

describe('an error that crosses a thread', () => {
  it('keeps class, code, message, details, stack and cause', () => {
    const cause = new SystemCallError('HB_SYSTEM_CALL', 'bind: EADDRINUSE', { errno: 'EADDRINUSE' });
    const error = new ConfigError('HB_CONFIG_VALUE', 'port 694 is in use', { line: 3 }, { cause });
    const arrived = across(error);
    expect(arrived).toBeInstanceOf(ConfigError);
    expect(arrived).toMatchObject({ name: 'ConfigError', code: 'HB_CONFIG_VALUE', details: { line: 3 } });
    expect(arrived.message).toBe(error.message);
    expect(arrived.stack).toBe(error.stack);
    expect(arrived.cause).toBeInstanceOf(SystemCallError);
    expect(arrived.cause).toMatchObject({ code: 'HB_SYSTEM_CALL', details: { errno: 'EADDRINUSE' } });
  });

  it('keeps the facts of errors from elsewhere', () => {
    const system = Object.assign(new Error('listen EACCES'), { code: 'EACCES', errno: -13, syscall: 'listen' });
    expect(across(system)).toMatchObject({ message: 'listen EACCES', code: 'EACCES', errno: -13, syscall: 'listen' });
    expect(across(new RangeError('too much'))).toBeInstanceOf(RangeError);
  });

  it('carries what was no error as text', () => {
    expect(across('just text')).toMatchObject({ message: 'just text' });
    expect(across(undefined)).toMatchObject({ message: 'undefined' });
    expect(across(Object.create(null)).message).toBe('[object Object]');
  });

  it('replaces details that cannot be cloned by their text', () => {
    const error = new AgentError('HB_AGENT_FAILED', 'odd', { callback: () => 1, action: 'start' });
    const arrived = across(error);
    expect(arrived).toBeInstanceOf(HbError);
    expect(arrived).toMatchObject({ details: { callback: '() => 1', action: 'start' } });
  });

  it('cuts a chain of causes that never ends', () => {
    const error = new Error('snake');
    error.cause = error;
    let depth = 0;
    for (let at: unknown = across(error); at instanceof Error; at = at.cause) depth += 1;
    expect(depth).toBe(9);
  });

  it('does not trust a code it does not know', () => {
    const arrived = fromWire({ ...toWire(new Error('from the future')), code: 'HB_NEWER', family: 'NewerError' });
    expect(arrived).not.toBeInstanceOf(HbError);
    expect(arrived).toMatchObject({ name: 'NewerError', code: 'HB_NEWER' });
  });
});
