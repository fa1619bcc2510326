/**
 * The option directives of ha.cf that set one value: each word of the line is applied in turn, the last one wins.
 */
import { syslogFacilities } from '../runtime/sys/syslog.ts';
import { type Ms, ms } from '../runtime/units.ts';
import type { Position } from './diagnostics.ts';
import { advise, type Draft, notActive, type Reading, refuse } from './draft.ts';
import { crmDaemonDir, crmdSpawnsPengine, pacemaker } from './pacemaker.ts';
import type { Word } from './text.ts';
import { parseExactTime, parseTime } from './time.ts';
import { booleanWords, type CInteger, isIpv4, parseBoolean, parseCInteger } from './values.ts';

/** Applies one word of an option directive. */
export type WordHandler = (reading: Reading, word: Word, position: Position) => void;

const timeHint = 'write seconds (2, 1.5) or milliseconds (500ms), number and unit in one word';
const baudRates = [9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800];

/** Records the word for `HA_<name>`. */
function record(reading: Reading, name: string, value: string, position: Position): void {
  reading.draft.written.set(name, { value, position });
}

function boolean(
  name: string,
  set: (draft: Draft, value: boolean, reading: Reading, position: Position) => void,
  original?: (word: string) => string,
): WordHandler {
  return (reading, word, position) => {
    const value = parseBoolean(word.text);
    if (value === null) {
      refuse(
        reading,
        position,
        `${name} ${word.text} is neither yes nor no`,
        `write one of ${booleanWords}`,
        original?.(word.text),
      );
      return;
    }
    record(reading, name, word.text, position);
    set(reading.draft, value, reading, position);
  };
}

function time(
  name: string,
  set: (draft: Draft, value: Ms) => void,
  options: {
    readonly positive?: boolean;
    /** To the microsecond. */
    readonly exact?: boolean;
    readonly original?: (word: string) => string;
  } = {},
): WordHandler {
  return (reading, word, position) => {
    const value = (options.exact === true ? parseExactTime : parseTime)(word.text);
    if (value === null || (options.positive === true && value <= 0)) {
      const message =
        value === null
          ? `${name} ${word.text} is no time`
          : `${name} ${word.text} must be longer than half a millisecond`;
      refuse(reading, position, message, timeHint, options.original?.(word.text));
      return;
    }
    record(reading, name, word.text, position);
    set(reading.draft, value);
  };
}

function integer(
  name: string,
  min: number,
  max: number,
  set: (draft: Draft, value: number) => void,
  original?: (word: string, parsed: CInteger) => string,
): WordHandler {
  return (reading, word, position) => {
    const parsed = parseCInteger(word.text);
    const bounds = max >= 2 ** 31 - 1 ? `at least ${min}` : `${min} to ${max}`;
    if (parsed.value < min || parsed.value > max) {
      refuse(
        reading,
        position,
        `${name} ${word.text} is out of bounds`,
        `write a number of ${bounds}`,
        original?.(word.text, parsed),
      );
      return;
    }
    if (!parsed.clean || parsed.value !== parsed.written) {
      advise(
        reading,
        position,
        `${name} ${word.text} is no plain number and counts as ${parsed.value}`,
        `write a number of ${bounds}`,
      );
    }
    record(reading, name, word.text, position);
    set(reading.draft, parsed.value);
  };
}

/** `exact`: compared as written; else in any case. */
function choice<T extends string>(
  name: string,
  choices: readonly T[],
  set: (draft: Draft, value: T, reading: Reading, position: Position) => void,
  options: { readonly exact?: boolean; readonly original?: (word: string) => string } = {},
): WordHandler {
  return (reading, word, position) => {
    const wanted = options.exact === true ? word.text : word.text.toLowerCase();
    const value = choices.find((candidate) => candidate === wanted);
    if (value === undefined) {
      refuse(
        reading,
        position,
        `${name} ${word.text} is not known`,
        `write one of ${choices.join(', ')}`,
        options.original?.(word.text),
      );
      return;
    }
    record(reading, name, word.text, position);
    set(reading.draft, value, reading, position);
  };
}

function text(
  name: string,
  set: (draft: Draft, value: string, reading: Reading, position: Position) => void,
): WordHandler {
  return (reading, word, position) => {
    record(reading, name, word.text, position);
    set(reading.draft, word.text, reading, position);
  };
}

const max32 = 2 ** 31 - 1;
const nothing = (): void => undefined;
const invalidBoolean = (word: string): string => `ERROR: ha_config_check_boolean:Invalid directive value ${word}`;

