/**
 * The checks that need the whole of ha.cf, in Heartbeat's order: media, nodes, times, failback, logging.
 */
import { type Ms, ms } from '../runtime/units.ts';
import { type Finding, type Position, Report, wholeFile } from './diagnostics.ts';
import type { Draft } from './draft.ts';
import { slowLines } from './serial-load.ts';

/** ha.cf as read, and what the checks compare it with. */
export interface Checked {
  readonly draft: Draft;
  readonly report: Report;
  readonly file: string;
  readonly self: string;
  /** Where the name comes from, as the end of a message: `by its host name`. */
  readonly selfFrom: string;
  /** Media that this build can run. */
  readonly activeMedia: ReadonlySet<string> | null;
}

/** initdead below this is warned about: a switch port takes some seconds to forward after a boot. */
const shortInitdeadMs = 10_000;

/** The times with their computed defaults. */
export interface Times {
  readonly warntimeMs: Ms;
  readonly initdeadMs: Ms;
  readonly deadpingMs: Ms;
}

/** Heartbeat's defaults: warntime deadtime/2; initdead deadtime when over 10 s, 12 s when under 6 s, else 2 × deadtime; deadping deadtime. */
export function timesOf(draft: Draft): Times {
  const { deadtimeMs } = draft;
  const initdeadMs = deadtimeMs > 10_000 ? deadtimeMs : deadtimeMs < 6_000 ? ms(12_000) : ms(2 * deadtimeMs);
  return {
    warntimeMs: draft.warntimeMs ?? ms(Math.floor(deadtimeMs / 2)),
    initdeadMs: draft.initdeadMs ?? initdeadMs,
    deadpingMs: draft.deadpingMs ?? deadtimeMs,
  };
}

/** Statements that give a medium: when one of them was refused, its absence is explained. */
const mediaDirectives = ['bcast', 'udp', 'ucast', 'ucast6', 'mcast', 'mcast6', 'serial', 'ping', 'ping6', 'ping_group'];

export function checkHaCf(checked: Checked): void {
  const { draft, report } = checked;
  if (saysNothing(draft)) {
    checkEmpty(checked);
    return;
  }
  // Heartbeat applies this default only now, and says so.
  if (draft.pacemaker === null) report.say('info: Pacemaker support: false');
  checkMedia(checked);
  checkNodes(checked);
  checkTimes(checked);
  checkSerialLines(checked);
  checkFailback(checked);
  checkStopFailure(checked);
  checkLogging(checked);
  if (draft.autojoin !== 'none' && draft.managesResources) {
    report.add(where(checked, 'autojoin'), {
      severity: 'error',
      code: 'HB_CONFIG_CONFLICT',
      message: `autojoin ${draft.autojoin} cannot be used together with haresources`,
      hint: 'remove the autojoin line and declare all nodes',
      original:
        'ERROR: R1 style resource management conflicts with  autojoin set\nERROR: You need either unset autojoin or enable crm',
    });
  }
}

/** Falling silent without a fencing device means that the other node takes what still runs here. */
function checkStopFailure(checked: Checked): void {
  const { draft, report } = checked;
  if (draft.stopFailure !== 'fence' || draft.stonith.length > 0) return;
  report.add(where(checked, 'stop_failure'), {
    severity: 'error',
    code: 'HB_CONFIG_CONFLICT',
    message: 'stop_failure fence needs a fencing device: without one the other node would take what still runs here',
    hint: 'add a stonith or stonith_host line, or write: stop_failure reboot',
  });
}

/** Whether no line of the file had any effect or finding. */
function saysNothing(draft: Draft): boolean {
  const { written, nodes, media, refused, respawn, apiAuth, stonith } = draft;
  return [written.size, nodes.length, media.length, refused.size, respawn.length, apiAuth.length, stonith.length].every(
    (count) => count === 0,
  );
}

/** An empty file: one finding says it all; Heartbeat complains about each thing that is missing. */
function checkEmpty(checked: Checked): void {
  const { report, file, self } = checked;
  const original = new Report();
  const everything: Checked = { ...checked, report: original };
  original.say('info: Pacemaker support: false');
  for (const check of [checkMedia, checkNodes, checkFailback, checkLogging]) check(everything);
  for (const line of original.log) report.say(line);
  report.add(wholeFile(file), {
    severity: 'error',
    code: 'HB_CONFIG_MISSING',
    message: 'the file says nothing',
    hint: `write at least: logfile /var/log/ha-log, node ${self} OTHER, bcast eth1, auto_failback on, each on its own line`,
  });
}

/** A finding, or, when a refused line explains it already, only Heartbeat's words for its log. */
function addUnlessExplained(report: Report, explained: boolean, position: Position, finding: Finding): void {
  if (!explained) report.add(position, finding);
  else for (const line of finding.original?.split('\n') ?? []) report.say(line);
}

