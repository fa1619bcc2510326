/**
 * The operator's end of the admin socket: newline-delimited JSON, one request and one reply a line.
 *
 * `{"id":1,"method":"status"}` → `{"id":1,"result":{…}}` or `{"id":1,"error":{"code":"…","message":"…"}}`;
 * `{"id":1,"method":"events"}` → `{"event":{…}}` lines until the connection ends.
 */
import { createConnection, type Socket } from 'node:net';
import * as v from 'valibot';

const reply = v.object({
  id: v.optional(v.number()),
  result: v.optional(v.unknown()),
  error: v.optional(v.object({ code: v.string(), message: v.string() })),
  event: v.optional(v.unknown()),
});

/** What a request gave: the daemon's answer, its refusal, or that nobody answers. */
export type AdminAnswer =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'not-running' }
  | { readonly kind: 'not-permitted' }
  | { readonly kind: 'no-answer'; readonly deadlineMs: number };

/** Calls back for every complete line that comes. */
function forEachLine(socket: Socket, onLine: (line: string) => void): void {
  let pending = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}

function connectionFailure(error: NodeJS.ErrnoException): AdminAnswer {
  if (error.code === 'EACCES' || error.code === 'EPERM') return { kind: 'not-permitted' };
  // No socket file, or one that a dead daemon left behind.
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR')
    return { kind: 'not-running' };
  return { kind: 'refused', code: error.code ?? 'ERROR', message: error.message };
}

/**
 * Sends one request and waits for its reply.
 *
 * @param deadlineMs how long to wait for the reply [ms]; a hung daemon is an answer of its own (`no-answer`)
 */
export function adminRequest(
  socketPath: string,
  method: string,
  params: unknown,
  deadlineMs: number,
): Promise<AdminAnswer> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection(socketPath);
    const finish = (answer: AdminAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish({ kind: 'no-answer', deadlineMs }), deadlineMs);
    socket.once('error', (error: NodeJS.ErrnoException) => finish(connectionFailure(error)));
    socket.once('close', () => finish({ kind: 'not-running' }));
    socket.once('connect', () => socket.write(`${JSON.stringify({ id: 1, method, params })}\n`));
    forEachLine(socket, (line) => finish(readReply(line)));
  });
}

function readReply(line: string): AdminAnswer {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), reply), line);
  if (!parsed.success)
    return { kind: 'refused', code: 'HB_ADMIN_REPLY', message: 'the daemon sent an answer that cannot be read' };
  const { error, result } = parsed.output;
  return error === undefined
    ? { kind: 'result', result }
    : { kind: 'refused', code: error.code, message: error.message };
}

/** An open event stream; `close` ends it, `ended` settles when the daemon or we closed it. */
export interface EventStream {
  readonly ended: Promise<void>;
  close(): void;
}

/** Subscribes to the daemon's events; `onEvent` gets each as it comes, `onOpen` fires once the daemon has accepted. */
export function adminEvents(socketPath: string, onEvent: (event: unknown) => void, onOpen?: () => void): EventStream {
  const socket = createConnection(socketPath);
  socket.once('connect', () => {
    socket.write(`${JSON.stringify({ id: 1, method: 'events' })}\n`);
    onOpen?.();
  });
  forEachLine(socket, (line) => {
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), reply), line);
    if (parsed.success && parsed.output.event !== undefined) onEvent(parsed.output.event);
  });
  const ended = new Promise<void>((resolve) => {
    socket.once('error', () => resolve());
    socket.once('close', () => resolve());
  });
  return { ended, close: () => socket.destroy() };
}
