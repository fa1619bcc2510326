/** systole/client against a daemon that is slow, hangs, or loses its mind: made of a socket and a script for its answers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeFrame, FrameReader } from '../../actors/api/framing.ts';
import { connect } from '../../plugins/client/index.ts';
import { type Field, type FieldList, field, getString } from '../../runtime/message/message.ts';
import { eventually } from '../net/lab/wait.ts';

const timeoutMs = 20_000;

/** Answers what `answer` says to each request, when it says so. */
class ScriptedDaemon implements AsyncDisposable {
  readonly path: string;
  readonly sockets = new Set<Socket>();
  readonly requests: FieldList[] = [];
  readonly #directory: string;
  readonly #server: Server;

  constructor(answer: (request: FieldList, say: (...frame: readonly Field[]) => void) => void) {
    this.#directory = mkdtempSync(join(tmpdir(), 'systole-client-'));
    this.path = join(this.#directory, 'register');
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.sockets.delete(socket));
      const reader = new FrameReader();
      socket.on('data', (chunk: Buffer) => {
        reader.push(chunk);
        for (let frame = reader.next(); frame !== null; frame = reader.next()) {
          if (frame.type !== 'message') continue;
          this.requests.push(frame.fields);
          answer(frame.fields, (...fields) => void socket.write(encodeFrame(fields, 'classic')));
        }
      });
    });
  }

  static async open(...args: ConstructorParameters<typeof ScriptedDaemon>): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon(...args);
    await new Promise<void>((resolve) => daemon.#server.listen(daemon.path, resolve));
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const response = (type: string, ...data: readonly Field[]): readonly Field[] => [
  field('t', 'hbapi-resp'),
  field('reqtype', type),
  ...data,
  field('result', 'OK'),
];
const signedOn = [field('node', 'node1'), field('deadtime', 'fa0'), field('keepalive', '1f4')];
const typeOf = (request: FieldList): string => getString(request, 'reqtype') ?? '';

test('an answer that comes too late is not taken for that of a later question', async () => {
  let late: (() => void) | null = null;
  await using daemon = await ScriptedDaemon.open((request, say) => {
    const name = getString(request, 'pname') ?? '';
    if (typeOf(request) === 'signon') say(...response('signon', ...signedOn));
    else if (name === 'slow') late = () => say(...response('getparm', field('pvalue', 'slow')));
    else {
      late?.();
      late = null;
      say(...response('getparm', field('pvalue', name)));
    }
  });
  await using client = await connect({ path: daemon.path, requestMs: 300 });
  await expect(client.parameter('slow')).rejects.toMatchObject({ details: { reason: 'timeout' } });
  expect(await client.parameter('quick')).toBe('quick');
  expect(await client.parameter('again')).toBe('again');
});

test('questions whose answers come from several nodes do not mix', async () => {
  await using daemon = await ScriptedDaemon.open((request, say) => {
    if (typeOf(request) === 'signon') say(...response('signon', ...signedOn));
    const node = getString(request, 'node') ?? '';
    if (node === 'node1') say(...response('clientstatus', field('subt', 'respond-cstatus'), field('cs', 'online')));
    if (node !== 'node2') return;
    // Another node's answer to somebody else's question comes first.
    for (const [src, cs] of [
      ['node3', 'online'],
      ['node2', 'offline'],
    ] as const)
      say(field('t', 'respond-cstatus'), field('src', src), field('cn', 'x'), field('cs', cs));
  });
  await using client = await connect({ path: daemon.path });
  const answers = await Promise.all(['node2', 'node1', 'node2'].map((node) => client.isOnline(node, 'x')));
  expect(answers).toEqual([false, true, false]);
});

test('a daemon that hangs keeps no client: the socket is closed soon after the sign-off', async () => {
  await using daemon = await ScriptedDaemon.open((request, say) => {
    if (typeOf(request) === 'signon') say(...response('signon', ...signedOn));
  });
  const client = await connect({ path: daemon.path });
  client.close();
  await eventually(() => daemon.requests.some((request) => typeOf(request) === 'signoff'), {
    what: 'the sign-off',
    timeoutMs,
  });
  // It never closes its end; a write finds out that ours is gone.
  await eventually(
    () => {
      for (const socket of daemon.sockets) socket.write('?');
      return daemon.sockets.size === 0;
    },
    { what: 'the end of the connection', timeoutMs },
  );
});

test('a daemon that is too busy for the sign-on is tried again', async () => {
  let attempts = 0;
  await using daemon = await ScriptedDaemon.open((request, say) => {
    if (typeOf(request) !== 'signon') return;
    attempts += 1;
    if (attempts === 2) say(...response('signon', ...signedOn));
  });
  await using client = await connect({ path: daemon.path, requestMs: 200 });
  expect(client.facts.node).toBe('node1');
});
