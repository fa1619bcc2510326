/** Serial media on their threads, over two pseudo-terminals wired crosswise. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MediumProtocol, MediumStatus } from '../../actors/medium.ts';
import { createPulseBoard, PulseBoard, type PulseBoardShape } from '../../actors/pulse.ts';
import type { AuthKeys } from '../../conf/settings.ts';
import { openMedium } from '../../plugins/media/index.ts';
import type { OpenMedium } from '../../plugins/media/medium.ts';
import { type ChildSpec, ms } from '../../runtime/index.ts';
import { encodeClassic } from '../../runtime/message/datagram.ts';
import { field, getString } from '../../runtime/message/message.ts';
import { lockFileName } from '../../runtime/sys/device-lock.ts';
import { type LinkName, linkName, nodeName } from '../../runtime/units.ts';
import { Emitted, Run } from '../fixtures/actors/harness.ts';
import type { RecorderProtocol } from '../fixtures/actors/recorder.ts';
import { hasNullModem, NullModem } from '../fixtures/null-modem.ts';
import { eventually } from '../net/lab/wait.ts';

const keys: AuthKeys = { selected: 1, keys: [{ index: 1, method: 'sha1', key: 'serial' }] };
const place = { file: 'ha.cf', line: 1, column: 1 };
const silent = {
  ident: 'test',
  hostname: 'test',
  format: 'text',
  syslogMsgFmt: false,
  logFile: null,
  debugFile: null,
  facility: null,
  stderr: false,
  debugLevel: 0,
} as const;

const recorder: ChildSpec<RecorderProtocol> = {
  id: 'membership',
  module: new URL('../fixtures/actors/recorder.ts', import.meta.url),
  init: null,
  hangMs: null,
};

function serialActor(device: string, logFile: string): ChildSpec<MediumProtocol> {
  const link = linkName(device);
  return {
    id: `medium:serial:${device}`,
    module: new URL('../../actors/medium.ts', import.meta.url),
    init: {
      spec: { kind: 'serial', link, device, baud: 460_800, place },
      keys,
      pulse: watchedBoard(link),
      realtimePriority: null,
      log: { ...silent, logFile },
      logBadPackets: true,
      column: 0,
      self: nodeName('node3'),
      warntimeMs: ms(1_000),
    },
    refs: ['membership'],
    hangMs: null,
    startMs: ms(20_000),
  };
}

/** As membership has it beside serial lines: it wants to be told of every heartbeat. */
function watchedBoard(link: LinkName): PulseBoardShape {
  const shape = createPulseBoard([nodeName('node1'), nodeName('node2')], [link]);
  new PulseBoard(shape).everything = true;
  return shape;
}

/** One status message of a node as it goes over a line. */
function status(node: string, seq: number, load = 'n/a'): Uint8Array {
  const fields = [
    field('t', 'status'),
    field('st', 'active'),
    field('src', node),
    field('seq', seq.toString(16)),
    field('hg', '1'),
    field('ts', '6b02caee'),
    field('ld', load),
  ];
  return encodeClassic(fields, { keys, nul: false });
}

interface Line extends AsyncDisposable {
  readonly modem: NullModem;
  readonly run: Run;
  readonly ends: readonly [ChildSpec<MediumProtocol>, ChildSpec<MediumProtocol>];
  readonly heard: Emitted<RecorderProtocol>;
  readonly logFile: string;
  describe(end: 0 | 1): Promise<MediumStatus>;
  transmit(end: 0 | 1, bytes: Uint8Array): void;
  /** What came over the line, as `sequence number@device`. */
  readonly story: () => string[];
}

