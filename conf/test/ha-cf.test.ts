/** What ha.cf means: defaults, order, Systole's own directives, and the words of findings. */
import { describe, expect, it } from 'vitest';
import { type ConfigurationOptions, readConfiguration } from '../read.ts';
import type { Settings } from '../settings.ts';
import { hostWith, recordedHost } from './fake-system.ts';

const minimal = 'logfile /var/log/ha-log\nbcast eth0\nnode node1 node2\nauto_failback on\n';

function read(haCf: string, options: Partial<ConfigurationOptions> = {}) {
  const system = hostWith({ haCf, authkeys: 'auth 1\n1 sha1 secret\n', haresources: '' });
  return readConfiguration({ configDir: '/etc/ha.d', hostname: 'Node1', system, ...options });
}

function settingsOf(haCf: string): Settings {
  const { settings, diagnostics } = read(haCf);
  if (settings === null) throw new Error(`refused: ${diagnostics.map(({ message }) => message).join('; ')}`);
  return settings;
}

function errorsOf(haCf: string, options: Partial<ConfigurationOptions> = {}) {
  return read(haCf, options).diagnostics.filter(({ severity }) => severity === 'error');
}

function warnings(line: string): string[] {
  return read(`${minimal}${line}\n`).diagnostics.map(({ severity, message }) => `${severity}: ${message}`);
}

describe('defaults', () => {
  it('are those of Heartbeat', () => {
    const settings = settingsOf('bcast eth0\nnode node1\n');
    expect(settings).toMatchObject({
      self: 'node1',
      keepaliveMs: 1_000,
      deadtimeMs: 30_000,
      warntimeMs: 15_000,
      initdeadMs: 30_000,
      deadpingMs: 30_000,
      hopfudge: 1,
      udpPort: 694,
      maxRexmitDelayMs: 250,
      msgFmt: 'classic',
      compression: { module: 'zlib', thresholdKb: 2, traditional: false },
      generationMethod: 'file',
      uuidFrom: 'file',
      autojoin: 'none',
      autoFailback: 'legacy',
      managesResources: true,
      watchdog: null,
      realtime: true,
      rtprio: null,
      cluster: 'linux-ha',
      log: {
        facility: null,
        logFile: null,
        debugFile: null,
        useLogd: true,
        syslogMsgFmt: true,
        logBadPackets: true,
        debug: 0,
      },
      mediaFailure: 'emergency',
      guardian: 'release',
      stopFailure: 'reboot',
      stonithTimeoutMs: 60_000,
      resourceTimeoutMs: 60_000,
      notActive: [],
    });
  });

  it.each([
    ['5', 12_000],
    ['5999ms', 12_000],
    ['6', 12_000],
    ['10', 20_000],
    ['10001ms', 10_001],
    ['30', 30_000],
  ])('initdead for deadtime %s is %d ms', (deadtime, initdeadMs) => {
    expect(settingsOf(`${minimal}deadtime ${deadtime}\n`).initdeadMs).toBe(initdeadMs);
  });

  it('record what the original records', () => {
    expect(settingsOf(`${minimal}keepalive 1\ndeadtime 6\nhopfudge 2x\n`).recorded).toMatchObject({
      cluster: 'linux-ha',
      hopfudge: '2x',
      keepalive: '1',
      deadtime: '6',
      deadping: '6000ms',
      initdead: '12000ms',
      warntime: '3000ms',
      udpport: '694',
      baud: '19200',
      logfile: '/var/log/ha-log',
      debugfile: '/dev/null',
      auto_failback: 'on',
      pacemaker: 'false',
      msgfmt: 'classic',
      memreserve: '6500',
      stop_failure: 'reboot',
      stonith_timeout: '60',
      resource_timeout: '60',
    });
    expect(settingsOf('bcast eth0\nnode node1\n').recorded).toMatchObject({ use_logd: 'yes', deadtime: '30000ms' });
    expect(settingsOf('logfacility local0\nbcast eth0\nnode node1\n').recorded).toMatchObject({
      logfile: '/dev/null',
      debugfile: '/dev/null',
    });
    expect(Object.keys(settingsOf(`${minimal}env A=b\n`).recorded)).not.toContain('env');
  });
});

