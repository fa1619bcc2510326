/**
 * Many signed-on clients in one process, as a child of the benchmark: says `ready` when all are in, and ends with its standard input.
 *
 *     crowd.ts SOCKET COUNT IDLE|ASKING
 *
 * `ASKING`: each asks for the list of nodes once a second.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../plugins/client/index.ts';

const [path = '', count = '0', mode = 'IDLE'] = process.argv.slice(2);
const clients = await Promise.all(
  Array.from({ length: Number(count) }, (_, index) => connect({ path, name: `crowd${index}`, requestMs: 30_000 })),
);
process.stdout.write('ready\n');
let ending = false;
process.stdin.resume();
void once(process.stdin, 'end').then(() => {
  ending = true;
});
// Each at its own moment of the second, as programs do that know nothing of each other.
const gapMs = 1_000 / clients.length;
while (!ending) {
  if (mode === 'ASKING')
    for (const client of clients) {
      void client.nodes();
      await delay(gapMs);
    }
  else await delay(50);
}
process.exit(0);