/** A null modem with a medium at each end; both cast what they hear to the same recorder. */
async function connect(): Promise<Line> {
  const modem = await NullModem.create();
  const logFile = join(modem.directory, 'log');
  const ends = [serialActor(modem.ends[0], logFile), serialActor(modem.ends[1], logFile)] as const;
  const run = new Run({ children: [recorder, ...ends] });
  const heard = new Emitted(run, recorder);
  await run.supervisor.start();
  return {
    modem,
    run,
    ends,
    heard,
    logFile,
    describe: (end) => run.supervisor.child(ends[end]).control(ms(20_000)).describe(),
    transmit: (end, bytes) => run.supervisor.child(ends[end]).cast({ type: 'transmit', bytes }),
    story: () => heard.all.map(({ fields, link }) => `${getString(fields, 'seq')}@${link.slice(-4)}`),
    async [Symbol.asyncDispose]() {
      await run[Symbol.asyncDispose]();
      await modem[Symbol.asyncDispose]();
    },
  };
}

describe.skipIf(!hasNullModem)('a serial medium', () => {
  it('carries messages both ways, in order, stamped and counted; long ones too', async () => {
    await using line = await connect();
    const long = 'x'.repeat(20_000);
    for (let seq = 1; seq <= 5; seq++) line.transmit(0, status('node1', seq, seq === 3 ? long : 'n/a'));
    line.transmit(1, status('node2', 9));
    await line.heard.count(6);
    expect(line.story().filter((entry) => entry.endsWith('ttyB'))).toEqual([
      '1@ttyB',
      '2@ttyB',
      '3@ttyB',
      '4@ttyB',
      '5@ttyB',
    ]);
    expect(line.story()).toContain('9@ttyA');
    expect(line.heard.all.map(({ fields }) => getString(fields, 'ld'))).toContain(long);
    const { init } = line.ends[1];
    const last = line.heard.all.findLast(({ link }) => link === init.spec.link);
    expect(new PulseBoard(init.pulse).heard(nodeName('node1'))).toBeCloseTo(last?.heardMs ?? 0, 3);
    expect(await line.describe(1)).toMatchObject({
      kind: 'serial',
      received: 5,
      sent: 1,
      line: { skippedBytes: 0, overtaken: 0, writeTimeouts: 0, waiting: 0 },
    });
  });

  it('finds its messages among garbage, halves of messages and forgeries, and counts the rest', async () => {
    await using line = await connect();
    const whole = status('node1', 1);
    const forged = Buffer.from(Buffer.from(status('node1', 2)).toString('latin1').replace('seq=2', 'seq=7'), 'latin1');
    const noise = Buffer.concat([Buffer.from([0, 255, 13, 7]), Buffer.from('login: root\nPassword:\n')]);
    for (const bytes of [noise, whole.subarray(0, 60), Buffer.from('\n'), whole, forged, noise, status('node1', 3)])
      line.transmit(0, bytes);
    await line.heard.count(2);
    expect(line.story()).toEqual(['1@ttyB', '3@ttyB']);
    const { dropped, line: counters } = await line.describe(1);
    expect(dropped['bad-signature']).toBe(1);
    // The 0xff comes as 0x7f, the carriage return not at all; of the noise behind the forgery nothing is lost but itself.
    expect(counters?.skippedBytes).toBeGreaterThanOrEqual(2 * (noise.length - 1) + 60);
  });

  it('survives a pulled cable, and goes on when it is back', async () => {
    await using line = await connect();
    line.transmit(0, status('node1', 1));
    await line.heard.count(1);

    await line.modem.pull();
    const lost = async (end: 0 | 1): Promise<boolean> => (await line.describe(end)).description.endsWith('(lost)');
    await eventually(async () => (await lost(0)) && (await lost(1)), { what: 'both ends to notice' });
    line.transmit(0, status('node1', 2));

    await line.modem.plug();
    await eventually(async () => !(await lost(0)) && !(await lost(1)), {
      what: 'both ends to be back',
      timeoutMs: 20_000,
    });
    line.transmit(0, status('node1', 3));
    await line.heard.count(2);
    expect(line.story()).toEqual(['1@ttyB', '3@ttyB']);
    expect(await line.describe(0)).toMatchObject({ sent: 2, sendErrors: 1 });
    expect(line.run.events.filter(({ type }) => type === 'dying' || type === 'emergency')).toEqual([]);
  });

  it('that is killed with an open port leaves the process alive and the port free', async () => {
    await using modem = await NullModem.create();
    const spec = serialActor(modem.ends[0], join(modem.directory, 'log'));
    for (let life = 1; life <= 3; life++) {
      await using run = new Run({ children: [recorder, spec] });
      await run.supervisor.start();
      run.supervisor.child(spec).cast({ type: 'transmit', bytes: status('node1', life) });
      expect((await run.supervisor.killAll()).survivors).toEqual([]);
    }
  });
});