/** Directive to handler; a test compares the names with the table in directives.ts. */
export const optionHandlers: Readonly<Record<string, WordHandler>> = {
  cluster: text('cluster', (draft, value) => {
    draft.cluster = value;
  }),
  hopfudge: integer('hopfudge', 0, 255, (draft, value) => {
    draft.hopfudge = value;
  }),
  keepalive: time(
    'keepalive',
    (draft, value) => {
      draft.keepaliveMs = value;
    },
    { positive: true, exact: true },
  ),
  deadtime: time(
    'deadtime',
    (draft, value) => {
      draft.deadtimeMs = value;
    },
    { exact: true },
  ),
  deadping: time('deadping', (draft, value) => {
    draft.deadpingMs = value;
  }),
  initdead: time('initdead', (draft, value) => {
    draft.initdeadMs = value;
  }),
  warntime: time(
    'warntime',
    (draft, value) => {
      draft.warntimeMs = value;
    },
    { positive: true, exact: true, original: (word) => `Warn time [${word}] is invalid.` },
  ),
  watchdog,
  baud,
  udpport,
  logfacility,
  logfile: text('logfile', (draft, value) => {
    draft.logFile = value;
  }),
  debugfile: text('debugfile', (draft, value) => {
    draft.debugFile = value;
  }),
  auto_failback: autoFailback,
  nice_failback: niceFailback,
  rtprio: integer(
    'rtprio',
    1,
    99,
    (draft, value) => {
      draft.rtprio = value;
    },
    (word) => `ERROR: Illegal realtime priority [${word}]`,
  ),
  hbgenmethod: choice(
    'hbgenmethod',
    ['file', 'time'],
    (draft, value) => {
      draft.generationMethod = value;
    },
    { exact: true, original: (word) => `ERROR: Illegal hb generation method [${word}]` },
  ),
  realtime: boolean('realtime', (draft, value) => {
    draft.realtime = value;
  }),
  debug: integer('debug', 0, 255, (draft, value) => {
    draft.debug = value;
  }),
  msgfmt: choice(
    'msgfmt',
    ['classic', 'netstring'],
    (draft, value) => {
      draft.msgFmt = value;
    },
    { exact: true },
  ),
  use_logd: useLogd,
  conn_logd_time: time('conn_logd_time', nothing, { positive: true }),
  log_badpack: boolean('log_badpack', (draft, value) => {
    draft.logBadPackets = value;
  }),
  syslogmsgfmt: boolean('syslogmsgfmt', (draft, value) => {
    draft.syslogMsgFmt = value;
  }),
  coredumps: boolean('coredumps', nothing),
  coreroot,
  pacemaker,
  crm: pacemaker,
  crm_daemon_dir: crmDaemonDir,
  crmd_spawns_pengine: crmdSpawnsPengine,
  autojoin: choice(
    'autojoin',
    ['none', 'other', 'any'],
    (draft, value) => {
      draft.autojoin = value;
    },
    { original: (word) => `ERROR: Invalid autojoin directive [${word}]` },
  ),
  uuidfrom: choice(
    'uuidfrom',
    ['file', 'nodename'],
    (draft, value) => {
      draft.uuidFrom = value;
    },
    { exact: true, original: (word) => `ERROR: Invalid uuidfrom directive [${word}]` },
  ),
  compression: choice(
    'compression',
    ['zlib', 'bz2'],
    (draft, value, reading, position) => {
      draft.compressionModule = value;
      if (value === 'bz2' && !reading.system.bzip2())
        refuse(
          reading,
          position,
          'compression bz2 needs the library libbz2.so.1.0, which is not installed',
          'install it (Debian: libbz2-1.0), or write: compression zlib',
          'ERROR: Compression module(bz2) not found',
        );
    },
    { exact: true, original: (word) => `ERROR: Compression module(${word}) not found` },
  ),
  compression_threshold: integer(
    'compression_threshold',
    1,
    max32,
    (draft, value) => {
      draft.compressionThresholdKb = value;
    },
    (word) => `ERROR: set_compression_threshold: compress_threshhold(${word}) invalid`,
  ),
  traditional_compression: boolean(
    'traditional_compression',
    (draft, value) => {
      draft.traditionalCompression = value;
    },
    (word) => `ERROR: set_traditional_compression:Invalid directive value ${word}`,
  ),
  max_rexmit_delay: integer(
    'max_rexmit_delay',
    1,
    max32,
    (draft, value) => {
      draft.maxRexmitDelayMs = ms(value);
    },
    (word) => `ERROR: Invalid max_rexmit_delay time(${word})`,
  ),
  record_config_changes: boolean('record_config_changes', nothing, invalidBoolean),
  record_pengine_inputs: boolean('record_pengine_inputs', nothing, invalidBoolean),
  enable_config_writes: boolean('enable_config_writes', nothing, invalidBoolean),
  memreserve: integer('memreserve', 1, max32, nothing),
  // Heartbeat also overwrites the cluster's name with it; that is a defect of its own.
  quorum_server: text('quorum_server', (_draft, _value, reading, position) =>
    notActive(reading, 'quorum_server', position),
  ),
  use_apphbd: boolean('use_apphbd', (_draft, value, reading, position) => {
    if (value) notActive(reading, 'use_apphbd', position);
  }),
  env,
  bindaddr,
  media_failure: choice('media_failure', ['emergency', 'restart'], (draft, value) => {
    draft.mediaFailure = value;
  }),
  guardian: choice('guardian', ['release', 'reboot', 'off'], (draft, value) => {
    draft.guardian = value;
  }),
  stop_failure: choice('stop_failure', ['reboot', 'hold', 'fence'], (draft, value) => {
    draft.stopFailure = value;
  }),
  stonith_timeout: time(
    'stonith_timeout',
    (draft, value) => {
      draft.stonithTimeoutMs = value;
    },
    { positive: true },
  ),
  resource_timeout: time(
    'resource_timeout',
    (draft, value) => {
      draft.resourceTimeoutMs = value;
    },
    { positive: true },
  ),
};

