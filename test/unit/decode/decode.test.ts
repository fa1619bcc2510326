import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DecodeOptions, runDecode } from '../../../runtime/bin/decode.ts';
import { parseKeys } from '../../../runtime/bin/decode-keys.ts';
import type { Io } from '../../../runtime/bin/io.ts';
import { encodeClassic, encodeDatagram, encodeNetstring } from '../../../runtime/message/datagram.ts';
import { type FieldList, field } from '../../../runtime/message/message.ts';
import { corpusFiles, corpusPath } from '../message/corpus.ts';
import { latin1, nested, oneKey, sha1Keys, status } from '../message/vectors.ts';
import { ethernet, frames, icmp, ipv4, ipv6, pcap, udp } from './frames.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'systole-decode-'));
  await writeFile(join(folder, 'authkeys'), 'auth 1\n1 sha1 secretkey1\n2 crc\n', { mode: 0o644 });
});
afterAll(() => rm(folder, { recursive: true }));

interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(options: Partial<DecodeOptions> & { file: string }): Promise<Printed> {
  let out = '';
  let err = '';
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    color: false,
    columns: 80,
  };
  const code = await runDecode({ authkeysFile: null, json: false, port: null, ...options }, io);
  return { code, out, err };
}

/** Writes a capture with these Ethernet frames and decodes it with the keys of `authkeys`. */
async function decode(packets: readonly Uint8Array[], options: Partial<DecodeOptions> = {}): Promise<Printed> {
  const file = join(folder, 'capture.pcap');
  await writeFile(file, pcap(frames(...packets)));
  return run({ file, authkeysFile: join(folder, 'authkeys'), ...options });
}

function onUdp(bytes: Uint8Array, port = 694): Uint8Array {
  return ethernet(ipv4(udp(bytes, port)));
}

function echo(text: string): Uint8Array {
  return ethernet(ipv4(icmp(8, latin1(text)), { protocol: 1 }));
}