/** Where a directive was written last, else the file. */
function where(checked: Checked, directive: string): Position {
  return checked.draft.written.get(directive)?.position ?? wholeFile(checked.file);
}

function checkMedia({ draft, report, file, activeMedia }: Checked): void {
  if (draft.media.length === 0) {
    const explained = mediaDirectives.some((directive) => draft.refused.has(directive));
    addUnlessExplained(report, explained, wholeFile(file), {
      severity: 'error',
      code: 'HB_CONFIG_MISSING',
      message: 'there is no medium to send heartbeats on',
      hint: 'write for example: bcast eth1',
      original: 'ERROR: No heartbeat media defined',
    });
    return;
  }
  if (activeMedia === null || draft.media.some((medium) => activeMedia.has(medium.kind))) return;
  const [first] = draft.media;
  report.add(first === undefined ? wholeFile(file) : { place: first.place, source: null }, {
    severity: 'error',
    code: 'HB_CONFIG_NOT_ACTIVE',
    message: `none of the media written here can send heartbeats in this version (${[...new Set(draft.media.map((medium) => medium.kind))].join(', ')})`,
    hint: `add one of: ${[...activeMedia].join(', ')}`,
  });
}

function checkNodes({ draft, report, file, self, selfFrom }: Checked): void {
  const explained = draft.refused.has('node');
  if (draft.nodes.length === 0 && draft.autojoin !== 'any') {
    addUnlessExplained(report, explained, wholeFile(file), {
      severity: 'error',
      code: 'HB_CONFIG_MISSING',
      message: 'no node is declared',
      hint: 'write for example: node alpha beta',
      original: 'ERROR: no nodes defined',
    });
  }
  const ownEntries = draft.nodes.filter((node) => node.name === self);
  const [own] = ownEntries;
  if (self === '' || (own === undefined && draft.autojoin !== 'any')) {
    addUnlessExplained(report, explained && self !== '', wholeFile(file), {
      severity: 'error',
      code: 'HB_CONFIG_UNKNOWN',
      message:
        self === ''
          ? 'this node has no name: the first line of nodeinfo is empty'
          : `this node is called ${self} (${selfFrom}), which is not declared as a node`,
      hint:
        self === ''
          ? 'write the name into the first line of nodeinfo, or remove that file'
          : /[^\w.-]/.test(self)
            ? 'a name has letters, digits, dots and hyphens only: correct it'
            : `write: node ${self}`,
      original: `ERROR: Current node [${self}] not in configuration!\ninfo: By default, cluster nodes are named by \`uname -n\` and must be declared with a 'node' directive in the ha.cf file.\ninfo: See also: http://linux-ha.org/wiki/Ha.cf#node_directive`,
    });
  } else if (own !== undefined && ownEntries.every((node) => node.type === 'ping')) {
    report.add(own.position, {
      severity: 'error',
      code: 'HB_CONFIG_CONFLICT',
      message: `this node's own name ${self} is only a ping node`,
      hint: `write: node ${self}, and give the ping group another name`,
    });
  }
  if (own === undefined && draft.autojoin === 'any')
    report.say(`notice: Current node [${self}] added to configuration.`);
  for (const node of draft.nodes) {
    if (node.type === 'ping' && draft.nodes.some((other) => other.type === 'normal' && other.name === node.name)) {
      report.add(node.position, {
        severity: 'warning',
        code: 'HB_CONFIG_CONFLICT',
        message: `${node.name} is both a node of the cluster and a ping node`,
        hint: 'ping something that does not run the cluster: a router or a switch',
      });
    }
  }
}

