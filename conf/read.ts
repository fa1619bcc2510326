/**
 * Reading the whole configuration: ha.cf, authkeys, haresources and nodeinfo, all findings of all of them at once.
 *
 * ```ts
 * const { settings, authKeys, diagnostics } = readConfiguration({ configDir: '/etc/ha.d', hostname: hostname(), system: realSystem() });
 * if (settings === null || authKeys === null) process.exitCode = 6;
 * ```
 */
import type { NodeName } from '../runtime/units.ts';
import { readAuthKeys } from './authkeys.ts';
import { checkHaCf, timesOf } from './checks.ts';
import { withBuiltInRules } from './clients.ts';
import { countErrors, type Diagnostic, type Finding, Report, unreadable, wholeFile } from './diagnostics.ts';
import { directives } from './directives.ts';
import type { Draft, Reading } from './draft.ts';
import { readHaCf } from './ha-cf.ts';
import { readHaresources } from './haresources.ts';
import { cutName } from './nodes.ts';
import type { AuthKeys, ClusterNode, GroupSpec, Settings } from './settings.ts';
import type { System } from './system.ts';
import { splitLines } from './text.ts';
import { formatMs } from './time.ts';

export interface ConfigurationOptions {
  /** Directory of the files, usually /etc/ha.d; a slash at its end means nothing. */
  readonly configDir: string;
  /** `uname -n`; the first line of nodeinfo in the directory takes its place. */
  readonly hostname: string;
  readonly system: System;
  /** Media that this build can run. A configuration without any of them is an error. Default: all kinds. */
  readonly activeMedia?: ReadonlySet<string>;
}

export interface Configuration {
  /** Null when there is any error: the node must not start. */
  readonly settings: Settings | null;
  /** Null when there is any error. Never log it. */
  readonly authKeys: AuthKeys | null;
  /** All findings, in the order of ha.cf, authkeys, the checks of ha.cf as a whole, haresources. */
  readonly diagnostics: readonly Diagnostic[];
  /** What Heartbeat would log about this configuration, line by line with severity words, up to where it would stop. */
  readonly originalLog: readonly string[];
}

/**
 * The name of this node, in lower case: the first line of nodeinfo, if that file is not empty, else the host's name.
 *
 * A nodeinfo that is there but cannot be read is an error: Heartbeat would take the host's name, and be another node than was meant.
 */
function ownName(
  options: ConfigurationOptions,
  file: string,
): { readonly self: string; readonly selfFrom: string; readonly report: Report } {
  const report = new Report();
  const content = options.system.readFile(file);
  if (!content.ok && content.errno !== 'ENOENT' && content.errno !== 'ENOTDIR')
    report.add(wholeFile(file), unreadable('the file with the name of this node', content.errno, ''));
  const [first] = content.ok ? splitLines(content.bytes, Number.MAX_SAFE_INTEGER) : [];
  return first === undefined
    ? { self: options.hostname.toLowerCase(), selfFrom: 'its host name', report }
    : { self: first.text.toLowerCase(), selfFrom: `the first line of ${file}`, report };
}

/** Set when all files are missing for one and the same reason: then the directory is what there is to say something about. */
function directoryFinding(directory: string, system: System): Finding | null {
  const errnos = ['ha.cf', 'authkeys', 'haresources'].map((name) => {
    const content = system.readFile(`${directory}/${name}`);
    return content.ok ? null : content.errno;
  });
  const [errno] = errnos;
  if (errno === null || errno === undefined || errnos.some((other) => other !== errno)) return null;
  if (errno === 'ENOENT' && system.stat(directory) !== null) return null;
  if (errno !== 'ENOENT' && errno !== 'ENOTDIR' && errno !== 'EACCES') return null;
  const finding = unreadable(
    'the configuration directory',
    errno,
    'make it and put ha.cf, authkeys and haresources into it (conf/samples has examples), or name another one with --config-dir',
  );
  return errno === 'ENOTDIR' ? { ...finding, message: 'the configuration directory is no directory' } : finding;
}

