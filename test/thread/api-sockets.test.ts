/** The client API on real sockets: what a hostile or broken client does, and that the others do not notice. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../actors/api/framing.ts';
import { ClientError, connect } from '../../plugins/client/index.ts';
import { field } from '../../runtime/message/message.ts';
import { linkName, nodeName } from '../../runtime/units.ts';
import { NodeDoor } from '../fixtures/api/node-door.ts';
import { eventually } from '../net/lab/wait.ts';

const node2 = nodeName('node2');
const deadlineMs = 20_000;

async function raw(door: NodeDoor): Promise<Socket> {
  const socket = createConnection(door.path);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

function signOn(id: string): Uint8Array {
  const ids = [field('uid', String(process.geteuid?.())), field('gid', String(process.getegid?.()))];
  const who = [field('pid', String(process.pid)), field('from_id', id)];
  return encodeFrame(
    [field('t', 'hbapi-req'), field('reqtype', 'signon'), field('dest', 'x'), ...who, ...ids],
    'classic',
  );
}

/** A client that is served as if nothing had happened. */
async function isServed(door: NodeDoor): Promise<void> {
  await using client = await connect({ path: door.path, name: `probe${Math.round(performance.now())}` });
  expect((await client.nodes()).map(({ name }) => name)).toEqual(['10.77.0.254', 'node1', 'node2']);
}

/** News for all clients. */
function news(door: NodeDoor, text = 'hello'): void {
  door.feed({
    type: 'message',
    from: node2,
    own: false,
    fields: [field('t', 'news'), field('text', text), field('src', 'node2')],
  });
}

describe('a broken client', () => {
  it('that announces more than a frame may have is disconnected at once', async () => {
    await using door = await NodeDoor.open();
    const socket = await raw(door);
    const header = Buffer.alloc(8);
    header.writeUInt32LE(0x7fff_ffff, 0);
    header.writeUInt32LE(0xabcd, 4);
    socket.write(header);
    await once(socket, 'close');
    await isServed(door);
  });

  it('that dies in the middle of a frame leaves nothing behind', async () => {
    await using door = await NodeDoor.open();
    const socket = await raw(door);
    socket.write(signOn('victim'));
    await once(socket, 'data');
    socket.write(signOn('victim').subarray(0, 20));
    socket.destroy();
    await eventually(() => door.state.connections.size === 0, {
      what: 'the client to be forgotten',
      timeoutMs: deadlineMs,
    });
    await isServed(door);
  });

  it('that never reads is disconnected when its queue is full, and the others get everything', async () => {
    await using door = await NodeDoor.open();
    const deaf = await raw(door);
    deaf.pause();
    deaf.write(signOn('deaf'));
    await eventually(() => door.state.connections.size === 1, { what: 'the sign-on', timeoutMs: deadlineMs });
    await using good = await connect({ path: door.path, name: 'good' });
    const texts = good.messages('news');
    await eventually(() => [...door.state.connections.values()].every(({ client }) => client !== null), {
      what: 'two clients',
      timeoutMs: deadlineMs,
    });
    const received: Promise<string[]> = (async () => {
      const all: string[] = [];
      for await (const { fields } of texts) {
        all.push(fields.number ?? '');
        if (all.length === 400) break;
      }
      return all;
    })();
    for (let number = 0; number < 400; number++) {
      door.feed({
        type: 'message',
        from: node2,
        own: false,
        fields: [
          field('t', 'news'),
          field('number', String(number)),
          field('x', 'y'.repeat(4_000)),
          field('src', 'node2'),
        ],
      });
      // The good client reads as it comes.
      if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await received).toEqual(Array.from({ length: 400 }, (_, number) => String(number)));
    expect([...door.state.connections.values()].map(({ client }) => client?.id)).toEqual(['good']);
    expect(door.sent.some((fields) => /send failed,farside_pid=/.test(JSON.stringify(fields)))).toBe(true);
    deaf.destroy();
  });

  it('among a thousand connections costs nobody else anything', async () => {
    await using door = await NodeDoor.open();
    const sockets = await Promise.all(Array.from({ length: 1_000 }, () => raw(door)));
    await eventually(() => door.state.connections.size === 1_000, { what: 'all of them', timeoutMs: deadlineMs });
    for (const socket of sockets) socket.write('garbage that is no frame');
    await eventually(() => door.state.connections.size === 0, { what: 'them to be gone', timeoutMs: deadlineMs });
    await isServed(door);
    for (const socket of sockets) socket.destroy();
  });
});

describe('two hundred signed-on clients', () => {
  it('cost less than 1 MB each, and all hear of a death', async () => {
    await using door = await NodeDoor.open();
    const collect = (): number => {
      globalThis.gc?.();
      return process.memoryUsage().rss;
    };
    const beforeBytes = collect();
    const sockets = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const socket = await raw(door);
        socket.write(signOn(`client${index}`));
        return socket;
      }),
    );
    await eventually(
      () => [...door.state.connections.values()].filter(({ client }) => client !== null).length === 200,
      {
        what: '200 sign-ons',
        timeoutMs: deadlineMs,
      },
    );
    // Both ends are in this process, so this is more than what the node pays.
    const perClientBytes = (collect() - beforeBytes) / 200;
    expect(perClientBytes, `${Math.round(perClientBytes / 1_024)} KiB a client`).toBeLessThan(1_000_000);
    const heard = Promise.all(
      sockets.map(async (socket) => {
        for await (const chunk of socket) if (String(chunk).includes('ifname=eth0\nst=dead')) return;
      }),
    );
    door.feed({ type: 'link-status', node: node2, link: linkName('eth0'), status: 'dead' });
    await heard;
    for (const socket of sockets) socket.destroy();
  });
});

