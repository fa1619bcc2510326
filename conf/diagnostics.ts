/**
 * Findings about the configuration files as data, and how they look on a terminal.
 *
 * ```ts
 * process.stdout.write(formatDiagnostics(configuration.diagnostics, { color: process.stdout.isTTY }));
 * ```
 */
import type { Place } from './settings.ts';

/** `error`: the node does not start. `warning`: it starts, but something is probably not what was meant. `info`: worth knowing. */
export type Severity = 'error' | 'warning' | 'info';

/** What each code of a finding means. The reference page explains the same list; a test compares the two. */
export const diagnosticCodes = {
  HB_CONFIG_UNREADABLE: 'a file is missing or cannot be read',
  HB_CONFIG_PERMISSIONS: 'a file may be read or changed by somebody who must not',
  HB_CONFIG_SYNTAX: 'a line has the wrong shape',
  HB_CONFIG_UNKNOWN: 'a directive, node, method, script, account or host that does not exist',
  HB_CONFIG_VALUE: 'a value of the wrong kind or outside its bounds',
  HB_CONFIG_MISSING: 'something needed is not written anywhere',
  HB_CONFIG_CONFLICT: 'two settings contradict each other',
  HB_CONFIG_DEPRECATED: 'an old form, replaced by another one',
  HB_CONFIG_NOT_ACTIVE: 'read and checked, but without effect in this version',
} as const;

export type DiagnosticCode = keyof typeof diagnosticCodes;

/** One finding. Plain data. Keys and passwords never appear in any field. */
export interface Diagnostic {
  readonly severity: Severity;
  readonly code: DiagnosticCode;
  readonly file: string;
  /** From 1; 0 when the finding is about the file as a whole. */
  readonly line: number;
  /** In characters from 1; 0 when the finding is about the whole line or file. */
  readonly column: number;
  /** What is wrong and where it shows, without the place. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | null;
  /** Heartbeat's own log text with its severity word (`ERROR: Illegal directive [x] in …`), several lines joined by newlines; null when Heartbeat says nothing. */
  readonly original: string | null;
  /** The line as written, cut to a terminal's width; null for authkeys and for lines that can hold passwords. */
  readonly source: string | null;
}

/** The parts of a finding that its reporter chooses; the place comes with the report. */
export interface Finding {
  readonly severity: Severity;
  readonly code: DiagnosticCode;
  readonly message: string;
  readonly hint?: string;
  readonly original?: string;
}

/** Where a finding points to: a place in a file and the text of its line. */
export interface Position {
  readonly place: Place;
  readonly source: string | null;
}

/** Longest part of a source line that is kept [characters]. */
const longestSource = 200;

/** Collects the findings and the original's log lines of one step of reading, both in order. */
export class Report {
  readonly diagnostics: Diagnostic[] = [];
  /** What the original would have logged in this step, one line an element, with severity words. */
  readonly log: string[] = [];

  add(position: Position, finding: Finding): void {
    const { place, source } = position;
    this.diagnostics.push({
      severity: finding.severity,
      code: finding.code,
      file: place.file,
      line: place.line,
      column: place.column,
      message: finding.message,
      hint: finding.hint ?? null,
      original: finding.original ?? null,
      source: source === null ? null : source.slice(0, longestSource),
    });
    if (finding.original !== undefined) this.log.push(...finding.original.split('\n'));
  }

  /** Notes a line of the original's log that is no finding. */
  say(line: string): void {
    this.log.push(line);
  }

  get failed(): boolean {
    return this.diagnostics.some((diagnostic) => diagnostic.severity === 'error');
  }
}

/** The position of a file as a whole. */
export function wholeFile(file: string): Position {
  return { place: { file, line: 0, column: 0 }, source: null };
}

/**
 * The finding for a file that cannot be read.
 *
 * @param what    the file as a message names it: `the file with the keys`
 * @param missing what to do when it does not exist
 */
export function unreadable(what: string, errno: string, missing: string): Finding {
  const common = { severity: 'error', code: 'HB_CONFIG_UNREADABLE' } as const;
  switch (errno) {
    case 'ENOENT':
      return { ...common, message: `${what} is missing`, hint: missing };
    case 'EACCES':
    case 'EPERM':
      return {
        ...common,
        message: `${what} cannot be read by this user (${errno})`,
        hint: 'run this as root, or as the user that owns the file',
      };
    case 'EISDIR':
      return { ...common, message: `${what} is a directory`, hint: 'put a file in its place' };
    case 'ENOTDIR':
      return {
        ...common,
        message: `${what} cannot be there: a part of its path is no directory`,
        hint: 'name the directory of the files with --config-dir',
      };
    default:
      return {
        ...common,
        message: `${what} cannot be read (${errno})`,
        hint: 'see what is wrong with the disk or its mount',
      };
  }
}

/** How many findings keep the node from starting. */
export function countErrors(diagnostics: readonly Diagnostic[]): number {
  return diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
}

/** The findings as plain objects for `--json`: all fields but the source line. */
export function diagnosticsToJson(diagnostics: readonly Diagnostic[]): Omit<Diagnostic, 'source'>[] {
  return diagnostics.map(({ source: _source, ...rest }) => rest);
}

const colors: Readonly<Record<Severity, string>> = {
  error: '\u001b[1;31m',
  warning: '\u001b[1;33m',
  info: '\u001b[1;36m',
};
const dim = '\u001b[2m';
const plain = '\u001b[0m';

/**
 * Renders findings for a terminal: place, text, the line with a caret, and what to do. Ends with a newline unless there are none.
 *
 * @param options.color with ANSI colours (default: without)
 */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  options: { readonly color?: boolean } = {},
): string {
  const paint = (text: string, code: string) => (options.color === true ? `${code}${text}${plain}` : text);
  return diagnostics
    .map((diagnostic) => {
      const lines = [
        `${printable(placeText(diagnostic))}: ${paint(diagnostic.severity, colors[diagnostic.severity])}: ${printable(diagnostic.message)} ${paint(`[${diagnostic.code}]`, dim)}`,
      ];
      if (diagnostic.source !== null && diagnostic.source.trim() !== '') {
        const indent = ' '.repeat(String(diagnostic.line).length);
        lines.push(` ${paint(`${diagnostic.line} |`, dim)} ${printable(diagnostic.source)}`);
        if (diagnostic.column > 0 && diagnostic.column <= diagnostic.source.length) {
          lines.push(
            ` ${paint(`${indent} |`, dim)} ${' '.repeat(diagnostic.column - 1)}${paint('^', colors[diagnostic.severity])}`,
          );
        }
      }
      if (diagnostic.hint !== null) lines.push(`   ${printable(diagnostic.hint)}`);
      return `${lines.join('\n')}\n`;
    })
    .join('');
}

/** `FILE:LINE`, or the file alone when the finding is about the whole of it: for logs. */
export function lineOf({ file, line }: Pick<Diagnostic, 'file' | 'line'>): string {
  return line === 0 ? file : `${file}:${line}`;
}

function placeText({ file, line, column }: Diagnostic): string {
  if (line === 0) return file;
  return column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`;
}

/** Replaces control and formatting characters one for one, so that a file's content cannot steer the terminal and carets stay in place. */
function printable(text: string): string {
  return text.replaceAll('\t', ' ').replaceAll(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
}
