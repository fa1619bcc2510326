/**
 * What one status message costs in the codec: decode + verify and encode + sign, for each method and format.
 *
 * `node bench/codec.bench.ts [--json] [--seconds N]`. A node with 3 peers on 2 links at keepalive 100 ms receives 60 messages a second and signs 10, so
 * anything under 100 µs is not what limits it; the number to watch is the garbage, which is paid for at a moment
 * nobody chose.
 */
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AuthKeys } from '../conf/settings.ts';
import { decodeDatagram, encodeClassic, encodeDatagram } from '../runtime/message/datagram.ts';
import { binaryField, type FieldList, field } from '../runtime/message/message.ts';

/** A status as a node of a three-node cluster sends it, with its whole envelope. */
const status: FieldList = [
  field('t', 'status'),
  field('st', 'active'),
  field('dt', '2710'),
  field('protocol', '1'),
  field('src', 'node2.example.net'),
  binaryField('srcuuid', new Uint8Array(Buffer.from('00112233445566778899aabbccddeeff', 'hex'))),
  field('seq', '1a2b3'),
  field('hg', '6b02d1f8'),
  field('ts', '6b02caee'),
  field('ld', '0.42 0.31 0.25 2/512 104729'),
  field('ttl', '4'),
];

interface Result {
  readonly operation: 'decode+verify' | 'encode+sign';
  readonly method: 'crc' | 'md5' | 'sha1';
  /**
   * `netstring` and `netstring+auth` are what msgfmt netstring and classic put on UDP; `classic` is for serial lines.
   */
  readonly form: 'netstring' | 'netstring+auth' | 'classic';
  readonly sizeBytes: number;
  readonly messagesPerSecond: number;
  readonly microsecondsPerMessage: number;
  readonly allocatedBytesPerMessage: number;
}

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

/**
 * Bytes of heap and buffers that one call leaves to the collector: the median of several short runs, each without a
 * collection inside.
 */
function allocatedBytes(work: () => unknown): number {
  const calls = 1000;
  const samples: number[] = [];
  while (samples.length < 9) {
    if (typeof collectGarbage === 'function') collectGarbage();
    const before = process.memoryUsage();
    for (let call = 0; call < calls; call++) work();
    const after = process.memoryUsage();
    samples.push((after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers) / calls);
  }
  return Math.round(samples.sort((first, second) => first - second)[4] ?? 0);
}

/** Time of one call [µs]: the best of ten runs, since other work on the machine only ever adds. */
function microseconds(work: () => unknown, seconds: number): number {
  const runs = 10;
  const runMs = (1000 * seconds) / runs;
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    let calls = 0;
    const start = performance.now();
    let elapsed = 0;
    while (elapsed < runMs) {
      for (let call = 0; call < 200; call++) work();
      calls += 200;
      elapsed = performance.now() - start;
    }
    best = Math.min(best, (1000 * elapsed) / calls);
  }
  return best;
}

const forms = {
  netstring: (keys: AuthKeys) => encodeDatagram(status, { msgfmt: 'netstring', keys }),
  'netstring+auth': (keys: AuthKeys) => encodeDatagram(status, { msgfmt: 'classic', keys }),
  classic: (keys: AuthKeys) => encodeClassic(status, { keys, nul: true }),
} as const;

function measure(seconds: number): Result[] {
  const results: Result[] = [];
  for (const method of ['crc', 'md5', 'sha1'] as const) {
    const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method, key: method === 'crc' ? '' : 'correct-horse' }] };
    for (const form of ['netstring', 'netstring+auth', 'classic'] as const) {
      const encode = (): Uint8Array => forms[form](keys);
      const bytes = encode();
      const decode = (): boolean => {
        const result = decodeDatagram(bytes, keys);
        if (!result.ok || result.auth !== 'ok') throw new Error(`the codec does not accept its own ${form} message`);
        return true;
      };
      for (const [operation, work] of [
        ['decode+verify', decode],
        ['encode+sign', encode],
      ] as const) {
        const time = microseconds(work, seconds);
        results.push({
          operation,
          method,
          form,
          sizeBytes: bytes.length,
          messagesPerSecond: Math.round(1e6 / time),
          microsecondsPerMessage: Math.round(100 * time) / 100,
          allocatedBytesPerMessage: allocatedBytes(work),
        });
      }
    }
  }
  return results;
}

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, seconds: { type: 'string', default: '0.5' } },
});
const results = measure(Number(values.seconds));
if (values.json) {
  process.stdout.write(`${JSON.stringify({ node: process.version, results }, null, 2)}\n`);
} else {
  process.stdout.write(
    'operation      method  form            bytes  messages/s  µs/message  bytes allocated/message\n',
  );
  for (const result of results) {
    const cells = [
      result.operation.padEnd(13),
      result.method.padEnd(6),
      result.form.padEnd(14),
      String(result.sizeBytes).padStart(5),
      String(result.messagesPerSecond).padStart(10),
      result.microsecondsPerMessage.toFixed(2).padStart(10),
      String(result.allocatedBytesPerMessage).padStart(23),
    ];
    process.stdout.write(`${cells.join('  ')}\n`);
  }
}
