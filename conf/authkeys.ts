/**
 * The reader of authkeys. Its findings never show what the file holds, but for numbers of up to three digits and names of methods.
 */
import { authMethods, findAuthMethod } from '../plugins/auth/index.ts';
import { type Position, Report, unreadable, wholeFile } from './diagnostics.ts';
import type { AuthKey, AuthKeys } from './settings.ts';
import type { FileContent, FileFacts } from './system.ts';
import { type Line, splitLines } from './text.ts';
import { parseCInteger } from './values.ts';

/** Heartbeat's line buffer, newline included [bytes]. */
const maxLineBytes = 5119;

/** Keys are numbered 0 to this. */
const maxIndex = 15;

/** Others may not read the file: its keys let anybody join the cluster. */
const readableByOthers = 0o044;

const permissionHint = (file: string): string => `chmod 600 ${file}`;

export interface AuthKeysReading {
  readonly keys: AuthKeys | null;
  readonly report: Report;
}

/** What the shell has found out about the file. */
export interface AuthKeysSource {
  readonly file: string;
  /** As Heartbeat prints it: `/etc/ha.d//authkeys`. */
  readonly originalFile: string;
  readonly content: FileContent;
  readonly facts: FileFacts | null;
  readonly ownUid: number;
}

interface State {
  readonly source: AuthKeysSource;
  readonly report: Report;
  readonly keys: Map<number, AuthKey>;
  /** The last auth line. */
  wanted: { readonly index: number; readonly position: Position } | null;
  /** Numbers of key lines that were refused: that such a key is missing is no finding of its own. */
  readonly refused: Set<number>;
  /** Set when the key of an auth line before it is read. */
  selected: number | null;
}

/** Reads authkeys: all findings at once; `keys` is null when there is any error. Never throws. */
export function readAuthKeys(source: AuthKeysSource): AuthKeysReading {
  const { file, originalFile, content } = source;
  const state: State = {
    source,
    report: new Report(),
    keys: new Map(),
    refused: new Set(),
    wanted: null,
    selected: null,
  };
  const { report } = state;
  if (!content.ok) {
    report.add(wholeFile(file), {
      ...unreadable(
        'the file with the keys',
        content.errno,
        `write two lines into it, "auth 1" and "1 sha1 A-LONG-RANDOM-WORD", the same on all nodes; then ${permissionHint(file)}`,
      ),
      original: `ERROR: Cannot open keyfile [${originalFile}].  Stop.`,
    });
    return { keys: null, report };
  }
  checkPermissions(state);
  for (const line of splitLines(content.bytes, maxLineBytes)) readLine(state, line);
  if (state.wanted === null) {
    report.add(wholeFile(file), {
      severity: 'error',
      code: 'HB_CONFIG_MISSING',
      message: 'no auth line says which key signs',
      hint: 'write as first line: auth 1, and the key below it: 1 sha1 A-LONG-RANDOM-WORD',
      original: `ERROR: Missing auth directive in keyfile [${originalFile}]`,
    });
  } else if (state.selected === null) {
    const { index, position } = state.wanted;
    const original = `ERROR: Auth Key [${shownNumber(index)}] not found in keyfile [${originalFile}]`;
    const written = state.keys.has(index);
    const message = written
      ? `key ${index} comes before the line auth ${index} that selects it`
      : `there is no usable key ${shownNumber(index)}, which auth selects`;
    const hint = written
      ? 'move the auth line to the top of the file'
      : 'write the key below the auth line: NUMBER METHOD KEY';
    if (state.refused.has(index)) report.say(original);
    else
      report.add(position, {
        severity: 'error',
        code: written ? 'HB_CONFIG_SYNTAX' : 'HB_CONFIG_MISSING',
        message,
        hint,
        original,
      });
  } else if (state.selected !== state.wanted.index) {
    report.add(state.wanted.position, {
      severity: 'warning',
      code: 'HB_CONFIG_SYNTAX',
      message: `this auth line has no effect: key ${state.selected} goes on signing`,
      hint: 'write one auth line, at the top of the file',
    });
  }
  const { selected } = state;
  const keys = report.failed || selected === null ? null : { selected, keys: [...state.keys.values()] };
  const signing = keys?.keys.find((key) => key.index === selected)?.method;
  if (signing !== undefined && authMethods[signing].own) {
    report.add(wholeFile(file), {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `${signing} is our own method: only Systole nodes can read what this node sends, Heartbeat 3.0.6 refuses every packet`,
      hint: 'while a Heartbeat 3.0.6 is in the cluster, sign with sha1; when none is left, remove the keys of the older methods',
    });
  }
  if (signing === 'crc') {
    report.add(wholeFile(file), {
      severity: 'warning',
      code: 'HB_CONFIG_PERMISSIONS',
      message: 'crc is a checksum and no signature: anybody on the network can speak in the name of a node',
      hint: 'use sha1 with a key, unless all links are private cables',
    });
  }
  return { keys, report };
}