function jsonLines(out: string): unknown[] {
  return out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const statusBytes = encodeDatagram(status, { msgfmt: 'netstring', keys: sha1Keys });
const withSource = (fields: FieldList): FieldList => [
  ...fields,
  field('src', 'node1'),
  field('seq', 'ff'),
  field('ts', '1'),
];
const ping: FieldList = [
  field('t', 'NS_st'),
  field('st', 'ping'),
  field('info', 'ping'),
  field('src', '10.0.0.255'),
  field('ts', '6b02caee'),
];

describe('text', () => {
  test('is one aligned line a packet, with the verdict and why a node would not take it', async () => {
    const strangers = oneKey('sha1', 'stranger');
    const { code, out, err } = await decode([
      onUdp(statusBytes),
      onUdp(encodeClassic(status, { keys: oneKey('crc', '', 2), nul: true })),
      ethernet(ipv4(icmp(8, encodeDatagram(ping, { msgfmt: 'classic', keys: sha1Keys })), { protocol: 1 })),
      ethernet(ipv6(udp(encodeDatagram(withSource(nested), { msgfmt: 'classic', keys: sha1Keys }))), 0x86dd),
      onUdp(encodeDatagram(status, { msgfmt: 'classic', keys: strangers })),
      onUdp(encodeDatagram(status, { msgfmt: 'classic', keys: oneKey('md5', 'x', 9) })),
      onUdp(encodeNetstring(status)),
      onUdp(encodeDatagram([field('t', 'status')], { msgfmt: 'netstring', keys: sha1Keys })),
    ]);
    expect(out).toMatchInlineSnapshot(`
      "2023-11-14T22:13:20.000000Z  10.0.0.1:40000 → 10.0.0.255:694        netstring  status  node2       seq=1    gen=100  ok(1)           st=up dt=2710 protocol=1
      2023-11-14T22:13:20.100000Z  10.0.0.1:40000 → 10.0.0.255:694        classic    status  node2       seq=1    gen=100  ok(2)           st=up dt=2710 protocol=1  [a copy: number 1 came before]
      2023-11-14T22:13:20.200000Z  10.0.0.1 → 10.0.0.255                  netstring  NS_st   10.0.0.255  seq=-    gen=-    ok(1)           st=ping info=ping
      2023-11-14T22:13:20.300000Z  [fd00::1]:40000 → [ff12::1:2:3:4]:694  netstring  x       node1       seq=255  gen=-    ok(1)           s={a=1 b={c=2}} l=[abc, defg] q="two\\nlines"
      2023-11-14T22:13:20.400000Z  10.0.0.1:40000 → 10.0.0.255:694        netstring  status  node2       seq=1    gen=100  bad(1)          st=up dt=2710 protocol=1  [not accepted: its signature does not fit key 1 (sha1)]
      2023-11-14T22:13:20.500000Z  10.0.0.1:40000 → 10.0.0.255:694        netstring  status  node2       seq=1    gen=100  unknown-key(9)  st=up dt=2710 protocol=1  [not accepted: key 9 is not in authkeys]
      2023-11-14T22:13:20.600000Z  10.0.0.1:40000 → 10.0.0.255:694        netstring  status  node2       seq=1    gen=100  none            st=up dt=2710 protocol=1  [not accepted: it has no signature]
      2023-11-14T22:13:20.700000Z  10.0.0.1:40000 → 10.0.0.255:694        netstring  status  -           seq=-    gen=-    ok(1)           [not accepted: it has no field src]
      "
    `);
    expect(err).toMatchInlineSnapshot(`
      "4 messages of 8: a node would not accept
      1 message of 8: heard before
      "
    `);
    expect(code).toBe(0);
  });

  test('cannot steer the terminal', async () => {
    const fields = [
      field('t', 'x\u001b[2J'),
      field('a\u0007', 'b\u202ec\nd'),
      field('b', 'y'.repeat(200)),
      ...withSource([]),
    ];
    const { out } = await decode([onUdp(encodeDatagram(fields, { msgfmt: 'netstring', keys: sha1Keys }))]);
    const steering = [...out].filter(
      (character) => character !== '\n' && (character < ' ' || /[\x7f-\x9f\u202e]/.test(character)),
    );
    expect(steering).toEqual([]);
    expect(out.split('\n')).toHaveLength(2);
    expect(out).toContain('"x\\u001b[2J"');
    expect(out).toContain('"b\\u202ec\\nd"');
    expect(out).toContain('…(200 characters)');
  });
});

describe('JSON', () => {
  test('is one object a line with numbers, binary, lists and nested messages', async () => {
    const fields: FieldList = [
      ...withSource(nested),
      ['raw', 1, new Uint8Array([0, 255])],
      field('t', 'second'),
      field('hg', '64'),
    ];
    const { code, out, err } = await decode([onUdp(encodeDatagram(fields, { msgfmt: 'classic', keys: sha1Keys }))], {
      json: true,
    });
    expect(jsonLines(out)).toEqual([
      {
        ts: 1_700_000_000,
        src: '10.0.0.1:40000',
        dst: '10.0.0.255:694',
        format: 'netstring',
        type: 'x',
        node: 'node1',
        seq: 255,
        generation: 100,
        auth: 'ok',
        authIndex: 1,
        accepted: true,
        reason: null,
        why: null,
        lost: 0,
        fields: {
          t: 'x',
          s: { a: '1', b: { c: '2' } },
          l: ['abc', 'defg'],
          q: 'two\nlines',
          src: 'node1',
          seq: 'ff',
          ts: '1',
          raw: { base64: 'AP8=' },
          hg: '64',
        },
      },
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('has null for what is missing, and a place for a field called __proto__', async () => {
    const { out } = await decode([onUdp(encodeNetstring([field('__proto__', 'x')]))], { json: true });
    expect(jsonLines(out)).toMatchObject([
      { type: null, node: null, seq: null, generation: null, auth: 'none', authIndex: null },
    ]);
    expect(out).toContain('"fields":{"__proto__":"x"}');
  });

  test('of an IPv6 echo has plain addresses', async () => {
    const bytes = encodeDatagram(ping, { msgfmt: 'classic', keys: sha1Keys });
    const { out } = await decode([ethernet(ipv6(icmp(129, bytes), 58), 0x86dd)], { json: true });
    expect(jsonLines(out)).toMatchObject([{ src: 'fd00::1', dst: 'ff12::1:2:3:4', type: 'NS_st', auth: 'ok' }]);
  });

  test('without authkeys knows no key', async () => {
    const { code, out } = await decode([onUdp(statusBytes)], { json: true, authkeysFile: null });
    expect(jsonLines(out)).toMatchObject([{ auth: 'unknown-key', authIndex: 1, node: 'node2' }]);
    expect(code).toBe(0);
  });

  test('of a datagram that is no message is an error, and the command fails', async () => {
    const { code, out } = await decode([onUdp(latin1('garbage')), onUdp(statusBytes)], { json: true });
    expect(jsonLines(out)).toMatchObject([{ error: 'does not start as a heartbeat message (byte 0)' }, { auth: 'ok' }]);
    expect(code).toBe(1);
  });
});

describe('over the course of a capture', () => {
  const life = (generation: string, ...numbers: readonly number[]): Uint8Array[] =>
    numbers.map((seq) => {
      const fields = [
        field('t', 'status'),
        field('src', 'node1'),
        field('seq', seq.toString(16)),
        field('hg', generation),
        field('ts', '1'),
      ];
      return onUdp(encodeDatagram(fields, { msgfmt: 'netstring', keys: sha1Keys }));
    });
  const reasons = async (packets: readonly Uint8Array[], options: Partial<DecodeOptions> = {}): Promise<unknown[]> =>
    jsonLines((await decode(packets, { json: true, ...options })).out).map((line) => {
      const { accepted, reason, lost } = line as { accepted: boolean; reason: string | null; lost: number };
      expect(accepted).toBe(reason === null);
      return reason ?? lost;
    });

  test('copies, gaps, what fills them, what is past, and another life are told apart', async () => {
    expect(
      await reasons([...life('a', 1, 2, 2, 6, 4, 4, 1), ...life('b', 1), ...life('a', 7), ...life('b', 2)]),
    ).toEqual([0, 0, 'copy', 3, 0, 'old', 'old', 0, 'replay', 0]);
  });

  test('the text says so', async () => {
    const { out, err } = await decode([...life('b', 1, 5), ...life('a', 7)]);
    expect(out).toContain('[3 before it not heard]');
    expect(out).toContain('[not accepted: generation 10 is past: node1 has generation 11 by now]');
    expect(err).toBe('1 message of 3: a node would not accept\n');
  });

  test('forgeries do not count for what comes after them', async () => {
    const forged = encodeDatagram(
      [field('t', 'status'), field('src', 'node1'), field('seq', 'ff'), field('hg', 'ff'), field('ts', '1')],
      { msgfmt: 'netstring', keys: oneKey('sha1', 'stranger') },
    );
    expect(await reasons([...life('a', 1), onUdp(forged), ...life('a', 2)])).toEqual([0, 'bad-signature', 0]);
  });

  test('--port makes other ports wrong ones', async () => {
    const packets = [onUdp(statusBytes, 700), onUdp(statusBytes, 694)];
    expect(await reasons(packets, { port: 700 })).toEqual([0, 'wrong-port']);
    expect(await reasons(packets)).toEqual([0, 'copy']);
  });
});

describe('recordings of serial lines', () => {
  test.each(corpusFiles().filter(({ name }) => name.endsWith('.tty')))(
    '$name of the corpus: all accepted',
    async ({ name, keys, messages }) => {
      const [key] = keys.keys;
      const authkeysFile = join(folder, 'serial.keys');
      await writeFile(authkeysFile, `${key?.index} ${key?.method} ${key?.key}\n`);
      const { code, out, err } = await run({ file: fileURLToPath(corpusPath(name)), authkeysFile, json: true });
      const lines = jsonLines(out) as { ts: unknown; offset: number; accepted: boolean; format: string }[];
      expect(lines).toHaveLength(messages);
      for (const line of lines) expect(line).toMatchObject({ ts: null, src: null, accepted: true, format: 'classic' });
      expect(lines.map(({ offset }) => offset)).toEqual(lines.map(({ offset }) => offset).toSorted((a, b) => a - b));
      expect({ code, err }).toEqual({ code: 0, err: '' });
    },
  );

  test('with noise and halves: what is whole is shown, with its place, and the rest is counted', async () => {
    const message = encodeClassic(status, { keys: sha1Keys, nul: false });
    const file = join(folder, 'noisy.tty');
    await writeFile(
      file,
      Buffer.concat([Buffer.from('login: \n'), message.subarray(40), message, message.subarray(0, 30)]),
    );
    const { code, out, err } = await run({ file, authkeysFile: join(folder, 'authkeys') });
    expect(out).toMatch(
      new RegExp(`^byte ${8 + message.length - 40}  serial  classic  status  node2 .* ok\\(1\\) .*\n$`),
    );
    expect(err).toContain(`${8 + message.length - 40 + 30} bytes of the line belong to no whole message`);
    expect(code).toBe(0);
  });
});

describe('which datagrams count', () => {
  test('those to port 694, and to ports with a valid message', async () => {
    const { code, out } = await decode(
      [onUdp(latin1('mdns'), 5353), onUdp(latin1('early'), 7000), onUdp(statusBytes, 7000)],
      { json: true },
    );
    expect(jsonLines(out)).toMatchObject([
      { dst: '10.0.0.255:7000', error: expect.any(String) },
      { dst: '10.0.0.255:7000', auth: 'ok' },
    ]);
    expect(code).toBe(1);
  });

  test('--port replaces 694', async () => {
    const packets = [onUdp(latin1('garbage'), 694), onUdp(latin1('garbage'), 700), onUdp(statusBytes, 701)];
    const { out } = await decode(packets, { json: true, port: 700 });
    expect(jsonLines(out)).toMatchObject([
      { dst: '10.0.0.255:700', error: expect.any(String) },
      { dst: '10.0.0.255:701' },
    ]);
  });

  test('ordinary pings do not, damaged ones of heartbeat do', async () => {
    const { code, out } = await decode([echo('abcdefghijklmnop'), echo('###\nx'), onUdp(statusBytes)], { json: true });
    expect(jsonLines(out)).toMatchObject([{ dst: '10.0.0.255', error: expect.any(String) }, { auth: 'ok' }]);
    expect(code).toBe(1);
  });

  test('a message in fragments does', async () => {
    const datagram = udp(
      encodeDatagram([...status, field('x', 'y'.repeat(3000))], { msgfmt: 'netstring', keys: sha1Keys }),
    );
    const parts = [0, 1480, 2960].map((offset) =>
      ethernet(ipv4(datagram.subarray(offset, offset + 1480), { offset, more: offset < 2960 })),
    );
    const { code, out } = await decode(parts, { json: true });
    expect(jsonLines(out)).toMatchObject([{ auth: 'ok', node: 'node2' }]);
    expect(code).toBe(0);
    const { err } = await decode([...parts.slice(1), onUdp(statusBytes)]);
    expect(err).toContain('1 fragmented datagrams are not complete');
  });

  test('one that the capture cut is an error that says what to do', async () => {
    const { code, out } = await decode([onUdp(statusBytes).subarray(0, 100)]);
    expect(out).toContain('error: the capture has only 58 of 239 bytes: capture whole packets (tcpdump -s 0)');
    expect(code).toBe(1);
  });
});

describe('files', () => {
  test('without a heartbeat packet, the command fails and says so', async () => {
    const { code, out, err } = await decode([ethernet(Buffer.alloc(28), 0x0806)]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('no heartbeat packet in it');
  });

  test('that are missing or no captures', async () => {
    const missing = await run({ file: join(folder, 'nothing') });
    expect(missing).toMatchObject({ code: 1, out: '', err: expect.stringContaining('ENOENT') });
    const text = await run({ file: join(folder, 'authkeys') });
    expect(text).toMatchObject({ code: 1, err: expect.stringContaining('neither pcap nor pcapng') });
  });

  test('that are cut give what they have, and the command fails', async () => {
    const file = join(folder, 'cut.pcap');
    await writeFile(file, pcap(frames(onUdp(statusBytes), onUdp(statusBytes))).subarray(0, -5));
    const { code, out, err } = await run({ file, json: true });
    expect(jsonLines(out)).toHaveLength(1);
    expect(err).toContain('the file ends inside a packet');
    expect(code).toBe(1);
  });

  test('of another link type are named', async () => {
    const file = join(folder, 'wifi.pcap');
    await writeFile(file, pcap(frames(Buffer.alloc(60)), { linkType: 105 }));
    expect(await run({ file })).toMatchObject({ code: 1, err: expect.stringContaining('link type 105 is not known') });
  });

  test('of keys that cannot be read stop it', async () => {
    expect(await decode([], { authkeysFile: join(folder, 'none') })).toMatchObject({
      code: 1,
      err: expect.stringContaining('ENOENT'),
    });
  });

  test.each(corpusFiles().filter(({ name }) => name.endsWith('.pcap')))(
    '$name of the corpus: all ok',
    async ({ name, keys, messages }) => {
      const [key] = keys.keys;
      await writeFile(join(folder, 'keys'), `auth ${keys.selected}\n${key?.index} ${key?.method} ${key?.key}\n`);
      const { code, out } = await run({
        file: fileURLToPath(corpusPath(name)),
        authkeysFile: join(folder, 'keys'),
        json: true,
      });
      const lines = jsonLines(out);
      expect(lines).toHaveLength(messages);
      for (const line of lines) expect(line).toMatchObject({ auth: 'ok', authIndex: keys.selected });
      expect(code).toBe(0);
    },
  );
});

describe('keys', () => {
  test('are taken from the key lines alone; the last of a slot counts', () => {
    expect(parseKeys('# old\n\n  auth 3\n1 crc\n 2\tmd5  two   ignored\n2 sha1 #two\n')).toEqual({
      ok: true,
      keys: {
        selected: 1,
        keys: [
          { index: 1, method: 'crc', key: '' },
          { index: 2, method: 'sha1', key: '#two' },
        ],
      },
    });
  });

  test.each([
    ['auth 1\n', 'there is no key in it'],
    ['1 sha1\n', 'line 1: method sha1 needs a key'],
    ['# x\n1 sha2 secret\n', 'line 2: the method must be one of crc, md5, sha1, hmac-sha256'],
    ['16 md5 secret\n', 'line 1: a key line starts with a number from 0 to 15'],
    ['x md5 secret\n', 'line 1: a key line starts with a number from 0 to 15'],
  ])('in %j: %s', (text, problem) => {
    expect(parseKeys(text)).toEqual({ ok: false, problem });
  });
});
