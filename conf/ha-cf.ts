/**
 * The reader of ha.cf: lines to statements, statements to the {@link Draft}. Pure; every byte sequence gives findings, never an exception.
 */
import { ms } from '../runtime/units.ts';
import { apiauth, respawn } from './clients.ts';
import { countErrors, type Position, Report } from './diagnostics.ts';
import { findDirective, nearestDirective } from './directives.ts';
import { advise, type Draft, type Reading, type Statement } from './draft.ts';
import { stonith, stonithHost } from './fencing.ts';
import { bcast, ping, ping6, pingGroup, serial, ucast, ucast6 } from './media.ts';
import { monitor } from './monitor.ts';
import { mcast, mcast6 } from './multicast.ts';
import { node } from './nodes.ts';
import { optionHandlers, type WordHandler } from './options.ts';
import type { System } from './system.ts';
import { type Line, skip, splitLines, words } from './text.ts';

/** Heartbeat's line buffer, newline included [bytes]. */
const maxLineBytes = 5119;

/** Starts and ends of words; CR is a blank only in front, else it ends the line. */
const leadingBlanks = ' \t\f\r';
const blanks = ' \t\f';
const wordSeparators = ' \t\f,';

/** The port when neither udpport nor the service ha-cluster/udp says another: IANA's number for ha-cluster. */
const defaultUdpPort = 694;

type LineHandler = (reading: Reading, statement: Statement) => void;

/** Directives whose words are applied one by one. */
export const wordHandlers: Readonly<Record<string, WordHandler>> = {
  ...optionHandlers,
  node,
  bcast,
  udp: bcast,
  serial,
  ping,
  ping6,
};

/** Directives that take the rest of the line as one statement. */
export const lineHandlers: Readonly<Record<string, LineHandler>> = {
  ucast,
  ucast6,
  mcast,
  mcast6,
  ping_group: pingGroup,
  respawn,
  failfast: respawn,
  apiauth,
  stonith,
  stonith_host: stonithHost,
  monitor,
};

/** Parameters of fencing devices can be passwords: their lines are never shown. */
const secretDirectives = new Set(['stonith', 'stonith_host']);

/** Everything at Heartbeat's defaults. */
function emptyDraft(system: System): Draft {
  return {
    nodes: [],
    media: [],
    respawn: [],
    apiAuth: [],
    stonith: [],
    env: new Map(),
    notActive: [],
    written: new Map(),
    refused: new Set(),
    keepaliveMs: ms(1_000),
    deadtimeMs: ms(30_000),
    warntimeMs: null,
    initdeadMs: null,
    deadpingMs: null,
    hopfudge: 1,
    udpPort: system.udpPort('ha-cluster') ?? defaultUdpPort,
    baud: 19_200,
    bindAddress: null,
    maxRexmitDelayMs: ms(250),
    msgFmt: 'classic',
    compressionModule: 'zlib',
    compressionThresholdKb: 2,
    traditionalCompression: false,
    generationMethod: 'file',
    uuidFrom: 'file',
    autojoin: 'none',
    autoFailback: 'legacy',
    pacemaker: null,
    managesResources: true,
    watchdog: null,
    realtime: true,
    rtprio: null,
    cluster: 'linux-ha',
    facility: null,
    logFile: null,
    debugFile: null,
    useLogd: null,
    syslogMsgFmt: true,
    logBadPackets: true,
    debug: 0,
    mediaFailure: 'emergency',
    guardian: 'release',
    stopFailure: 'reboot',
    resourceTimeoutMs: ms(60_000),
    monitor: null,
    stonithTimeoutMs: ms(60_000),
  };
}

/**
 * Reads ha.cf.
 *
 * @param file         path for findings
 * @param originalFile path as Heartbeat prints it
 * @returns the draft and the findings; the draft is only good for use when the report has not failed
 */
export function readHaCf(
  bytes: Uint8Array,
  context: {
    readonly file: string;
    readonly originalFile: string;
    readonly configDir: string;
    readonly self: string;
    readonly system: System;
  },
): Reading {
  const { file, originalFile, configDir, self, system } = context;
  const reading: Reading = { draft: emptyDraft(system), report: new Report(), system, self, configDir, originalFile };
  for (const line of splitLines(bytes, maxLineBytes)) readLine(reading, file, line);
  return reading;
}