function checkTimes(checked: Checked): void {
  const { draft, report } = checked;
  const { keepaliveMs, deadtimeMs } = draft;
  const { warntimeMs, initdeadMs, deadpingMs } = timesOf(draft);
  if (deadtimeMs <= 2 * keepaliveMs) {
    report.add(where(checked, 'deadtime'), {
      severity: 'error',
      code: 'HB_CONFIG_CONFLICT',
      message: `deadtime ${deadtimeMs} ms is not more than 2 × keepalive (${keepaliveMs} ms): one lost packet would be a death`,
      hint: `raise deadtime to ${5 * keepaliveMs}ms or more, or lower keepalive`,
      original: `ERROR: Dead time [${deadtimeMs}] is too small compared to keeplive [${keepaliveMs}]`,
    });
  }
  if (initdeadMs < deadtimeMs) {
    report.add(where(checked, 'initdead'), {
      severity: 'error',
      code: 'HB_CONFIG_CONFLICT',
      message: `initdead ${initdeadMs} ms is shorter than deadtime ${deadtimeMs} ms`,
      hint: `raise initdead to ${Math.max(2 * deadtimeMs, shortInitdeadMs)}ms or more`,
      original: `ERROR: Initial dead time [${initdeadMs}] is smaller than deadtime [${deadtimeMs}]`,
    });
  } else if (initdeadMs < shortInitdeadMs) {
    report.add(where(checked, 'initdead'), {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `initdead ${initdeadMs} ms may be too short for a network that is still coming up`,
      hint: `raise initdead to ${shortInitdeadMs / 1000} s or more`,
      original: `WARN: Initial dead time [${initdeadMs} ms] may be too small!\ninfo: Initial dead time accounts for slow network startup time\ninfo: It should be >= deadtime and >= 10 seconds`,
    });
  }
  if (draft.deadpingMs !== null && deadpingMs <= 2 * keepaliveMs) {
    report.add(where(checked, 'deadping'), {
      severity: 'error',
      code: 'HB_CONFIG_CONFLICT',
      message: `deadping ${deadpingMs} ms is not more than 2 × keepalive (${keepaliveMs} ms)`,
      hint: `raise deadping to ${5 * keepaliveMs}ms or more, or remove it: deadtime is its default`,
      original: `ERROR: Ping dead time [${deadpingMs}] is too small compared to keeplive [${keepaliveMs}]`,
    });
  }
  if (warntimeMs >= deadtimeMs) {
    report.add(where(checked, 'warntime'), {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `warntime ${warntimeMs} ms is not shorter than deadtime ${deadtimeMs} ms: no late heartbeat is ever logged`,
      hint: `lower warntime to ${Math.floor(deadtimeMs / 2)}ms`,
    });
  } else if (warntimeMs <= keepaliveMs && draft.warntimeMs !== null) {
    report.add(where(checked, 'warntime'), {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `warntime ${warntimeMs} ms is not longer than keepalive ${keepaliveMs} ms: every heartbeat counts as late`,
      hint: 'raise warntime to half of deadtime',
    });
  }
}

/** A line that is always behind with the heartbeats makes deaths of its own. */
function checkSerialLines({ draft, report }: Checked): void {
  const { keepaliveMs } = draft;
  const nodes = draft.nodes.filter(({ type }) => type === 'normal').map(({ name }) => name);
  for (const { medium, bytes, takesMs, enoughBaud, enoughKeepaliveMs } of slowLines(draft.media, {
    keepaliveMs,
    nodes,
  })) {
    report.add(
      { place: medium.place, source: null },
      {
        severity: 'warning',
        code: 'HB_CONFIG_CONFLICT',
        message: `serial ${medium.device} is slow: at ${medium.baud} baud it takes ${takesMs} ms for the heartbeats (${bytes} bytes) of each keepalive time (${keepaliveMs} ms)`,
        hint: `${enoughBaud === null ? '' : `raise baud to ${enoughBaud} or more, or `}raise keepalive to ${enoughKeepaliveMs}ms or more`,
      },
    );
  }
}

function checkFailback(checked: Checked): void {
  if (checked.draft.autoFailback !== 'legacy') return;
  const written = checked.draft.written.has('auto_failback');
  checked.report.add(where(checked, 'auto_failback'), {
    severity: 'warning',
    code: 'HB_CONFIG_DEPRECATED',
    message: written
      ? 'auto_failback legacy is deprecated: resources cannot be moved on request'
      : 'auto_failback is not written and counts as legacy: resources cannot be moved on request',
    hint: 'write auto_failback on (resources return to their preferred node) or auto_failback off (they stay)',
    original:
      "WARN: Deprecated 'legacy' auto_failback option selected.\nWARN: Please convert to 'auto_failback on'.\nWARN: See documentation for conversion details.",
  });
}

function checkLogging(checked: Checked): void {
  const { draft, report } = checked;
  const configured = [draft.logFile, draft.debugFile, draft.facility].some((value) => value !== null);
  if (!configured && draft.useLogd === false) {
    report.add(where(checked, 'use_logd'), {
      severity: 'error',
      code: 'HB_CONFIG_MISSING',
      message: 'there is nowhere to log to',
      hint: 'write for example: logfile /var/log/ha-log',
      original: 'ERROR: No log entry found in ha.cf and use_logd is set to off',
    });
  } else if (!configured && draft.useLogd === null) {
    report.add(wholeFile(checked.file), {
      severity: 'warning',
      code: 'HB_CONFIG_MISSING',
      message: 'no log file and no syslog facility is written, and there is no log daemon in this version',
      hint: 'write for example: logfile /var/log/ha-log',
      original:
        'info: No log entry found in ha.cf -- use logd\ninfo: Enabling logging daemon \ninfo: logfile and debug file are those specified in logd config file (default /etc/logd.cf)',
    });
  } else if (configured && draft.useLogd === true) {
    report.add(where(checked, 'use_logd'), {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: 'use_logd is on, and a log file or facility is written as well: the written ones are used',
      hint: 'remove use_logd',
      original: `WARN: logd is enabled but logfile/debugfile${draft.facility === null ? '' : '/logfacility'} is still configured in ha.cf`,
    });
  } else if (configured) {
    report.say('WARN: Logging daemon is disabled --enabling logging daemon is recommended');
  }
}
