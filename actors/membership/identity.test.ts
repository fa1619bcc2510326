import { describe, expect, it } from 'vitest';
import {
  formatGenerationFile,
  formatUuid,
  nextGeneration,
  parseDecimal,
  parseHex,
  parseUuidFile,
  uuidFromNodeName,
} from './identity.ts';

describe('uuid', () => {
  it('of a node name is the one that heartbeat derives', () => {
    expect(formatUuid(uuidFromNodeName('node1'))).toBe('90b8de77-08c8-7a6c-fef1-993a43051dba');
    expect(formatUuid(uuidFromNodeName('node2'))).toBe('f3727cf5-aae8-2f22-b5f6-03e93235dadc');
  });

  it('file: the first 16 bytes; short or nil means none', () => {
    const bytes = Uint8Array.from({ length: 20 }, (_, index) => index);
    expect(parseUuidFile(bytes)).toEqual(bytes.slice(0, 16));
    expect(parseUuidFile(bytes.slice(0, 15))).toBeNull();
    expect(parseUuidFile(new Uint8Array(16))).toBeNull();
  });
});

describe('generation file', () => {
  it.each([
    ['     1795345119\n', 1795345120, null],
    ['              7\nrest', 8, null],
    [null, 5001, 'No Previous generation - starting at 5001'],
    ['', 5001, 'No Previous generation - starting at 5001'],
    ['garbage\n', 5001, 'BROKEN previous generation - starting at 5001'],
    ['             -4\n', 5001, 'BROKEN previous generation - starting at 5001'],
  ])('%j at 5000 s starts generation %d', (content, generation, note) => {
    expect(nextGeneration(content, 5000.9)).toEqual({ generation, note });
  });

  it('has 16 bytes, the number right-aligned', () => {
    expect(formatGenerationFile(1795345119)).toBe('     1795345119\n');
    expect(nextGeneration(formatGenerationFile(41), 0).generation).toBe(42);
  });
});

describe('numbers of the wire', () => {
  it.each([
    ['0', 0],
    ['1F40', 8000],
    ['6b02d1f8', 0x6b02d1f8],
    ['', null],
    ['0x1', null],
    [' 1', null],
    ['fffffffffffff', null],
    [undefined, null],
  ])('hex %j is %j', (text, value) => expect(parseHex(text)).toBe(value));
  it.each([
    ['18', 18],
    ['1f', null],
    ['-1', null],
    ['', null],
    [undefined, null],
  ])('decimal %j is %j', (text, value) => expect(parseDecimal(text)).toBe(value));
});
