/** Systole and the real Heartbeat 3.0.6 joined by a null-modem cable and nothing else. */
import { expect, test } from 'vitest';
import { Lab } from './lab/lab.ts';
import { requireLab } from './lab/require.ts';
import { eventually, within } from './lab/wait.ts';
import { bothActive, haCf, nodeOf, quietFor, slackMs, statusOf, times } from './media-real.ts';

requireLab()('serial beside the real heartbeat', () => {
  test.concurrent.for([
    { authkeys: 'auth 1\n1 sha1 serial key\n', more: 'baud 38400\n' },
    { authkeys: 'auth 2\n2 md5 serial key\n', more: 'baud 19200\nmsgfmt netstring\n' },
    { authkeys: 'auth 1\n1 crc\n', more: 'baud 115200\n' },
  ])('$authkeys', async ({ authkeys, more }) => {
    await using lab = await Lab.create();
    const { ends, cut } = await lab.nullModem();
    const [node1, node2] = [lab.host('node1'), lab.host('node2')];
    node1.configure({ haCf: haCf(`${more}serial ${ends[0]}`), haresources: '', authkeys });
    node2.configure({ haCf: haCf(`${more}serial ${ends[1]}`), haresources: '', authkeys });

    let daemon = node1.startSystole();
    await node2.startHeartbeat();
    await bothActive(lab, daemon, 'node1', 'node2');
    expect(nodeOf(await statusOf(node1), 'node2').links).toMatchObject([{ name: ends[0], status: 'up' }]);
    expect(await node2.clStatus('hblinkstatus', 'node1', ends[1])).toEqual({ code: 0, answer: 'up' });
    await quietFor(lab, 'node1', 'node2', ends[0], 60);
    expect(node1.readFile(`/var/lock/LCK..${ends[0].replace('/dev/', '').replace('/', '')}`)).toMatch(
      /^ {0,9}\d{1,10}\n$/,
    );

    // Killed: the peer notices, and welcomes the next life, which finds the stale lock of the last one.
    let offset = node2.log().length;
    await daemon.signal('SIGKILL');
    await within(daemon.exited, slackMs, 'Systole to be killed');
    await node2.waitForLog(/WARN: node node1: is dead/, { fromOffset: offset, timeoutMs: times.deadtimeMs + slackMs });
    daemon = node1.startSystole();
    await bothActive(lab, daemon, 'node1', 'node2');

    // Cable pulled: silence for both, the end for nobody.
    offset = node2.log().length;
    await cut();
    await node1.waitForLog(/the port was lost/, { timeoutMs: slackMs });
    await eventually(async () => nodeOf(await statusOf(node1), 'node2').status === 'dead', {
      what: 'node2 to be dead for Systole',
      timeoutMs: times.deadtimeMs + slackMs,
      intervalMs: 200,
    });
    expect(daemon.running).toBe(true);
    expect((await statusOf(node1)).status).toBe('active');
  });
});