describe('systole/client', () => {
  it('asks, listens and speaks', async () => {
    await using door = await NodeDoor.open();
    door.feed({ type: 'rscstatus', value: 'local' });
    await using client = await connect({ path: door.path, name: 'demo' });
    expect(client.facts).toMatchObject({ node: 'node1', deadtimeMs: 4_000, keepaliveMs: 500 });
    expect(await client.resources()).toBe('local');
    expect(await client.parameter('keepalive')).toBe('500ms');
    expect(await client.parameter('nosuch')).toBeNull();
    expect(await client.links('node2')).toEqual([
      { name: 'eth0', status: 'dead' },
      { name: 'eth1', status: 'dead' },
    ]);
    await expect(client.links('bogus')).rejects.toMatchObject({
      code: 'HB_CLIENT_REQUEST',
      details: { reason: 'EINVAL' },
    });
    expect(await client.isOnline('node1', 'demo')).toBe(true);
    const answers = client.messages('hello');
    client.send({ type: 'hello', fields: { text: 'all' } });
    expect((await answers.next()).value).toMatchObject({ from: 'node1', client: 'demo', fields: { text: 'all' } });
    client.send({ type: 'hello', to: 'node2' });
    client.giveUp('foreign');
    await eventually(() => door.sent.length >= 4, { what: 'three messages', timeoutMs: deadlineMs });
    expect(door.sent.slice(-2).map((fields) => fields.slice(0, 3))).toEqual([
      [field('t', 'hello'), field('dest', 'node2'), field('from_id', 'demo')],
      [field('t', 'ask_resources'), field('rsc_hold', 'foreign'), field('info', 'me')],
    ]);
  });

  it('answers in order, however many questions are under way', async () => {
    await using door = await NodeDoor.open();
    await using client = await connect({ path: door.path });
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? client.parameter('keepalive') : client.nodes())),
    );
    expect(answers.map((answer) => (Array.isArray(answer) ? answer.length : answer))).toEqual(
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? '500ms' : 3)),
    );
  });

  it('says who is refused, and why', async () => {
    await using door = await NodeDoor.open({ apiAuth: [{ client: 'anon', uids: [4_711], gids: null }] });
    await expect(connect({ path: door.path, name: 'x' })).rejects.toMatchObject({
      code: 'HB_CLIENT_REFUSED',
      details: { reason: 'no default client auth' },
    });
    await expect(connect({ path: door.path })).rejects.toBeInstanceOf(ClientError);
  });

  it('says that nobody is there', async () => {
    await expect(connect({ path: '/nonexistent/register', waitMs: 0 })).rejects.toMatchObject({
      code: 'HB_CLIENT_GONE',
    });
  });

  it('comes back when the daemon was restarted', async () => {
    await using door = await NodeDoor.open();
    await using client = await connect({ path: door.path, name: 'demo' });
    const events = client.events();
    await door.restart();
    expect((await events.next()).value).toEqual({ type: 'disconnected' });
    for await (const event of events) if (event.type === 'connected') break;
    expect(await client.nodes()).toHaveLength(3);
  });

  it('ends its streams with the connection, without reconnect', async () => {
    await using door = await NodeDoor.open();
    await using client = await connect({ path: door.path, name: 'demo', reconnect: false });
    const events = Array.fromAsync(client.events());
    await door.restart();
    expect((await events).at(-1)).toEqual({ type: 'disconnected' });
  });
});

describe('flow control', () => {
  it('holds back what signed-on clients send, serves who signs on, and goes on where it stopped', async () => {
    await using door = await NodeDoor.open();
    await using client = await connect({ path: door.path, name: 'talker' });
    const before = door.sent.length;
    door.server.pause(true);
    for (let number = 0; number < 50; number++) client.send({ type: 'load', fields: { number: String(number) } });
    const other = await raw(door);
    other.write(signOn('newcomer'));
    await once(other, 'data');
    const loads = (): string[] =>
      door.sent.slice(before).flatMap((fields) => (fields[0]?.[2] === 'load' ? [String(fields[1]?.[2])] : []));
    expect(loads()).toEqual([]);
    door.server.pause(false);
    await eventually(() => loads().length === 50, { what: 'all messages', timeoutMs: deadlineMs });
    expect(loads()).toEqual(Array.from({ length: 50 }, (_, number) => String(number)));
    other.destroy();
    news(door);
  });

  it('slows a client down that sends itself more than it reads, instead of throwing it out', async () => {
    await using door = await NodeDoor.open();
    const talker = await raw(door);
    talker.write(signOn('talker'));
    await once(talker, 'data');
    talker.pause();
    const count = 3_000;
    for (let number = 0; number < count; number++)
      talker.write(
        encodeFrame([field('t', 'load'), field('x', 'y'.repeat(1_000)), field('number', `${number}.`)], 'classic'),
      );
    const connected = (): boolean => [...door.state.connections.values()].some(({ client }) => client?.id === 'talker');
    // It is held when its own copies pile up: others are served, and it is still there.
    await eventually(() => door.sent.length > 1 && talker.writableLength > 0, {
      what: 'it to be held',
      timeoutMs: deadlineMs,
    });
    await isServed(door);
    expect(connected()).toBe(true);
    const numbers: string[] = [];
    let rest = '';
    for await (const chunk of talker) {
      const text = rest + String(chunk);
      const found = [...text.matchAll(/\nnumber=(\d+)\./g)];
      numbers.push(...found.map(([, number = '']) => number));
      const last = found.at(-1);
      rest = last === undefined ? text : text.slice(last.index + last[0].length);
      if (numbers.length === count) break;
    }
    expect(numbers).toEqual(Array.from({ length: count }, (_, number) => String(number)));
  });
});