describe.skipIf(!hasNullModem)('a port', () => {
  const handlers = { onDatagram: () => undefined, onError: () => undefined };
  const open = (device: string, directory: string, log: string[] = [], baud = 9_600): Promise<OpenMedium> =>
    openMedium(
      { kind: 'serial', link: linkName(device), device, baud, place },
      handlers,
      (severity, text) => log.push(`${severity}: ${text}`),
      { lockDirectory: directory },
    );

  it('has a lock file while it is open, and is refused while somebody else holds it', async () => {
    await using modem = await NullModem.create();
    const [device] = modem.ends;
    const lock = join(modem.directory, lockFileName(device));
    const log: string[] = [];
    const medium = await open(device, modem.directory, log);
    expect(log).toEqual([`info: Starting serial heartbeat on tty ${device} (9600 baud)`]);
    expect(existsSync(lock)).toBe(true);
    await medium.close();
    expect(existsSync(lock)).toBe(false);

    writeFileSync(lock, `${String(process.ppid).padStart(10)}\n`);
    await expect(open(device, modem.directory)).rejects.toMatchObject({
      code: 'HB_MEDIUM_OPEN',
      message: expect.stringContaining(`process ${process.ppid} holds ${lock}`),
      details: { errno: 'EBUSY' },
    });
  });

  it('that two media of one node name is refused to the second', async () => {
    await using modem = await NullModem.create();
    const [device] = modem.ends;
    const first = await open(device, modem.directory);
    await expect(open(device, join(modem.directory, 'none'))).rejects.toMatchObject({
      code: 'HB_MEDIUM_OPEN',
      message: expect.stringContaining('another program uses it'),
    });
    await first.close();
  });

  it('that nobody reads from is flushed after 500 ms without progress, and works again when somebody does', async () => {
    await using modem = await NullModem.create();
    const log: string[] = [];
    const medium = await open(modem.ends[0], modem.directory, log, 460_800);
    // Without a reader the wires take some ten kilobytes and then nothing.
    const message = Buffer.alloc(4_000, 'x');
    const sendUntil = (what: string, done: () => boolean): Promise<boolean> =>
      eventually(
        () => {
          if ((medium.counters.line?.waiting ?? 0) < 2) medium.send(message);
          return done();
        },
        { what, timeoutMs: 25_000, intervalMs: 20 },
      );
    await sendUntil('a write timeout', () => medium.counters.line?.writeTimeouts === 1);
    expect(medium.counters.sendState).toMatchObject({ ok: false, errno: 'ETIMEDOUT' });
    expect(log.at(-1)).toBe(
      `ERROR: TTY write timeout on [${modem.ends[0]}] (no connection or bad cable? [see documentation])`,
    );
    const reader = await open(modem.ends[1], join(modem.directory, 'none'), [], 460_800);
    await sendUntil('the line to take messages again', () => medium.counters.sendState.ok);
    expect(log.at(-1)).toMatch(/^info: serial .*: sending works again; \d+ messages were lost$/);
    await medium.close();
    await reader.close();
  });

  it.each([
    ['/dev/null', 'ENOTTY', 'is it a terminal?'],
    ['/dev/no-such-port', 'ENOENT', 'open /dev/no-such-port'],
  ])('%s cannot be opened: %s', async (device, errno, text) => {
    await using modem = await NullModem.create();
    await expect(open(device, modem.directory)).rejects.toMatchObject({
      code: 'HB_MEDIUM_OPEN',
      message: expect.stringContaining(text),
      details: { link: device, errno },
    });
    expect(existsSync(join(modem.directory, lockFileName(device))), 'the lock is given back').toBe(false);
  });
});