function checkPermissions({ source, report }: State): void {
  const { file, originalFile, facts, ownUid } = source;
  if (facts === null) return;
  if ((facts.mode & readableByOthers) !== 0) {
    report.add(wholeFile(file), {
      severity: 'error',
      code: 'HB_CONFIG_PERMISSIONS',
      message: `others than the owner can read ${file} (mode ${facts.mode.toString(8).padStart(3, '0')})`,
      hint: permissionHint(file),
      original: `ERROR: Bad permissions on keyfile [${originalFile}], 600 recommended.`,
    });
  } else if ((facts.mode & 0o022) !== 0) {
    report.add(wholeFile(file), {
      severity: 'warning',
      code: 'HB_CONFIG_PERMISSIONS',
      message: `others than the owner can change ${file} (mode ${facts.mode.toString(8).padStart(3, '0')})`,
      hint: permissionHint(file),
    });
  }
  if (facts.ownerUid !== 0 && facts.ownerUid !== ownUid) {
    report.add(wholeFile(file), {
      severity: 'warning',
      code: 'HB_CONFIG_PERMISSIONS',
      message: `${file} belongs to the user with number ${facts.ownerUid}`,
      hint: `chown root ${file}`,
    });
  }
}

function readLine(state: State, line: Line): void {
  const text = line.text.replace(/^[ \t\f\r]+/, '');
  const column = line.text.length - text.length + 1;
  const position: Position = {
    place: { file: state.source.file, line: line.number, column: line.offset + column },
    source: null,
  };
  if (line.hasNul)
    state.report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_SYNTAX',
      message: 'a NUL byte ends the line',
      hint: 'save the file as plain text',
    });
  if (line.offset > 0)
    state.report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_SYNTAX',
      message: `the line is longer than ${maxLineBytes} bytes: its rest is read as a new line`,
      hint: 'use a shorter key',
    });
  if (text === '' || text.startsWith('#')) return;
  if (text.startsWith('a')) readAuthLine(state, text, position);
  else readKeyLine(state, text, position);
}

/** `auth N`. Every line that starts with an a is taken for one. */
function readAuthLine(state: State, text: string, position: Position): void {
  const number = /^auth\s*([+-]?[0-9]+)/.exec(text)?.[1];
  if (number === undefined) {
    state.report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_SYNTAX',
      message: 'a line that starts with the letter a must be: auth NUMBER',
      hint: 'write auth 1, or put a # in front of the line',
      original: `ERROR: Invalid auth line [${hidden}] in ${state.source.originalFile}`,
    });
    return;
  }
  const index = parseCInteger(number).value;
  // A negative number is as good as no auth line to Heartbeat.
  if (index >= 0) state.wanted = { index, position };
}

/** `N METHOD [KEY]`; what comes behind the key is ignored. */
function readKeyLine(state: State, text: string, position: Position): void {
  const { report, keys } = state;
  const [, number, method, key] = /^([+-]?[0-9]+)\s*(\S+)(?:\s+(\S+))?/.exec(text) ?? [];
  if (number === undefined || method === undefined) {
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_SYNTAX',
      message: 'the line is neither auth NUMBER nor NUMBER METHOD KEY',
      hint: 'write for example 1 sha1 A-LONG-RANDOM-WORD, or put a # in front of the line',
      original: `ERROR: Auth line [${hidden}] is invalid.`,
    });
    return;
  }
  const index = parseCInteger(number).value;
  if (index < 0 || index > maxIndex) {
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_VALUE',
      message: `key number ${shownNumber(index)} is outside 0 to ${maxIndex}`,
      hint: 'number the keys 1, 2, 3…',
      original: `ERROR: Invalid authnum [${shownNumber(index)}] in ${state.source.originalFile}`,
    });
    return;
  }
  const known = findAuthMethod(method);
  // Taken off again at the end of a good line.
  state.refused.add(index);
  if (known === undefined) {
    const shown = shownMethod(method);
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_UNKNOWN',
      message: `there is no method ${shown} to sign with`,
      hint: `write ${Object.keys(authMethods).join(', ')} in lower case between the number and the key`,
      original: `ERROR: LoadPlugin on ${shown} returned 5: No such plugin/interface/interface type\nERROR: Lookup extended#2 returned FALSE for ${shown}\nERROR: Table size: ${new Set([...keys.values()].map((entry) => entry.method)).size}\nERROR: Invalid authtype [${shown}]`,
    });
    return;
  }
  if (!known.needsKey && key !== undefined) {
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_SYNTAX',
      message: `${known.name} takes no key, and no comment behind it`,
      hint: `write only: ${index} ${known.name}`,
      original: `info: Auth method [${known.name}] doesn't use a key`,
    });
    return;
  }
  if (known.needsKey && key === undefined) {
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_MISSING',
      message: `key ${index} has no key behind ${known.name}`,
      hint: `write ${index} ${known.name} A-LONG-RANDOM-WORD, the same on all nodes`,
      original: `ERROR: Auth method [${known.name}] requires a key`,
    });
    return;
  }
  if (keys.has(index))
    report.add(position, {
      severity: 'warning',
      code: 'HB_CONFIG_CONFLICT',
      message: `key ${index} is written twice: the later one counts`,
      hint: 'remove one of the two',
    });
  keys.set(index, { index, method: known.name, key: key ?? '' });
  state.refused.delete(index);
  if (state.wanted?.index === index) state.selected = index;
}

const hidden = '(hidden)';

/** A misplaced key could be taken for a number: only short ones are shown. */
function shownNumber(number: number): string {
  return Math.abs(number) < 1000 ? String(number) : hidden;
}

/** A misplaced key could be taken for a method: only what looks like the name of one is shown. */
function shownMethod(method: string): string {
  return /^(hmac[-_]?)?(crc|md|sha|ripemd|aes|none)[-_]?[0-9]{0,3}$/i.test(method) ? method : hidden;
}