function readLine(reading: Reading, file: string, line: Line): void {
  const { rest: afterBlanks, skipped } = skip(line.text, leadingBlanks);
  const body = /^[^#\r]*/.exec(afterBlanks)?.[0] ?? '';
  const [name] = words(body, blanks, line.offset + skipped + 1);
  const source = name !== undefined && secretDirectives.has(name.text) ? null : line.text.replace(/\r$/, '');
  const at = (column: number): Position => ({ place: { file, line: line.number, column }, source });
  if (line.hasNul)
    advise(
      reading,
      at(line.offset + line.text.length + 1),
      'a NUL byte ends the line here',
      'save the file as plain text',
    );
  if (line.offset > 0) {
    advise(
      reading,
      at(line.offset + 1),
      `the line is longer than ${maxLineBytes} bytes: from here on it is read as a new line`,
      'split the line into several ones',
    );
  }
  if (name === undefined) return;
  const position = at(name.column);
  const afterName = body.slice(name.text.length);
  const { rest, skipped: separators } = skip(afterName, wordSeparators);
  const restColumn = name.column + name.text.length + separators;
  const onWord = Object.hasOwn(wordHandlers, name.text) ? wordHandlers[name.text] : undefined;
  const onLine = Object.hasOwn(lineHandlers, name.text) ? lineHandlers[name.text] : undefined;
  const errorsBefore = countErrors(reading.report.diagnostics);
  if (onWord !== undefined) {
    if (name.text === 'udp') replacedByBcast(reading, position);
    const values = words(rest, wordSeparators, restColumn);
    if (values.length === 0)
      advise(
        reading,
        position,
        `${name.text} has no value and is ignored`,
        `write ${name.text} ${findDirective(name.text)?.syntax ?? ''}`.trimEnd(),
      );
    for (const word of values) onWord(reading, word, at(word.column));
  } else if (onLine !== undefined) {
    onLine(reading, { directive: name.text, rest: { text: rest.trimEnd(), column: restColumn }, position, at });
  } else {
    unknownDirective(reading, name.text, position);
  }
  if (countErrors(reading.report.diagnostics) > errorsBefore)
    reading.draft.refused.add(findDirective(name.text)?.name ?? nearestDirective(name.text) ?? name.text);
}

function replacedByBcast(reading: Reading, position: Position): void {
  reading.report.add(position, {
    severity: 'warning',
    code: 'HB_CONFIG_DEPRECATED',
    message: 'udp is the old name of bcast',
    hint: 'write bcast',
    original: "WARN: WARNING: directive 'udp' replaced by 'bcast'",
  });
}

/** Names that other builds of Heartbeat know, with what to do instead. */
const elsewhere: Readonly<Record<string, string>> = {
  hbaping: 'fibre channel pings are not supported: remove the line',
  tipc: 'TIPC is not supported: use bcast, mcast or ucast',
  rds: 'RDS is not supported: use bcast, mcast or ucast',
  openais: 'OpenAIS is not supported: use bcast, mcast or ucast',
  normalpoll: 'polling is not tunable: remove the line',
};

function unknownDirective(reading: Reading, name: string, position: Position): void {
  const equals = name.indexOf('=');
  const nearest = nearestDirective(equals > 0 ? name.slice(0, equals) : name);
  const known = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined;
  const guess =
    nearest === null
      ? 'see conf/REFERENCE.md for all directives, and remove or comment out the line'
      : `did you mean ${nearest}?`;
  const hint =
    known ??
    (equals > 0 && nearest !== null ? `write a blank instead of =: ${nearest} ${name.slice(equals + 1)}` : guess);
  reading.report.add(position, {
    severity: 'error',
    code: 'HB_CONFIG_UNKNOWN',
    message: `there is no directive ${name.slice(0, 80)}`,
    hint,
    original: `ERROR: Illegal directive [${name}] in ${reading.originalFile}`,
  });
}
