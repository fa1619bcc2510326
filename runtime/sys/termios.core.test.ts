import { describe, expect, it } from 'vitest';
import { readU32, writeU32 } from './native.ts';
import { heartbeatLineSettings, termiosBytes } from './termios.core.ts';

/** Settings as `stty -g` prints them: four words of flags and 17 control characters, in hexadecimal. */
function fromStty(text: string): Uint8Array {
  const numbers = text.split(':').map((number) => Number.parseInt(number, 16));
  const bytes = new Uint8Array(termiosBytes);
  numbers.slice(0, 4).forEach((word, index) => {
    writeU32(bytes, 4 * index, word);
  });
  bytes.set(numbers.slice(4, 23), 17);
  return bytes;
}

function toStty(bytes: Uint8Array): string {
  const words = [0, 4, 8, 12].map((offset) => readU32(bytes, offset));
  return [...words, ...bytes.slice(17, 36)].map((number) => number.toString(16)).join(':');
}

// Recorded on a pseudo-terminal that socat had made raw, before and after the real Heartbeat 3.0.6 opened it with `baud 38400`.
const before = '0:4:bf:8a30:3:1c:7f:15:4:0:1:0:11:13:1a:0:12:f:17:16:0:0:0';
const after38400 = 'b2:4:800008bf:8a30:3:1c:7f:15:4:1:1:0:11:13:1a:0:12:f:17:16:0:0:0';

describe('the settings of a serial line', () => {
  it('are those of the real Heartbeat', () => {
    expect(toStty(heartbeatLineSettings(fromStty(before), 38_400))).toBe(after38400);
  });

  it('take back what a terminal for people does to the bytes', () => {
    // `stty sane` on a console: break, parity and newline handling, flow control by ^S and ^Q, line editing, echo, signals.
    const settings = heartbeatLineSettings(
      fromStty('6d0f:5:3cbd:8a3b:3:1c:7f:15:4:0:0:0:11:13:1a:0:12:f:17:16:0:0:0'),
      9_600,
    );
    const [input = 0, output = 0, control = 0, local = 0] = [0, 4, 8, 12].map((offset) => readU32(settings, offset));
    expect(input & 0o1, 'IGNBRK').toBe(0);
    expect(input & 0o17400, 'ICRNL IUCLC IXON IXANY IXOFF').toBe(0);
    expect(output & 1, 'OPOST').toBe(0);
    expect(control & 0o400, 'PARENB').toBe(0);
    expect(local & 0o13, 'ISIG ICANON ECHO').toBe(0);
    expect(local & ~0o13, 'the rest stays').toBe(0x8a30);
  });

  it.each([
    [9_600, 0o15],
    [19_200, 0o16],
    [38_400, 0o17],
    [57_600, 0o10001],
    [115_200, 0o10002],
    [230_400, 0o10003],
    [460_800, 0o10004],
  ])('have the speed of %s baud, and receive at the same one', (baud, code) => {
    const present = fromStty(before);
    writeU32(present, 8, readU32(present, 8) | (0o15 << 16));
    const control = readU32(heartbeatLineSettings(present, baud), 8);
    expect(control & 0o10017).toBe(code);
    expect((control >>> 16) & 0o10017, 'no speed of receiving apart').toBe(0);
  });

  it('cannot have a speed that ha.cf does not know, and the given ones are not changed', () => {
    const given = fromStty(before);
    expect(() => heartbeatLineSettings(given, 300)).toThrow(RangeError);
    heartbeatLineSettings(given, 9_600);
    expect(toStty(given)).toBe(before);
  });
});