/** Reads and checks everything. Never throws for what the files hold. */
export function readConfiguration(options: ConfigurationOptions): Configuration {
  const { system } = options;
  const directory = options.configDir.replace(/(?<=.)\/+$/, '');
  const { self, selfFrom, report: naming } = ownName(options, `${directory}/nodeinfo`);
  const files = (name: string) => ({ file: `${directory}/${name}`, originalFile: `${directory}//${name}` });

  const { file, originalFile } = files('ha.cf');
  const haCf = readHaCfFile(directory, file, originalFile, self, system);
  const inDirectory = directoryFinding(directory, system);
  if (inDirectory !== null) {
    const report = new Report();
    report.add(wholeFile(directory), inDirectory);
    return {
      settings: null,
      authKeys: null,
      diagnostics: report.diagnostics,
      originalLog: originalLog(haCf.reading.report, report, report, report),
    };
  }
  const authKeysFile = files('authkeys');
  const authKeys = readAuthKeys({
    ...authKeysFile,
    content: system.readFile(authKeysFile.file),
    facts: system.stat(authKeysFile.file),
    ownUid: system.ownUid,
  });
  const checks = new Report();
  if (haCf.readable)
    checkHaCf({
      draft: haCf.reading.draft,
      report: checks,
      file,
      self,
      selfFrom,
      activeMedia: options.activeMedia ?? null,
    });
  const haresourcesFile = files('haresources');
  const { draft } = haCf.reading;
  const nodes = haCf.readable
    ? new Set(draft.nodes.map((node) => (node.type === 'ping' ? cutName(node.name) : node.name)))
    : null;
  const haresources = draft.managesResources
    ? readHaresources({
        ...haresourcesFile,
        content: system.readFile(haresourcesFile.file),
        configDir: directory,
        system,
        nodes,
      })
    : { groups: [], report: new Report() };

  const reports = [naming, haCf.reading.report, authKeys.report, checks, haresources.report];
  const diagnostics = reports.flatMap((report) => report.diagnostics);
  const good = countErrors(diagnostics) === 0;
  return {
    settings: good ? settingsOf(directory, cutName(self), draft, haresources.groups, system) : null,
    authKeys: good ? authKeys.keys : null,
    diagnostics,
    originalLog: originalLog(haCf.reading.report, authKeys.report, checks, haresources.report),
  };
}

/** Reads authkeys alone, for a reload. `authKeys` is null when the file has an error: keep the old keys then. */
export function readAuthKeysFile(options: { readonly configDir: string; readonly system: System }): {
  readonly authKeys: AuthKeys | null;
  readonly diagnostics: readonly Diagnostic[];
} {
  const directory = options.configDir.replace(/(?<=.)\/+$/, '');
  const file = `${directory}/authkeys`;
  const { keys, report } = readAuthKeys({
    file,
    originalFile: `${directory}//authkeys`,
    content: options.system.readFile(file),
    facts: options.system.stat(file),
    ownUid: options.system.ownUid,
  });
  return { authKeys: keys, diagnostics: report.diagnostics };
}

function readHaCfFile(
  configDir: string,
  file: string,
  originalFile: string,
  self: string,
  system: System,
): { readonly reading: Reading; readonly readable: boolean } {
  const content = system.readFile(file);
  const reading = readHaCf(content.ok ? content.bytes : new Uint8Array(), {
    file,
    originalFile,
    configDir,
    self,
    system,
  });
  if (content.ok) return { reading, readable: true };
  reading.report.add(wholeFile(file), {
    ...unreadable(
      'the main configuration file',
      content.errno,
      'copy one of the samples (conf/samples) to it and change names and interfaces, or name another directory with --config-dir',
    ),
    original: `ERROR: Cannot open config file [${originalFile}]\ninfo: An annotated sample ${originalFile} file is provided in the documentation.\ninfo: Please copy it to ${originalFile}, read it, customize it, and try again.`,
  });
  return { reading, readable: false };
}

/** Puts the steps' lines together as Heartbeat logs them, which stops at the first step that fails. */
function originalLog(haCf: Report, authKeys: Report, checks: Report, haresources: Report): string[] {
  const closing = 'ERROR: Configuration error, heartbeat not started.';
  if (haCf.failed) return [...haCf.log, 'ERROR: Heartbeat not started: configuration error.', closing];
  if (authKeys.failed) return [...haCf.log, ...authKeys.log, 'ERROR: Authentication configuration error.', closing];
  const checked = [...haCf.log, ...authKeys.log, ...checks.log];
  if (checks.failed) return [...checked, closing];
  const validated = [
    ...checked,
    'info: **************************',
    'info: Configuration validated. Starting heartbeat 3.0.6',
  ];
  return haresources.failed ? [...validated, ...haresources.log, closing] : [...validated, ...haresources.log];
}

