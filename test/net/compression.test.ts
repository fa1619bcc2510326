/**
 * Large messages, compressed by either side beside the real Heartbeat 3.0.6: whatever the one packs the other unpacks.
 */
import { createHash, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Host } from './lab/host.ts';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually } from './lab/wait.ts';
import { bothActive, haCf, slackMs } from './media-real.ts';

const names = Array.from({ length: 10 }, (_, index) => `f${index}`);
/** Notes the number and the contents of each message of type `parcel` that a node gets. */
const parcelScript = `#!/bin/sh
echo "$HA_num $(printf %s "${names.map((name) => `$HA_${name}`).join('')}" | md5sum | cut -d' ' -f1)" >> /var/log/parcels
`;

/** Writes a message of 4 KB into a host's FIFO, in lines that the real one can read. @returns the line that it makes on each node */
async function sendParcel(host: Host, number: string): Promise<string> {
  // Repeated, so that what is left of it fits one packet, which a capture shows whole.
  const values = names.map(() => randomBytes(20).toString('hex').repeat(10));
  const lines = names.map((name, index) => `${name}=${values[index]}`);
  host.writeFile('/run/parcel', ['>>>', 't=parcel', `num=${number}`, ...lines, '<<<', ''].join('\n'));
  await host.run(['sh', '-c', 'cat /run/parcel > /var/lib/heartbeat/fifo']);
  return `${number} ${createHash('md5').update(values.join('')).digest('hex')}`;
}

requireLab()('compressed messages beside Heartbeat 3.0.6', () => {
  test.concurrent.each([
    ['bz2', 'bz2'],
    ['bz2', 'zlib'],
    ['zlib', 'bz2'],
  ] as const)('Systole by %s, the real one by %s', async (ours, theirs) => {
    await using lab = await Lab.create({ hosts: ['node1', 'node2'], networks: ['net0'] });
    const [systole, real] = lab.hosts;
    if (systole === undefined || real === undefined) throw new Error('two hosts');
    for (const [host, algorithm] of [
      [systole, ours],
      [real, theirs],
    ] as const)
      host.configure({
        haCf: `${haCf('bcast eth0')}compression ${algorithm}\ncompression_threshold 1\ntraditional_compression on\n`,
        haresources: '',
        eventScripts: { parcel: parcelScript },
      });
    const capture = await lab.capture(lab.network('net0'));
    const daemon = systole.startSystole();
    await real.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');

    // What fits no packet even so is refused before it has a number: nobody waits for it, and the node lives on.
    const huge =
      'printf ">>>\\nt=huge\\nx=%s\\n<<<\\n" "$(head -c 90000 /dev/urandom | od -An -v -tx1 | tr -d " \\n")"';
    await systole.run(['sh', '-c', `${huge} > /var/lib/heartbeat/fifo`]);
    await systole.waitForLog(
      /ERROR: a message of a client cannot be sent: a message of \d+ bytes cannot be sent: the limit is 65507/,
      { timeoutMs: slackMs },
    );

    const expected: string[] = [];
    for (const host of [systole, real, systole, real])
      expected.push(await sendParcel(host, `${host.name}-${expected.length}`));
    for (const host of lab.hosts)
      await eventually(
        () => {
          const arrived = host
            .log('parcels')
            .split('\n')
            .filter((line) => line !== '')
            .sort();
          if (arrived.length < expected.length) throw new Error(`${arrived.join('\n')}\n${host.log().slice(-1_500)}`);
          expect(arrived, host.name).toEqual([...expected].sort());
          return true;
        },
        { what: `every parcel once on ${host.name}`, timeoutMs: slackMs, intervalMs: 250 },
      );
    expect(daemon.running).toBe(true);
    expect(real.log(), 'no number was left out').not.toMatch(/Irretrievably lost|lost a lot/);
    await capture.stop();
    const wire = Buffer.concat(capture.datagrams.map(({ payload }) => payload)).toString('latin1');
    for (const [name, algorithm] of [
      ['node1', ours],
      ['node2', theirs],
    ] as const) {
      const start = algorithm === 'bz2' ? 'BZh1' : '\x78\x9c';
      expect(wire.includes(`_compression_algorithm=${algorithm}`), `${name} has compressed`).toBe(true);
      expect(wire.includes(`_compressed_payload=${start}`), `${name}: ${algorithm}`).toBe(true);
    }
    expect(wire.includes('t=parcel'), 'something large has gone as it is').toBe(false);
  });
});
