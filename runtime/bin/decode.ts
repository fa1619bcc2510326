/**
 * `systole decode`: what the nodes said to each other, from a packet capture.
 *
 * Shown are UDP datagrams to the heartbeat port (`--port`, else 694) and to every port on which the capture has at
 * least one valid message, and ICMP echoes whose payload starts as a message; everything else (mDNS, neighbour
 * discovery, ordinary pings) is left out. A file that is no capture is taken for a recording of a serial line, when it looks like one.
 */
import { readFile } from 'node:fs/promises';
import type { AuthKeys } from '../../conf/settings.ts';
import { type Datagram, Dissector } from '../dissect.ts';
import { type DecodeResult, decodeDatagram } from '../message/datagram.ts';
import { looksLikeCapture, readCapture } from '../pcap.ts';
import { jsonLine } from './decode-json.ts';
import { readKeysFile } from './decode-keys.ts';
import { readSerial, type SerialRecording } from './decode-serial.ts';
import { textLines } from './decode-text.ts';
import { Listener, type Verdict } from './decode-verdict.ts';
import { type ExitCode, exitCode } from './exit-codes.ts';
import type { Io } from './io.ts';

export interface DecodeOptions {
  readonly file: string;
  /**
   * Keys to check signatures with; without them a signed message is `unknown-key`. Its mode is not looked at: it may
   * be a copy.
   */
  readonly authkeysFile: string | null;
  readonly json: boolean;
  /** The heartbeat port: messages to other ones are then `wrong-port`. Null is 694, and no message is to a wrong port. */
  readonly port: number | null;
}

/** ha.cf `udpport`, and IANA's `ha-cluster`. */
const defaultPort = 694;

/** Where a packet was found. */
type Place =
  | {
      readonly kind: 'capture';
      /** [s since 1970] */
      readonly timeS: number;
      /** `ip:port`; `ip` for an echo. */
      readonly source: string;
      readonly destination: string;
      /** Null for an echo. */
      readonly port: number | null;
    }
  /** [bytes from the start of the recording] */
  | { readonly kind: 'serial'; readonly offset: number };

/** One packet that counts, decoded and judged. */
export interface DecodedPacket {
  readonly at: Place;
  readonly result: DecodeResult;
  readonly verdict: Verdict;
}

/**
 * Prints one line a packet on `io.out`, remarks on `io.err`.
 *
 * @returns 0 when every datagram that counts is a heartbeat message (whatever its signature is worth); 1 when one is
 *   not, when there is none, or when a file cannot be read
 */
export async function runDecode(options: DecodeOptions, io: Io): Promise<ExitCode> {
  const fail = (path: string, problem: string): ExitCode => {
    io.err(`systole decode: ${path}: ${problem}\n`);
    return exitCode.general;
  };
  let keys: AuthKeys | null = null;
  if (options.authkeysFile !== null) {
    const read = await readKeysFile(options.authkeysFile);
    if (!read.ok) return fail(options.authkeysFile, read.problem);
    keys = read.keys;
  }
  const file = await readWhole(options.file);
  if (typeof file === 'string') return fail(options.file, file);

  const serial = looksLikeCapture(file) ? null : readSerial(file);
  const { found, remarks, damaged } =
    serial === null ? fromCapture(file, keys, options.port ?? defaultPort) : fromSerial(serial, keys);
  const listener = new Listener(keys, options.port);
  const packets = found.map(({ at, result }): DecodedPacket => {
    const port = at.kind === 'capture' ? at.port : null;
    return { at, result, verdict: listener.next(result, port) };
  });
  print(options.json ? packets.map(jsonLine) : textLines(packets), io);
  for (const remark of remarks) fail(options.file, remark);
  if (!options.json) summarize(packets, keys, io);
  if (packets.length === 0) return fail(options.file, 'no heartbeat packet in it (another port? see --port)');
  return damaged || packets.some(({ result }) => !result.ok) ? exitCode.general : exitCode.ok;
}

async function readWhole(path: string): Promise<Uint8Array | string> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return `cannot be read: ${error.message}`;
    throw error;
  }
}

type Found = Omit<DecodedPacket, 'verdict'>;

interface Findings {
  readonly found: readonly Found[];
  readonly remarks: readonly string[];
  /** True when the file could not be read to its end. */
  readonly damaged: boolean;
}