function settingsOf(
  configDir: string,
  self: NodeName,
  draft: Draft,
  groups: readonly GroupSpec[],
  system: System,
): Settings {
  const times = timesOf(draft);
  return {
    configDir,
    self,
    nodes: nodesOf(draft, self),
    media: draft.media,
    keepaliveMs: draft.keepaliveMs,
    deadtimeMs: draft.deadtimeMs,
    ...times,
    hopfudge: draft.hopfudge,
    udpPort: draft.udpPort,
    maxRexmitDelayMs: draft.maxRexmitDelayMs,
    msgFmt: draft.msgFmt,
    compression: {
      module: draft.compressionModule,
      thresholdKb: draft.compressionThresholdKb,
      traditional: draft.traditionalCompression,
    },
    generationMethod: draft.generationMethod,
    uuidFrom: draft.uuidFrom,
    autojoin: draft.autojoin,
    autoFailback: draft.autoFailback,
    managesResources: draft.managesResources,
    watchdog: draft.watchdog,
    realtime: draft.realtime,
    rtprio: draft.rtprio,
    cluster: draft.cluster,
    log: {
      facility: draft.facility,
      logFile: draft.logFile,
      debugFile: draft.debugFile,
      useLogd: draft.useLogd ?? [draft.logFile, draft.debugFile, draft.facility].every((value) => value === null),
      syslogMsgFmt: draft.syslogMsgFmt,
      logBadPackets: draft.logBadPackets,
      debug: draft.debug,
    },
    respawn: draft.respawn,
    apiAuth: withBuiltInRules(draft.apiAuth, system),
    stonith: draft.stonith,
    env: Object.fromEntries(draft.env),
    recorded: recordedOf(draft),
    groups,
    mediaFailure: draft.mediaFailure,
    guardian: draft.guardian,
    stopFailure: draft.stopFailure,
    resourceTimeoutMs: draft.resourceTimeoutMs,
    monitor: draft.monitor,
    stonithTimeoutMs: draft.stonithTimeoutMs,
    notActive: draft.notActive,
  };
}

/** Each name once: the first place counts, and a cluster node goes before a ping node of the same name. With autojoin, we come last. */
function nodesOf(draft: Draft, self: NodeName): ClusterNode[] {
  const normal = new Set(draft.nodes.filter((node) => node.type === 'normal').map((node) => cutName(node.name)));
  const nodes = new Map<NodeName, ClusterNode>();
  for (const { name: written, type } of draft.nodes) {
    const name = cutName(written);
    if (!nodes.has(name) && (type === 'normal' || !normal.has(name))) nodes.set(name, { name, type });
  }
  if (!nodes.has(self)) nodes.set(self, { name: self, type: 'normal' });
  return [...nodes.values()];
}

/** Every recorded directive that is written or has a default, in the table's order. */
function recordedOf(draft: Draft): Record<string, string> {
  const times = timesOf(draft);
  const computed: Readonly<Record<string, string>> = {
    udpport: String(draft.udpPort),
    deadping: formatMs(times.deadpingMs),
    initdead: formatMs(times.initdeadMs),
    warntime: formatMs(times.warntimeMs),
    ...logDefaults(draft),
  };
  const recorded: Record<string, string> = {};
  for (const { name, default: defaultValue, recorded: isRecorded } of directives) {
    const value = draft.written.get(name)?.value ?? computed[name] ?? defaultValue;
    if (isRecorded && value !== null && value !== undefined) recorded[name] = value;
  }
  return recorded;
}

/** A log that is not written becomes /dev/null when another one is, and the log daemon when there is none. */
function logDefaults(draft: Draft): Record<string, string> {
  if (draft.facility !== null)
    return { logfile: draft.logFile ?? '/dev/null', debugfile: draft.debugFile ?? '/dev/null' };
  if (draft.logFile !== null) return { debugfile: draft.debugFile ?? '/dev/null' };
  return draft.debugFile === null && draft.useLogd === null ? { use_logd: 'yes' } : {};
}