function watchdog(reading: Reading, word: Word, position: Position): void {
  if (reading.draft.watchdog !== null) {
    refuse(
      reading,
      position,
      'watchdog is written twice',
      'one node has one watchdog device: remove one of the two',
      'heartbeat: Watchdog device multiply specified.',
    );
    return;
  }
  record(reading, 'watchdog', word.text, position);
  reading.draft.watchdog = word.text;
}

function baud(reading: Reading, word: Word, position: Position): void {
  const { value } = parseCInteger(word.text);
  if (reading.draft.written.has('baud')) {
    refuse(
      reading,
      position,
      'baud is written twice',
      'all serial ports have one speed: remove one of the two',
      'heartbeat: Baudrate multiply specified.',
    );
    return;
  }
  if (!baudRates.includes(value)) {
    refuse(
      reading,
      position,
      `baud ${word.text} is no speed of a serial port`,
      `write one of ${baudRates.join(', ')}`,
      `heartbeat: invalid baudrate [${word.text}] specified.`,
    );
    return;
  }
  if (reading.draft.media.some((medium) => medium.kind === 'serial')) {
    advise(
      reading,
      position,
      'baud comes after a serial port, which keeps the speed it had',
      'move baud before the first serial line',
    );
  }
  record(reading, 'baud', word.text, position);
  reading.draft.baud = value;
}

function udpport(reading: Reading, word: Word, position: Position): void {
  const { written, clean } = parseCInteger(word.text);
  if (written <= 0 || written > 65_535) {
    refuse(
      reading,
      position,
      `udpport ${word.text} is no UDP port`,
      'write a number of 1 to 65535',
      `heartbeat: invalid port [${word.text}] specified.`,
    );
    return;
  }
  if (!clean)
    advise(
      reading,
      position,
      `udpport ${word.text} is no plain number and counts as ${written}`,
      'write a number of 1 to 65535',
    );
  const service = reading.system.udpService(written);
  if (service !== null && service !== 'ha-cluster') {
    reading.report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `UDP port ${written} belongs to the service ${service}`,
      hint: 'make sure that nothing else uses this port, or take 694',
      original: `WARN: heartbeat: udp port ${written} reserved for service "${service}".`,
    });
  }
  if (
    reading.draft.media.some((medium) => medium.kind === 'bcast' || medium.kind === 'ucast' || medium.kind === 'ucast6')
  ) {
    reading.report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: 'udpport comes after a bcast or ucast line, which keeps the port it had',
      hint: 'move udpport before the first medium',
      original: 'heartbeat: udpport setting must precede media statements',
    });
  }
  record(reading, 'udpport', word.text, position);
  reading.draft.udpPort = written;
}

