/**
 * The operator's end of the admin socket: newline-delimited JSON, one request and one reply a line.
 *
 * `{"id":1,"method":"status"}` → `{"id":1,"result":{…}}` or `{"id":1,"error":{"code":"…","message":"…"}}`;
 * `{"id":1,"method":"events"}` → `{"event":{…}}` lines until the connection ends.
 */
import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import * as v from 'valibot';
import { pidFilePath, socketPathProblem } from './directories.ts';
import { processExists } from './process.ts';

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
  /** The daemon was there, and the connection ended without an answer: it was killed, or has given up. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'no-answer'; readonly deadlineMs: number };

/** @param what the operator wanted: `stop` */
export function notPermitted(what: string, runDir: string): string {
  return `you may not ${what} this node: run the command as root, or as the user that owns ${runDir}`;
}

/** Somebody holds the socket and says nothing. The pid file tells whom to end. */
export function hung(runDir: string, deadlineMs: number): string {
  const pid = readPid(pidFilePath(runDir));
  return `the daemon holds its socket but has not answered within ${deadlineMs / 1000} s: it hangs, or the machine is overloaded; ${
    pid === null ? 'kill -9' : `kill -9 ${pid}`
  } ends it, and its guardian then releases what it holds`;
}

/** The connection ended without an answer. */
export const lostConnection =
  'the connection to the daemon ended before it answered: it was killed, or has given up (its log tells)';

/** The daemon of this run directory by its pid file; null when there is none, or when that process is gone. */
export function runningPid(runDir: string): number | null {
  const pid = readPid(pidFilePath(runDir));
  // A pid that another program has got meanwhile is none of ours.
  return pid !== null && processExists(pid) && commandLine(pid).includes('heartbeatd') ? pid : null;
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

function readPid(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(path, 'latin1'), 10);
    return Number.isInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

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
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return { kind: 'lost' };
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
  const problem = socketPathProblem(socketPath);
  if (problem !== null) return Promise.resolve({ kind: 'refused', code: 'HB_ADMIN_SOCKET', message: problem });
  return new Promise((resolve) => {
    const socket: Socket = createConnection(socketPath);
    const finish = (answer: AdminAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish({ kind: 'no-answer', deadlineMs }), deadlineMs);
    socket.once('error', (error: NodeJS.ErrnoException) => finish(connectionFailure(error)));
    socket.once('close', () => finish({ kind: 'lost' }));
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
