/**
 * What the daemon says to the command that starts it: on the IPC channel in the background, on standard error in the foreground.
 */
import { closeSync, fstatSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { libc } from '../../sys/libc.ts';

export const startMessage = v.variant('type', [
  /** Something that the operator should see; the start goes on. */
  v.object({ type: v.literal('notice'), text: v.string() }),
  v.object({ type: v.literal('ready'), pid: v.number() }),
  v.object({ type: v.literal('failed'), text: v.string() }),
]);
type StartMessage = v.InferOutput<typeof startMessage>;

/** Resolves when the message is on its way. A command that was interrupted has closed the channel: then nobody needs to know. */
function send(message: StartMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}

const inBackground = process.send !== undefined;

export function notice(text: string): void {
  if (inBackground) void send({ type: 'notice', text });
  else process.stderr.write(`${text}\n`);
}

export async function failed(text: string): Promise<void> {
  if (inBackground) await send({ type: 'failed', text });
  else process.stderr.write(`${text}\n`);
}

/** Tells that the node beats, and lets go of the channel and of the terminal. @param runDir gets a file for Node's own last words */
export async function ready(runDir: string): Promise<void> {
  if (!inBackground) return;
  keepLastWords(runDir);
  await send({ type: 'ready', pid: process.pid });
  if (process.connected) process.disconnect();
}

const lastWordsPath = (runDir: string): string => join(runDir, 'heartbeat.stderr');

/**
 * Until now standard error was the terminal; from here on what Node itself prints when it dies goes to a file.
 * Node has no call that replaces a descriptor in place.
 */
function keepLastWords(runDir: string): void {
  const fd = openSync(lastWordsPath(runDir), 'w', 0o600);
  libc().dup2(fd, 2);
  closeSync(fd);
}

/** At an orderly end: an empty file of last words is of no use to anybody. */
export function dropEmptyLastWords(runDir: string): void {
  if (inBackground && fstatSync(2).size === 0) rmSync(lastWordsPath(runDir), { force: true });
}
