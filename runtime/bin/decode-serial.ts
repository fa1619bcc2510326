/**
 * Recordings of a serial line: the bytes of one direction as they came, without times. (`cat /dev/ttyS0 >FILE`, or what socat -x writes as
 * raw data.)
 */
import { ClassicSplitter } from '../message/splitter.ts';

export interface SerialMessage {
  /** Where it starts in the recording [bytes from 0]. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SerialRecording {
  readonly messages: readonly SerialMessage[];
  /** Bytes that belong to no whole message: noise, halves at the beginning and at the end. */
  readonly skippedBytes: number;
}

const lineFeed = 0x0a;
const opening = Buffer.from('>>>');

/** The messages of a recording; null when there is no sign of one in the file. */
export function readSerial(file: Uint8Array): SerialRecording | null {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (!bytes.subarray(0, opening.length).equals(opening) && !bytes.includes('\n>>>')) return null;
  const splitter = new ClassicSplitter();
  const messages: SerialMessage[] = [];
  let offset = 0;
  let taken = 0;
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(lineFeed, start);
    const end = feed === -1 ? bytes.length : feed + 1;
    const line = bytes.subarray(start, end);
    if (line.subarray(0, opening.length).equals(opening)) offset = start;
    for (const message of splitter.push(line)) {
      messages.push({ offset, bytes: message });
      taken += end - offset;
    }
    start = end;
  }
  return { messages, skippedBytes: bytes.length - taken };
}