function fromSerial({ messages, skippedBytes }: SerialRecording, keys: AuthKeys | null): Findings {
  const found = messages.map(
    ({ offset, bytes }): Found => ({ at: { kind: 'serial', offset }, result: decodeDatagram(bytes, keys) }),
  );
  const remarks = skippedBytes === 0 ? [] : [`${count(skippedBytes, 'byte')} of the line belong to no whole message`];
  return { found, remarks, damaged: false };
}

function fromCapture(file: Uint8Array, keys: AuthKeys | null, port: number): Findings {
  const { datagrams, remarks, damaged } = collect(file);
  return { found: decodeAll(datagrams, keys, port), remarks, damaged };
}

interface TimedDatagram {
  readonly timeS: number;
  readonly datagram: Datagram;
}

interface Collected {
  readonly datagrams: readonly TimedDatagram[];
  readonly remarks: readonly string[];
  readonly damaged: boolean;
}

function collect(file: Uint8Array): Collected {
  const dissector = new Dissector();
  const datagrams: TimedDatagram[] = [];
  const unknownLinks = new Set<number>();
  const capture = readCapture(file);
  let step = capture.next();
  for (; !step.done; step = capture.next()) {
    const { timeS, bytes, linkType } = step.value;
    const datagram = dissector.next(bytes, linkType);
    if (datagram === 'unknown-link') unknownLinks.add(linkType);
    else if (datagram !== null) datagrams.push({ timeS, datagram });
  }
  const remarks: string[] = [];
  for (const linkType of unknownLinks) remarks.push(`link type ${linkType} is not known: its packets are left out`);
  if (dissector.incomplete > 0)
    remarks.push(`${dissector.incomplete} fragmented datagrams are not complete in the capture`);
  if (step.value !== null) remarks.push(step.value);
  return { datagrams, remarks, damaged: step.value !== null };
}

/** Decodes the datagrams that count, in the order of the capture. */
function decodeAll(datagrams: readonly TimedDatagram[], keys: AuthKeys | null, port: number): readonly Found[] {
  const decoded = datagrams
    .filter(({ datagram }) => datagram.kind === 'udp' || startsAsMessage(datagram.payload))
    .map(({ timeS, datagram }) => ({ timeS, datagram, result: decodeOne(datagram, keys) }));
  const ports = new Set([port]);
  for (const { datagram, result } of decoded) if (result.ok) ports.add(datagram.destinationPort);
  return decoded
    .filter(({ datagram }) => datagram.kind !== 'udp' || ports.has(datagram.destinationPort))
    .map(({ timeS, datagram, result }) => ({
      at: {
        kind: 'capture',
        timeS,
        source: endpoint(datagram, datagram.source, datagram.sourcePort),
        destination: endpoint(datagram, datagram.destination, datagram.destinationPort),
        port: datagram.kind === 'udp' ? datagram.destinationPort : null,
      },
      result,
    }));
}

function decodeOne({ payload, missingBytes }: Datagram, keys: AuthKeys | null): DecodeResult {
  if (missingBytes === 0) return decodeDatagram(payload, keys);
  const reason = `the capture has only ${payload.length} of ${payload.length + missingBytes} bytes: capture whole packets (tcpdump -s 0)`;
  return { ok: false, reason, atByte: payload.length };
}

function startsAsMessage(payload: Uint8Array): boolean {
  const start = Buffer.from(payload.subarray(0, 4)).toString('latin1');
  return start === '###\n' || start === '>>>\n';
}

function endpoint({ kind, family }: Datagram, address: string, port: number): string {
  if (kind !== 'udp') return address;
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

function print(lines: readonly string[], io: Io): void {
  const linesAtOnce = 500;
  for (let at = 0; at < lines.length; at += linesAtOnce) io.out(`${lines.slice(at, at + linesAtOnce).join('\n')}\n`);
}

function summarize(packets: readonly DecodedPacket[], keys: AuthKeys | null, io: Io): void {
  const broken = packets.filter(({ result }) => !result.ok).length;
  const copies = packets.filter(({ verdict }) => verdict.refused?.reason === 'copy').length;
  const refused = packets.filter(({ verdict }) => verdict.refused !== null).length - broken - copies;
  if (keys === null && packets.length > 0) io.err('signatures are not checked: give --authkeys FILE\n');
  if (broken > 0)
    io.err(`${count(broken, 'datagram')} of ${packets.length} to the heartbeat port: no heartbeat message\n`);
  if (refused > 0) io.err(`${count(refused, 'message')} of ${packets.length}: a node would not accept\n`);
  if (copies > 0) io.err(`${count(copies, 'message')} of ${packets.length}: heard before\n`);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