function logfacility(reading: Reading, word: Word, position: Position): void {
  const names = [...Object.keys(syslogFacilities), 'none'];
  // The C library also lists the internal facility `mark`, which no message can have.
  if (!names.includes(word.text) && word.text !== 'mark') {
    refuse(
      reading,
      position,
      `there is no syslog facility ${word.text}`,
      `write one of ${names.join(', ')}, in lower case`,
      `ERROR: Log facility(${word.text}) not valid`,
    );
    return;
  }
  if (word.text === 'mark')
    advise(reading, position, 'no message can have the facility mark: syslog is used instead', 'write local0');
  record(reading, 'logfacility', word.text, position);
  reading.draft.facility = word.text === 'none' ? null : word.text === 'mark' ? 'syslog' : word.text;
}

function useLogd(reading: Reading, word: Word, position: Position): void {
  const { report, draft } = reading;
  const value = parseBoolean(word.text);
  if (value === true) {
    report.say('info: Enabling logging daemon ');
    report.say('info: logfile and debug file are those specified in logd config file (default /etc/logd.cf)');
  } else {
    report.say('WARN: Logging daemon is disabled --enabling logging daemon is recommended');
  }
  if (value === null) {
    refuse(reading, position, `use_logd ${word.text} is neither yes nor no`, `write one of ${booleanWords}`);
    return;
  }
  record(reading, 'use_logd', word.text, position);
  draft.useLogd = value;
  if (value) notActive(reading, 'use_logd', position);
}

function autoFailback(reading: Reading, word: Word, position: Position): void {
  const lower = word.text.toLowerCase();
  const value = lower === 'legacy' ? lower : parseBoolean(word.text);
  if (value === null) {
    refuse(reading, position, `auto_failback ${word.text} is not known`, 'write on, off or legacy');
    return;
  }
  record(reading, 'auto_failback', word.text, position);
  reading.draft.autoFailback = value === true ? 'on' : value === false ? 'off' : value;
}

/** Obsolete. Does what Heartbeat's texts promise; Heartbeat itself looks only at an earlier auto_failback line. */
function niceFailback(reading: Reading, word: Word, position: Position): void {
  const obsolete = 'ERROR: nice_failback flag is obsolete.. Use auto_failback {on, off, legacy} instead.';
  const seeDocumentation = 'ERROR: See documentation for details.';
  const value = parseBoolean(word.text);
  if (value === null) {
    refuse(
      reading,
      position,
      `nice_failback ${word.text} is neither yes nor no`,
      'remove the line and write auto_failback on, off or legacy',
      `${obsolete}\n${seeDocumentation}`,
    );
    return;
  }
  const replacement = value ? 'off' : 'legacy';
  const changed = value
    ? `ERROR: 'nice_failback ${word.text}' has been changed to 'auto_failback off'`
    : `ERROR: nice_failback ${word.text} has been strictly interpreted as 'auto_failback legacy'\nERROR: Consider converting to 'auto_failback on'.\nERROR: When you do, then you can use ipfail, and hb_standby`;
  reading.report.add(position, {
    severity: 'warning',
    code: 'HB_CONFIG_DEPRECATED',
    message: `nice_failback is obsolete: ${word.text} counts as auto_failback ${replacement}`,
    hint: `replace the line by auto_failback ${replacement}`,
    original: `${obsolete}\n${changed}\n${seeDocumentation}`,
  });
  record(reading, 'auto_failback', replacement, position);
  reading.draft.autoFailback = replacement;
}

function coreroot(reading: Reading, word: Word, position: Position): void {
  if (!word.text.startsWith('/')) {
    refuse(
      reading,
      position,
      `coreroot ${word.text} is no full path`,
      'write an absolute path',
      `ERROR: Invalid dir in cl_set_corerootdir() [${word.text}]: No such file or directory\nERROR: Invalid core directory [${word.text}]: Invalid argument`,
    );
    return;
  }
  record(reading, 'coreroot', word.text, position);
}

function env(reading: Reading, word: Word, position: Position): void {
  const equals = word.text.indexOf('=');
  if (equals <= 0) {
    const message = equals === 0 ? 'env has a value without a name' : `env ${word.text} has no value`;
    refuse(
      reading,
      position,
      message,
      'write env NAME=value; the value ends at a blank, a comma or #',
      `ERROR: set_env: invalid nvpair(${word.text})`,
    );
    return;
  }
  reading.draft.env.set(word.text.slice(0, equals), word.text.slice(equals + 1));
}

function bindaddr(reading: Reading, word: Word, position: Position): void {
  if (word.text !== 'any' && !isIpv4(word.text)) {
    refuse(reading, position, `bindaddr ${word.text} is no IPv4 address`, 'write an address of this machine, or any');
    return;
  }
  record(reading, 'bindaddr', word.text, position);
  reading.draft.bindAddress = word.text === 'any' ? null : word.text;
}
