/**
 * Where the encoders write: one growing buffer, reused for every message of a thread, so that the hot path makes no
 * intermediate objects.
 */
import { CodecError } from '../errors.ts';
import { isFieldName } from './parse.ts';
import { textToBytes } from './text.ts';

export class ByteWriter {
  bytes: Buffer;
  length = 0;

  constructor(capacityBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  /** Makes room for more bytes; what is written stays. */
  reserve(moreBytes: number): void {
    if (this.length + moreBytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * (this.length + moreBytes));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** Writes a string of which {@link textSize} gave `sizeBytes`. */
  text(value: string, sizeBytes: number): void {
    this.reserve(sizeBytes);
    if (value.length !== sizeBytes) {
      this.bytes.set(textToBytes(value), this.length);
    } else if (sizeBytes > 64) {
      this.bytes.write(value, this.length, sizeBytes, 'latin1');
    } else {
      // A short string is copied faster here than by a call into native code.
      const { bytes, length } = this;
      for (let at = 0; at < sizeBytes; at++) bytes[length + at] = value.charCodeAt(at);
    }
    this.length += sizeBytes;
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    if (value.length > 64) {
      this.bytes.set(value, this.length);
    } else {
      const { bytes, length } = this;
      for (let at = 0; at < value.length; at++) bytes[length + at] = value[at] ?? 0;
    }
    this.length += value.length;
  }

  /** Writes a number of 0 or more in decimal. */
  decimal(value: number): void {
    const digits = decimalDigits(value);
    this.reserve(digits);
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      const tenth = Math.floor(rest / 10);
      this.bytes[at] = 0x30 + rest - 10 * tenth;
      rest = tenth;
    }
    this.length += digits;
  }

  /** Writes the elements of a list: `N:elem,` repeated. */
  list(elements: readonly string[]): void {
    for (const element of elements) {
      const sizeBytes = textSize(element);
      this.decimal(sizeBytes);
      this.byte(0x3a);
      this.text(element, sizeBytes);
      this.byte(0x2c);
    }
  }

  /** A copy of what is written, with memory of its own (it can be transferred to another thread). */
  take(): Uint8Array {
    const copy = new Uint8Array(this.length);
    copy.set(this.bytes.subarray(0, this.length));
    return copy;
  }
}

/** How many decimal digits a number of 0 or more has. */
export function decimalDigits(value: number): number {
  let digits = 1;
  for (let limit = 10; value >= limit; limit *= 10) digits++;
  return digits;
}

/** Size of a string on the wire [bytes]. @throws CodecError when it has a NUL */
export function textSize(text: string): number {
  let seen = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0)
      throw new CodecError('HB_CODEC_FIELD', 'a string with a NUL byte cannot be sent: use a binary field');
    seen |= code;
  }
  return seen < 0x80 ? text.length : textToBytes(text).length;
}

/** Size of the value of a list field [bytes]. */
export function listSize(elements: readonly string[]): number {
  let sizeBytes = 0;
  for (const element of elements) {
    const elementBytes = textSize(element);
    sizeBytes += decimalDigits(elementBytes) + elementBytes + 2;
  }
  return sizeBytes;
}

/** Names that were found good; they are few in practice, the bound keeps hostile ones from filling memory. */
const goodNames = new Set<string>();

/** Size of a field name [bytes]. @throws CodecError when it is no name for both formats */
export function nameSize(name: string): number {
  if (!goodNames.has(name)) {
    if (!isFieldName(name))
      throw new CodecError('HB_CODEC_FIELD', `not a field name: ${JSON.stringify(name)}`, { name });
    const sizeBytes = textSize(name);
    if (sizeBytes !== name.length || goodNames.size >= 500) return sizeBytes;
    goodNames.add(name);
  }
  return name.length;
}