describe('order and repetition', () => {
  it('gives each medium the port and address in force where it stands', () => {
    const { media, udpPort } = settingsOf(
      'node node1\nlogfile /l\nbcast eth0\nudpport 1000\nbindaddr 127.0.0.2\nucast eth0 10.77.0.2\nbindaddr any\nudpport 2000\nucast lo 10.77.0.2\nmcast eth0 225.0.0.1 694 5 1\n',
    );
    expect(media).toMatchObject([
      { kind: 'bcast', link: 'eth0', port: 694, place: { file: '/etc/ha.d/ha.cf', line: 3, column: 7 } },
      { kind: 'ucast', link: 'eth0', port: 1000, peer: '10.77.0.2', bindAddress: '127.0.0.2' },
      { kind: 'ucast', link: 'lo', port: 2000, bindAddress: null },
      { kind: 'mcast', group: '225.0.0.1', port: 694, ttl: 5, loop: true },
    ]);
    expect(udpPort).toBe(2000);
  });

  it('takes the last word of single values and all words of lists', () => {
    const settings = settingsOf(`${minimal}keepalive 1 2,3\nnode A,b\tc # d\nenv X=1,Y=2\n`);
    expect(settings.keepaliveMs).toBe(3_000);
    expect(settings.nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'a', 'b', 'c']);
    expect(settings.env).toEqual({ X: '1', Y: '2' });
  });

  it('names a node once', () => {
    const { settings, diagnostics } = read(`${minimal}node node2\nping_group node2 10.77.0.9\n`);
    expect(settings?.nodes).toEqual([
      { name: 'node1', type: 'normal' },
      { name: 'node2', type: 'normal' },
    ]);
    expect(diagnostics.map(({ code }) => code)).toEqual(['HB_CONFIG_VALUE', 'HB_CONFIG_CONFLICT']);
  });

  it('lets nodeinfo name the node', () => {
    const files = { ...recordedHost.files, '/etc/ha.d/nodeinfo': { text: 'NODE2\nnode1\n' } };
    const system = hostWith(
      { haCf: minimal, authkeys: 'auth 1\n1 sha1 secret\n', haresources: '' },
      { ...recordedHost, files },
    );
    expect(readConfiguration({ configDir: '/etc/ha.d', hostname: 'other', system }).settings?.self).toBe('node2');
  });
});

describe('compression', () => {
  it('by bz2 is refused where the library is missing', () => {
    const files = { haCf: `${minimal}compression bz2\n`, authkeys: 'auth 1\n1 sha1 secret\n', haresources: '' };
    const readOn = (bzip2: boolean) =>
      readConfiguration({
        configDir: '/etc/ha.d',
        hostname: 'node1',
        system: hostWith(files, { ...recordedHost, bzip2 }),
      });
    expect(readOn(true).settings).toMatchObject({ compression: { module: 'bz2' }, notActive: [] });
    expect(readOn(false).settings).toBeNull();
    expect(readOn(false).diagnostics).toMatchObject([
      { severity: 'error', message: 'compression bz2 needs the library libbz2.so.1.0, which is not installed' },
    ]);
  });
});

describe('directives without effect yet', () => {
  it('are listed with their place', () => {
    const { notActive, managesResources, stonith, respawn, apiAuth } = settingsOf(
      `${minimal}# serial and ping\n# media are\n# active\nwatchdog /dev/watchdog\nuse_logd on\ncompression bz2\nrespawn hacluster /usr/lib/heartbeat/ipfail -x\napiauth ipfail uid=hacluster,0\nstonith_host * null node1 node2\nstonith_host node9 bogus\ncrm ccm-only\n`,
    );
    expect(notActive.map(({ directive, place }) => `${place.line} ${directive}`)).toEqual(['9 use_logd', '15 crm']);
    expect({ managesResources, stonith, respawn, apiAuth }).toMatchObject({
      managesResources: false,
      stonith: [{ host: '*', type: 'null', parameters: 'node1 node2' }],
      respawn: [{ user: 'hacluster', command: '/usr/lib/heartbeat/ipfail -x', failfast: false }],
    });
    expect(apiAuth[0]).toEqual({ client: 'ipfail', uids: [105, 0], gids: null });
  });

  it('do not count media', () => {
    const haCf = `${minimal}serial /dev/null\nucast6 eth0 fd00::2\nping 10.77.0.9\nping6 fd00::9\nping_group g 10.77.0.9\n`;
    const { notActive, media, nodes } = settingsOf(haCf);
    expect(notActive).toEqual([]);
    expect(media.slice(1).map(({ kind }) => kind)).toEqual(['serial', 'ucast6', 'ping', 'ping6', 'ping_group']);
    expect(nodes.filter(({ type }) => type === 'ping').map(({ name }) => name)).toEqual(['10.77.0.9', 'fd00::9', 'g']);
  });

  it('do not count defaults', () => {
    expect(settingsOf(`${minimal}compression zlib\nautojoin none\ncrm off\nuse_apphbd no\n`).notActive).toEqual([]);
  });

  it('refuse a node that has no active medium', () => {
    const haCf = 'logfile /l\nnode node1\nping 10.77.0.9\n';
    expect(errorsOf(haCf)).toEqual([]);
    expect(errorsOf(haCf, { activeMedia: new Set(['bcast', 'ucast']) })).toMatchObject([
      { code: 'HB_CONFIG_NOT_ACTIVE', line: 3, column: 6, hint: 'add one of: bcast, ucast' },
    ]);
  });

  it('take hacluster for granted where only ipfail wants it', () => {
    const haCf = `${minimal}respawn hacluster /usr/lib/heartbeat/ipfail\napiauth ipfail gid=haclient uid=hacluster\n`;
    const system = hostWith(
      { haCf, authkeys: 'auth 1\n1 sha1 secret\n', haresources: '' },
      { ...recordedHost, users: { root: 0 }, groups: { root: 0 } },
    );
    const { settings, diagnostics } = readConfiguration({ configDir: '/etc/ha.d', hostname: 'node1', system });
    expect(settings?.apiAuth.filter(({ client }) => client === 'ipfail')).toEqual([
      { client: 'ipfail', uids: [], gids: [] },
    ]);
    expect(settings?.respawn).toMatchObject([{ account: null, builtIn: 'ipfail' }]);
    expect(diagnostics.map(({ severity, message }) => `${severity}: ${message}`)).toEqual([
      'warning: there is no user hacluster on this machine',
      'warning: there is no group haclient on this machine',
      'warning: there is no user hacluster on this machine',
    ]);
  });
});

