/** Media over the loopback interface, without root: what needs two machines is in test/net. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import type { MediumSpec } from '../../conf/settings.ts';
import { MediumError } from '../../runtime/errors.ts';
import { linkName, type Ms } from '../../runtime/units.ts';
import { activeMedia, type DatagramSpec, isDatagramSpec, isHostedSpec, openMedium } from './index.ts';
import type { OpenMedium } from './medium.ts';

const place = { file: 'ha.cf', line: 1, column: 1 };
const ucastSpec = (
  port: number,
  more: { peer?: string; device?: string; bindAddress?: string } = {},
): DatagramSpec => ({
  kind: 'ucast',
  link: linkName(more.device ?? 'lo'),
  device: more.device ?? 'lo',
  peer: more.peer ?? '127.0.0.1',
  port,
  bindAddress: more.bindAddress ?? null,
  place,
});

/** A port that nobody has now: asked from the kernel, so that tests of several engineers do not meet. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

interface Heard {
  readonly medium: OpenMedium;
  readonly texts: string[];
  readonly times: Ms[];
  readonly log: string[];
  /** Resolves when so many datagrams have come. */
  readonly count: (wanted: number) => Promise<void>;
}

async function listen(spec: DatagramSpec): Promise<Heard> {
  const texts: string[] = [];
  const times: Ms[] = [];
  const log: string[] = [];
  let check: () => void = () => undefined;
  const medium = await openMedium(
    spec,
    {
      onDatagram: (bytes, heardMs) => {
        texts.push(Buffer.from(bytes).toString());
        times.push(heardMs);
        check();
      },
      onError: (error) => log.push(`failed: ${error.message}`),
    },
    (severity, text) => log.push(`${severity}: ${text}`),
    { bindAttempts: 2, bindRetryMs: 1 },
  );
  const count = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      check = () => {
        if (texts.length >= wanted) resolve();
      };
      check();
    });
  return { medium, texts, times, log, count };
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe('ucast over loopback', () => {
  test('sends, receives, stamps and counts; logs what Heartbeat logs', async () => {
    const port = await freePort();
    const heard = await listen(ucastSpec(port));
    const beforeMs = Number(process.hrtime.bigint()) / 1e6;
    heard.medium.send(Buffer.from('one'));
    await heard.count(1);
    const afterMs = Number(process.hrtime.bigint()) / 1e6;
    await heard.medium.close();
    expect(heard.texts).toEqual(['one']);
    expect(heard.times[0]).toBeGreaterThanOrEqual(beforeMs);
    expect(heard.times[0]).toBeLessThanOrEqual(afterMs);
    expect(heard.medium.counters).toEqual({
      sent: 1,
      sentBytes: 3,
      sendErrors: 0,
      received: 1,
      receivedBytes: 3,
      receiveErrors: 0,
      reattached: 0,
      sendState: { ok: true },
    });
    expect(heard.log).toEqual([
      'info: ucast: write socket priority set to IPTOS_LOWDELAY on lo',
      'info: ucast: bound send socket to device: lo',
      'info: ucast: set SO_REUSEPORT(w)',
      'info: ucast: set SO_REUSEADDR',
      'info: ucast: bound receive socket to device: lo',
      'info: ucast: set SO_REUSEPORT',
      `info: ucast: started on port ${port} interface lo to 127.0.0.1`,
    ]);
    expect(heard.medium.describe()).toBe(`ucast lo to 127.0.0.1 port ${port}`);
  });

  test('a burst that comes while the thread is busy is not lost', async () => {
    // 1500 of them need 1.1 MB, five times the default buffer; without root the system's limit stands.
    const messages = process.getuid?.() === 0 ? 1_500 : 200;
    const heard = await listen(ucastSpec(await freePort()));
    const message = Buffer.alloc(250, 'x');
    for (let sent = 0; sent < messages; sent++) heard.medium.send(message);
    await heard.count(messages);
    await heard.medium.close();
    expect(heard.medium.counters).toMatchObject({ sent: messages, sendErrors: 0, received: messages });
  });

  test('two nodes on one machine: each receives on its own address', async () => {
    const port = await freePort();
    const a = await listen(ucastSpec(port, { peer: '127.0.0.12', bindAddress: '127.0.0.11' }));
    const b = await listen(ucastSpec(port, { peer: '127.0.0.11', bindAddress: '127.0.0.12' }));
    a.medium.send(Buffer.from('from a'));
    b.medium.send(Buffer.from('from b'));
    await Promise.all([a.count(1), b.count(1)]);
    await Promise.all([a.medium.close(), b.medium.close()]);
    expect([a.texts, b.texts]).toEqual([['from b'], ['from a']]);
  });

  test('IPv6', async () => {
    const port = await freePort();
    const heard = await listen({
      kind: 'ucast6',
      link: linkName('lo'),
      device: 'lo',
      peer: '::1',
      port,
      bindAddress: null,
      place,
    });
    heard.medium.send(Buffer.from('six'));
    await heard.count(1);
    await heard.medium.close();
    expect(heard.texts).toEqual(['six']);
  });

  test('can be opened again at once, and leaves no descriptor', async () => {
    const port = await freePort();
    await (await listen(ucastSpec(port))).medium.close();
    const before = openDescriptors();
    for (let life = 0; life < 20; life++) {
      const heard = await listen(ucastSpec(port));
      heard.medium.send(Buffer.from(`life ${life}`));
      await heard.count(1);
      expect(heard.texts).toEqual([`life ${life}`]);
      await heard.medium.close();
      await heard.medium.close();
      heard.medium.send(Buffer.from('after the end'));
    }
    expect(openDescriptors()).toBe(before);
  });

  test('a message that is too long for a datagram is counted and does not touch the link', async () => {
    const heard = await listen(ucastSpec(await freePort()));
    heard.medium.send(new Uint8Array(70_000));
    expect(heard.medium.counters).toMatchObject({ sendErrors: 1, sendState: { ok: true } });
    expect(heard.log.at(-1)).toBe(
      'ERROR: ucast lo: a message of 70000 bytes is too long for a datagram and was not sent',
    );
    await heard.medium.close();
  });

  test('works in a worker thread, and a killed one leaves the port free', async () => {
    const port = await freePort();
    const index = new URL('./index.ts', import.meta.url).href;
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       import(${JSON.stringify(index)}).then(async ({ openMedium }) => {
         const medium = await openMedium(${JSON.stringify(ucastSpec(port))},
           { onDatagram: (bytes) => parentPort.postMessage(Buffer.from(bytes).toString()), onError: (error) => { throw error; } }, () => {});
         medium.send(Buffer.from('in a thread'));
       });`,
      { eval: true },
    );
    const [text] = await once(worker, 'message');
    expect(text).toBe('in a thread');
    await worker.terminate();
    // Without SO_REUSEADDR: succeeds only if nobody has the port any more.
    const socket = createSocket('udp4');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    socket.close();
  });
});

describe('what cannot be opened', () => {
  const errorOf = async (spec: DatagramSpec): Promise<MediumError> => {
    const before = openDescriptors();
    const error: unknown = await listen(spec).then(
      (heard) => heard.medium.close(),
      (thrown: unknown) => thrown,
    );
    expect(openDescriptors()).toBe(before);
    if (!(error instanceof MediumError)) throw new Error('a MediumError was expected', { cause: error });
    return error;
  };

  test('an interface that does not exist', async () => {
    const error = await errorOf(ucastSpec(1_694, { device: 'nosuch0' }));
    expect(error).toMatchObject({ code: 'HB_MEDIUM_OPEN', details: { link: 'nosuch0', errno: 'ENODEV' } });
    expect(error.message).toContain('ucast: interface [nosuch0] does not exist');
  });

  test('a broadcast medium without interface, or on one without broadcast address', async () => {
    const bcast = (device: string): DatagramSpec => ({
      kind: 'bcast',
      link: linkName(device),
      device,
      port: 1_694,
      place,
    });
    expect((await errorOf(bcast('nosuch0'))).message).toContain('IP interface [nosuch0] does not exist');
    expect((await errorOf(bcast('lo'))).message).toContain('Get broadcast for interface lo failed');
  });

  test('a multicast medium on an interface that is not there', async () => {
    const spec: DatagramSpec = {
      kind: 'mcast',
      link: linkName('nosuch0'),
      device: 'nosuch0',
      group: '225.0.0.1',
      port: 1_694,
      ttl: 1,
      loop: false,
      place,
    };
    expect((await errorOf(spec)).message).toContain('mcast device [nosuch0] is invalid or not set up properly');
  });

  test('a port that another program holds, after the tries', async () => {
    const other = createSocket('udp4');
    other.bind(0, '127.0.0.1');
    await once(other, 'listening');
    const error = await errorOf(ucastSpec(other.address().port));
    expect(error.details).toEqual({ link: 'lo', errno: 'EADDRINUSE' });
    expect(error.message).toContain('ss -ulpn');
    other.close();
  });

  test('a bind address that this machine does not have', async () => {
    const error = await errorOf(ucastSpec(await freePort(), { bindAddress: '192.0.2.77' }));
    expect(error.details).toMatchObject({ errno: 'EADDRNOTAVAIL' });
  });

  test('a peer whose name nobody knows', async () => {
    const error = await errorOf(ucastSpec(1_694, { peer: 'no-such-host.invalid' }));
    expect(error.message).toContain('ucast: cannot resolve hostname no-such-host.invalid');
  });
});

test('which media there are', () => {
  expect([...activeMedia].sort()).toEqual([
    'bcast',
    'mcast',
    'mcast6',
    'ping',
    'ping6',
    'ping_group',
    'serial',
    'ucast',
    'ucast6',
  ]);
  const ping: MediumSpec = { kind: 'ping', link: linkName('10.0.0.1'), host: '10.0.0.1', place };
  const serial: MediumSpec = { kind: 'serial', link: linkName('/dev/ttyS0'), device: '/dev/ttyS0', baud: 9_600, place };
  expect([ping, serial, ucastSpec(694)].map(isDatagramSpec)).toEqual([false, false, true]);
  expect([ping, serial, ucastSpec(694)].map(isHostedSpec)).toEqual([false, true, true]);
});
