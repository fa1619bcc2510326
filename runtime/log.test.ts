import { spawnSync } from 'node:child_process';
import {
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  formatLine,
  formatScriptLine,
  type LogTarget,
  logFileProblem,
  openLog,
  openPatientLog,
  type Severity,
} from './log.ts';
import { formatSyslog, type SyslogSender } from './sys/syslog.ts';

const target: LogTarget = {
  ident: 'heartbeat',
  hostname: 'node1',
  format: 'text',
  syslogMsgFmt: true,
  logFile: null,
  debugFile: null,
  facility: null,
  stderr: false,
  debugLevel: 0,
};

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'systole-log-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
/** The text behind the time, which no test can know. */
const textsOf = (path: string): string[] => linesOf(path).map((line) => line.replace(/^.* heartbeat: \[\d+\]: /, ''));

describe('lines are those of Heartbeat 3.0.6', () => {
  const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
  const severityOf = (word: string | undefined): Severity => {
    const known = (['EMERG', 'ALERT', 'CRIT', 'ERROR', 'WARN', 'notice', 'info', 'debug'] as const).find(
      (one) => one === word,
    );
    if (known === undefined) throw new Error(`no severity: ${word}`);
    return known;
  };

  /** The line as we would write it, from the facts in the recorded one; null for a line of another program. */
  function again(line: string): string | null {
    const usual = /^(\w{3}) (\d\d) (\d\d):(\d\d):(\d\d) (\S+) heartbeat: \[(\d+)\]: (\w+): (.*)$/s.exec(line);
    if (usual !== null) {
      const [, month = '', day, hour, minute, second, hostname = '', pid, severity, text = ''] = usual;
      const at = new Date(2026, months.indexOf(month), Number(day), Number(hour), Number(minute), Number(second));
      return formatLine({ ...target, hostname }, Number(pid), severityOf(severity), text, at);
    }
    const old = /^heartbeat\[(\d+)\]: (\d+)\/(\d+)\/(\d+)_(\d+):(\d+):(\d+) (\w+): (.*)$/s.exec(line);
    if (old !== null) {
      const [, pid, year, month, day, hour, minute, second, severity, text = ''] = old;
      const at = new Date(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
      return formatLine({ ...target, syslogMsgFmt: false }, Number(pid), severityOf(severity), text, at);
    }
    const script = /^(\d+)\/(\d+)\/(\d+)_(\d+):(\d+):(\d+)\s+(\S+)\[(\d+)\]:\s+(\S.*)$/s.exec(line);
    if (script !== null) {
      const [, year, month, day, hour, minute, second, tag = '', pid, text = ''] = script;
      const at = new Date(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
      return formatScriptLine(tag, Number(pid), text, at);
    }
    return null;
  }

  const logs = new URL('../test/corpus/logs/', import.meta.url);
  const scenarios = readdirSync(logs).filter(
    (name) => existsSync(new URL(`${name}/node1.log`, logs)) && name !== 'syslog-format',
  );

  it.each(scenarios)('%s', (scenario) => {
    const recorded = readFileSync(new URL(`${scenario}/node1.log`, logs), 'utf8').split('\n');
    const ours = recorded.map((line) => again(line));
    const compared = ours.filter((line) => line !== null).length;
    expect(compared).toBeGreaterThan(recorded.length * 0.6);
    expect(ours.map((line, index) => line ?? recorded[index])).toEqual(recorded);
  });

  it('syslog-format: what goes to the system log', () => {
    const recorded = readFileSync(new URL('syslog-format/node1.log', logs), 'utf8').split('\n');
    const sent: string[] = [];
    const at = new Date(2026, 10, 22, 11, 53, 47);
    const sender: SyslogSender = {
      send: (priority, ident, message) => sent.push(formatSyslog(16, priority, ident, message, at)) > 0,
      close: () => undefined,
    };
    const log = openLog({ ...target, facility: 'local0' }, () => sender);
    const daemonLines = recorded.flatMap((line) => {
      const [, severity, text] = /^<\d+>Nov 22 11:53:47 heartbeat: \[\d+\]: (\w+): (.*)$/.exec(line) ?? [];
      return text === undefined ? [] : [{ line, severity: severityOf(severity), text }];
    });
    for (const { severity, text } of daemonLines) log.write(severity, text);
    const withoutPid = (line: string): string => line.replace(/\[\d+\]/, '[]');
    expect(sent.map(withoutPid)).toEqual(daemonLines.map(({ line }) => withoutPid(line)));
    expect(sent.length).toBeGreaterThan(5);
  });
});

describe('where lines go', () => {
  it('debug only to the debug file, all others to both', () => {
    const log = openLog({ ...target, logFile: join(dir, 'log'), debugFile: join(dir, 'debug'), debugLevel: 1 });
    log.write('info', 'one');
    log.write('debug', 'two');
    log.close();
    expect(textsOf(join(dir, 'log'))).toEqual(['info: one']);
    expect(textsOf(join(dir, 'debug'))).toEqual(['info: one', 'debug: two']);
  });

  it('no debug lines at debug level 0; one file for both has each line once', () => {
    const path = join(dir, 'both');
    const quiet = openLog({ ...target, logFile: path, debugFile: path });
    quiet.write('debug', 'nobody asked');
    const loud = openLog({ ...target, logFile: path, debugFile: path, debugLevel: 1 });
    loud.write('debug', 'one');
    loud.write('WARN', 'two');
    expect(textsOf(path)).toEqual(['debug: one', 'WARN: two']);
  });

  it("a script's priority for the system log follows from its words", () => {
    const sent: [number, string, string][] = [];
    const log = openLog({ ...target, facility: 'daemon' }, () => ({
      send: (...line) => sent.push(line) > 0,
      close: () => undefined,
    }));
    for (const text of ['ERROR: a', 'WARN: b', 'INFO:  c', 'd']) log.script('harc(default)', 7, text);
    expect(sent).toEqual([
      [3, 'harc(default)[7]', 'ERROR: a'],
      [4, 'harc(default)[7]', 'WARN: b'],
      [6, 'harc(default)[7]', 'INFO:  c'],
      [5, 'harc(default)[7]', 'd'],
    ]);
  });

  it('facility none is no system log', () => {
    openLog({ ...target, facility: 'none' }, () => {
      throw new Error('asked for a sender');
    }).write('info', 'x');
  });

  it('one call is one line, whatever it holds', () => {
    const path = join(dir, 'log');
    const log = openLog({ ...target, logFile: path });
    log.write('info', 'real\nNov 22 11:53:47 node1 heartbeat: [1]: CRIT: forged\r\n');
    log.script('svc', 1, 'a\nb');
    expect(linesOf(path)).toHaveLength(2);
  });
});

describe('JSON', () => {
  it('has level, time, origin, severity, message and the facts of the event', () => {
    const path = join(dir, 'log');
    const before = Date.now();
    const log = openLog({ ...target, logFile: path, debugFile: join(dir, 'debug'), debugLevel: 1, format: 'json' });
    log.write('CRIT', 'Emergency Shutdown', { event: 'emergency', actor: 'membership' });
    log.write('notice', 'n');
    log.write('debug', 'd');
    log.script('ResourceManager(default)', 7, 'info: x');
    const entries = linesOf(path).map((line): Record<string, unknown> => JSON.parse(line));
    expect(entries).toMatchObject([
      {
        level: 'fatal',
        severity: 'CRIT',
        ident: 'heartbeat',
        host: 'node1',
        pid: process.pid,
        event: 'emergency',
        actor: 'membership',
        msg: 'Emergency Shutdown',
      },
      { level: 'info', severity: 'notice', msg: 'n' },
      { level: 'info', tag: 'ResourceManager(default)', scriptPid: 7, msg: 'info: x' },
    ]);
    for (const { time } of entries) expect(time).toBeGreaterThanOrEqual(before);
    expect(linesOf(join(dir, 'debug')).map((line): unknown => JSON.parse(line).level)).toEqual([
      'fatal',
      'info',
      'debug',
      'info',
    ]);
  });

  it('stays JSON when lines were lost', () => {
    const path = join(dir, 'later', 'log');
    const log = openLog({ ...target, logFile: path, format: 'json' });
    log.write('info', 'lost');
    mkdirSync(join(dir, 'later'));
    log.write('info', 'kept');
    expect(linesOf(path).map((line): unknown => JSON.parse(line).msg)).toEqual([
      '1 lines of this log were lost (ENOENT)',
      'kept',
    ]);
  });
});

describe('rotation', () => {
  it('is noticed a minute later, by the inode', () => {
    const path = join(dir, 'log');
    let nowMs = 0;
    const log = openLog({ ...target, logFile: path }, undefined, () => nowMs);
    log.write('info', 'before');
    renameSync(path, `${path}.1`);
    nowMs = 59_999;
    log.write('info', 'still there');
    nowMs = 60_000;
    log.write('info', 'after');
    expect(textsOf(`${path}.1`)).toEqual(['info: before', 'info: still there']);
    expect(textsOf(path)).toEqual([`info: log-rotate detected on logfile ${path}`, 'info: after']);
  });

  it('goes on in the old file while there can be no new one', () => {
    const path = join(dir, 'logs', 'log');
    mkdirSync(join(dir, 'logs'));
    let nowMs = 0;
    const log = openLog({ ...target, logFile: path }, undefined, () => nowMs);
    log.write('info', 'before');
    renameSync(join(dir, 'logs'), join(dir, 'old'));
    nowMs = 60_000;
    log.write('info', 'lost while opening');
    log.write('info', 'kept in the old file');
    expect(textsOf(join(dir, 'old', 'log'))).toEqual([
      'info: before',
      'WARN: 1 lines of this log were lost (ENOENT)',
      'info: kept in the old file',
    ]);
  });

  it('of a file that was only truncated needs nothing', () => {
    const path = join(dir, 'log');
    const log = openLog({ ...target, logFile: path });
    log.write('info', 'before');
    writeFileSync(path, '');
    log.write('info', 'after');
    expect(textsOf(path)).toEqual(['info: after']);
  });
});

describe('a sink that fails', () => {
  it('is counted, and the others get the line', () => {
    const log = openLog({ ...target, logFile: '/dev/full', debugFile: join(dir, 'debug'), facility: 'daemon' }, () => ({
      send: () => false,
      close: () => undefined,
    }));
    log.write('info', 'one');
    log.write('info', 'two');
    expect(log.lostLines).toBe(4);
    expect(textsOf(join(dir, 'debug'))).toEqual(['info: one', 'info: two']);
  });

  it('is tried again at each line; the first that is written again is preceded by the count', () => {
    const path = join(dir, 'later', 'log');
    const log = openLog({ ...target, logFile: path });
    log.write('info', 'lost');
    log.write('info', 'lost as well');
    mkdirSync(join(dir, 'later'));
    log.write('info', 'kept');
    log.write('info', 'and on');
    expect(textsOf(path)).toEqual(['WARN: 2 lines of this log were lost (ENOENT)', 'info: kept', 'info: and on']);
    expect(log.lostLines).toBe(2);
  });

  it('that takes a part of a line does not spoil the next one, and nobody waits for it', () => {
    const path = join(dir, 'pipe');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const drain = (): string => {
      const buffer = Buffer.alloc(1 << 20);
      return buffer.toString('latin1', 0, readSync(reader, buffer));
    };
    const log = openLog({ ...target, logFile: path });
    log.write('info', 'x'.repeat(200_000));
    expect(log.lostLines).toBe(1);
    const torn = drain();
    expect(torn).toMatch(/xxx$/);
    log.write('info', 'whole');
    const [rest, lost, whole, end] = drain().split('\n');
    expect([rest, end]).toEqual(['', '']);
    expect(lost).toContain('WARN: 1 lines of this log were lost (EAGAIN)');
    expect(whole).toContain('info: whole');
  });

  it('is named before the node runs', () => {
    expect(logFileProblem(join(dir, 'log'))).toBeNull();
    expect(logFileProblem(join(dir, 'nowhere', 'log'))).toBe('ENOENT');
    expect(logFileProblem(dir)).toBe('EISDIR');
    expect(logFileProblem(join(dir, 'log', 'x'))).toBe('ENOTDIR');
  });
});

describe('a log that waits for no disk', () => {
  it('writes every line in its order, and all that is left when it is closed', async () => {
    const logFile = join(dir, 'log');
    const log = openPatientLog({ ...target, logFile });
    for (let line = 0; line < 50; line++) log.write('info', `early ${line}`);
    await expect.poll(() => linesOf(logFile).length, { timeout: 10_000 }).toBe(50);
    for (let line = 0; line < 50; line++) log.write('info', `late ${line}`);
    log.close();
    await expect.poll(() => linesOf(logFile).length, { timeout: 10_000 }).toBe(100);
    const texts = textsOf(logFile);
    expect(texts.slice(0, 50)).toEqual(Array.from({ length: 50 }, (_, line) => `info: early ${line}`));
    // One may have been under way when the others were written.
    expect(texts.slice(50).sort()).toEqual(Array.from({ length: 50 }, (_, line) => `info: late ${line}`).sort());
  });

  it('has everything on the disk after a flush that found nothing under way', () => {
    const logFile = join(dir, 'log');
    const log = openPatientLog({ ...target, logFile });
    log.write('info', 'under way');
    for (let line = 0; line < 3; line++) log.write('info', `line ${line}`);
    log.flush();
    expect(textsOf(logFile).filter((text) => text.includes('line'))).toEqual([
      'info: line 0',
      'info: line 1',
      'info: line 2',
    ]);
    log.close();
  });

  it('counts what a full disk refuses, and says so when there is room again', async () => {
    const logFile = join(dir, 'log');
    symlinkSync('/dev/full', logFile);
    const log = openPatientLog({ ...target, logFile }, undefined);
    for (let line = 0; line < 3; line++) log.write('WARN', `lost ${line}`);
    await expect.poll(() => log.lostLines, { timeout: 10_000 }).toBe(3);
    log.close();
  });
});
