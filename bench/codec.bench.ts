/**
 * What one status message costs in the codec: decode + verify and encode + sign, for each method and format.
 *
 * `node bench/codec.bench.ts [--json] [--seconds N]`. `--seconds` is the time of each row [s], default 0.5.
 *
 * The last lines are the rate at which one core decodes and verifies: netstring statuses with sha1, each different from the one before, counted by
 * the CPU time of all threads of the process, so that a garbage collector that works on another core is paid for; in a process of its own with
 * Node's settings of V8, and in one with those of the daemon, which does without the optimizing compiler. The rows before are the best of ten runs
 * over one and the same packet, with Node's settings.
 *
 * A node with 3 peers on 2 links at keepalive 100 ms receives 60 messages a second and signs 10, so
 * anything under 100 µs is not what limits it; the number to watch is the garbage, which is paid for at a moment
 * nobody chose.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as v from 'valibot';
import type { AuthKeys } from '../conf/settings.ts';
import { v8Flags } from '../runtime/bin/commands/start.ts';
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

/** How fast packets that differ are decoded and verified. */
const rateForm = v.object({
  packets: v.number(),
  /** By the clock. */
  messagesPerSecond: v.number(),
  /** By the CPU time of all threads of the process. */
  messagesPerCpuSecond: v.number(),
});
type Rate = v.InferOutput<typeof rateForm>;

/** {@link measureRate} in a process of its own. */
function rateWith(flags: readonly string[], seconds: number): Rate {
  const argv = [...flags, fileURLToPath(import.meta.url), '--rate', '--seconds', String(seconds)];
  return v.parse(rateForm, JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' })));
}

/** @param seconds [s, > 0]; the compilers get as much before */
function measureRate(seconds: number): Rate {
  const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'sha1', key: 'correct-horse' }] };
  const packets = Array.from({ length: 4_096 }, (_, number) =>
    encodeDatagram(
      status.map((entry) => (entry[0] === 'seq' ? field('seq', (number + 1).toString(16)) : entry)),
      { msgfmt: 'netstring', keys },
    ),
  );
  const round = (): void => {
    for (const packet of packets) {
      const result = decodeDatagram(packet, keys);
      if (!result.ok || result.auth !== 'ok') throw new Error('the codec does not accept its own message');
    }
  };
  const rounds = (): Rate => {
    let count = 0;
    const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
    do {
      round();
      count += packets.length;
    } while (performance.now() - startMs < 1000 * seconds);
    const elapsedMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(startCpu);
    return {
      packets: count,
      messagesPerSecond: Math.round((1e3 * count) / elapsedMs),
      messagesPerCpuSecond: Math.round((1e6 * count) / (user + system)),
    };
  };
  rounds();
  return rounds();
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '0.5' },
    /** Only the rate of this process, as JSON. */
    rate: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
if (values.rate) process.stdout.write(`${JSON.stringify(measureRate(seconds))}\n`);
else report();

function report(): void {
  const results = measure(seconds);
  const rates = { node: rateWith([], seconds), daemon: rateWith(v8Flags, seconds) };
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ node: process.version, results, rates }, null, 2)}\n`);
    return;
  }
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
  process.stdout.write('\ndecode + verify of different statuses (sha1, netstring), messages/s\n');
  for (const [whose, rate] of Object.entries(rates)) {
    process.stdout.write(
      `with the ${whose}'s settings of V8: ${rate.messagesPerCpuSecond} for a second of CPU time, ${rate.messagesPerSecond} by the clock\n`,
    );
  }
}