describe("Systole's own directives", () => {
  it('are read', () => {
    expect(
      settingsOf(`${minimal}media_failure restart\nguardian off\nstop_failure hold\nresource_timeout 1500ms\n`),
    ).toMatchObject({
      mediaFailure: 'restart',
      guardian: 'off',
      stopFailure: 'hold',
      resourceTimeoutMs: 1_500,
    });
  });

  it.each([
    'media_failure maybe',
    'guardian on',
    'stop_failure ignore',
    'resource_timeout 0',
    'resource_timeout 5m',
    'bindaddr eth0',
    'bindaddr 1.2.3',
  ])('refuse %s', (line) => {
    expect(errorsOf(`${minimal}${line}\n`)).toMatchObject([{ code: 'HB_CONFIG_VALUE', line: 5 }]);
  });

  it('refuse stop_failure fence without a fencing device: the other node would take what still runs', () => {
    expect(errorsOf(`${minimal}stop_failure fence\n`)).toMatchObject([{ code: 'HB_CONFIG_CONFLICT', line: 5 }]);
    expect(settingsOf(`${minimal}stop_failure fence\nstonith_host * null node1 node2\n`).stopFailure).toBe('fence');
  });
});

describe('findings', () => {
  it('come all at once, with place, text and advice', () => {
    const found = errorsOf('keepalve 2\nkeepalive=2\nbcast eth0 eth9\ndeadtime 1s\nnode node2\n');
    expect(found).toMatchObject([
      {
        line: 1,
        column: 1,
        message: 'there is no directive keepalve',
        hint: 'did you mean keepalive?',
        original: 'ERROR: Illegal directive [keepalve] in /etc/ha.d//ha.cf',
      },
      { line: 2, column: 1, hint: 'write a blank instead of =: keepalive 2' },
      { line: 3, column: 12, message: 'there is no interface eth9', source: 'bcast eth0 eth9' },
      { line: 4, column: 10, message: 'deadtime 1s is no time', original: null },
      {
        line: 0,
        column: 0,
        message: 'this node is called node1 (its host name), which is not declared as a node',
        hint: 'write: node node1',
      },
    ]);
  });

  it('say what to write when a file is missing or empty', () => {
    const system = hostWith({ haCf: null, authkeys: null, haresources: null });
    const { diagnostics, settings, authKeys } = readConfiguration({
      configDir: '/etc/ha.d/',
      hostname: 'node1',
      system,
    });
    expect({ settings, authKeys }).toEqual({ settings: null, authKeys: null });
    expect(diagnostics.map(({ file, message, hint }) => [file, message, hint !== null && hint.length > 20])).toEqual([
      ['/etc/ha.d/ha.cf', 'the main configuration file is missing', true],
      ['/etc/ha.d/authkeys', 'the file with the keys is missing', true],
      ['/etc/ha.d/haresources', 'the file with the resources is missing', true],
    ]);
    expect(read('# nothing\n').diagnostics[0]).toMatchObject({ message: 'the file says nothing' });
  });

  it('warn about what Heartbeat takes without a word', () => {
    expect(warnings('hopfudge abc')).toEqual(['warning: hopfudge abc is no plain number and counts as 0']);
    expect(warnings('keepalive')).toEqual(['warning: keepalive has no value and is ignored']);
    expect(warnings('warntime 30')).toEqual([
      'warning: warntime 30000 ms is not shorter than deadtime 30000 ms: no late heartbeat is ever logged',
    ]);
    expect(warnings('udpport 7000')).toHaveLength(2);
    expect(warnings('bcast eth0')).toEqual(['warning: this bcast medium is written twice']);
    expect(warnings('logfile /x\0y')).toEqual(['warning: a NUL byte ends the line here']);
  });

  it('never show the parameters of fencing devices', () => {
    const { diagnostics } = read(`${minimal}stonith_host * baytech 10.0.0.1 hunter2\nstonith_host * bogus hunter2\n`);
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toHaveLength(2);
    expect(JSON.stringify(diagnostics)).not.toContain('hunter2');
  });
});
