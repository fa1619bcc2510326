/**
 * Many nodes in one process: signed heartbeats of each on its own schedule, on the wire.
 *
 *     node crowd.ts LOCAL PEER COUNT KEEPALIVE_MS DEADTIME_MS KEY
 *
 * `ready` is printed when every node has beaten. A line `stop N` on standard input silences the N-th node for good.
 */
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { heartbeatPort } from '../peers/advertised.ts';
import { crowdKeys, memberStatus } from './member.core.ts';

interface Member {
  readonly number: number;
  dueMs: number;
  seq: number;
  silent: boolean;
}

const [local = '', peer = '', countText, keepaliveText, deadtimeText, key = ''] = process.argv.slice(2);
const [count, keepaliveMs, deadtimeMs] = [Number(countText), Number(keepaliveText), Number(deadtimeText)];
const keys = crowdKeys(key);

/** Spread over the period, so that the load is even. */
const startMs = performance.now();
const members: Member[] = Array.from({ length: count }, (_, index) => ({
  number: index + 1,
  dueMs: startMs + (index * keepaliveMs) / count,
  seq: 0,
  silent: false,
}));

const socket = createSocket('udp4');
await new Promise<void>((resolve, reject) => {
  socket.once('error', reject);
  socket.bind(heartbeatPort, local, resolve);
});
// What the node sends is not answered; reading it keeps the socket's buffer from filling up.
socket.on('message', () => undefined);

/** Sends all that is due, by absolute times: being late once moves nothing. */
function beat(): void {
  const nowMs = performance.now();
  const wallClockS = Math.floor(Date.now() / 1_000);
  for (const member of members) {
    if (member.silent || member.dueMs > nowMs) continue;
    member.seq += 1;
    do member.dueMs += keepaliveMs;
    while (member.dueMs <= nowMs);
    socket.send(memberStatus(member.number, member.seq, deadtimeMs, wallClockS, keys), heartbeatPort, peer);
  }
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, number] = line.split(' ');
  const member = members[Number(number) - 1];
  if (word === 'stop' && member !== undefined) member.silent = true;
});

setInterval(beat, 1);
setTimeout(() => process.stdout.write('ready\n'), keepaliveMs + 100);
