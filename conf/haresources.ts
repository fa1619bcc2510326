/**
 * The reader of haresources: the node check of the daemon, then the groups as Heartbeat's scripts read them.
 */
import { isIPv6 } from 'node:net';
import { ocfPath } from '../plugins/agents/ocf.ts';
import { instancePath, parseInstanceWord } from '../plugins/agents/ocf-instance.ts';
import type { NodeName } from '../runtime/units.ts';
import { address6Problem, addressProblem } from './address.ts';
import { agentProblem, isOwnForm } from './agents.ts';
import { type Position, Report, unreadable, wholeFile } from './diagnostics.ts';
import { cutName } from './nodes.ts';
import type { GroupSpec, ResourceSpec } from './settings.ts';
import type { FileContent, System } from './system.ts';
import { splitLines, type Word, words } from './text.ts';

/** The daemon's line buffer, newline included [bytes]. */
const maxLineBytes = 5118;

/** No line of a file is this long: the scripts' reader has no limit. */
const unlimited = Number.MAX_SAFE_INTEGER;

/** Agents that are part of Systole. */
const builtInAgents = new Set(['IPaddr', 'IPaddr2', 'IPv6addr']);

/**
 * A bare word that begins with an IPv6 address stands for IPv6addr::word. One with double colons only could be a script and its argument
 * (`db::1`), so that it must be written in full.
 */
const isAddress6 = (word: string): boolean => /(?<!:):(?!:)/.test(word) && isIPv6(word.split('/', 1)[0] ?? '');

/** A bare word of this shape stands for IPaddr::word: as a shell pattern, [0-9]*.[0-9]*.[0-9]*.[0-9]*. */
const addressShape = /^[0-9].*\.[0-9].*\.[0-9].*\.[0-9]/s;

export interface HaresourcesReading {
  readonly groups: readonly GroupSpec[];
  readonly report: Report;
}

export interface HaresourcesSource {
  readonly file: string;
  /** As Heartbeat prints it: `/etc/ha.d//haresources`. */
  readonly originalFile: string;
  readonly content: FileContent;
  readonly configDir: string;
  readonly system: System;
  /** Declared nodes and ping nodes in lower case; null when ha.cf has errors, so that they are not known. */
  readonly nodes: ReadonlySet<string> | null;
}

/** Reads haresources: all findings at once. Never throws. */
export function readHaresources(source: HaresourcesSource): HaresourcesReading {
  const report = new Report();
  const { file, originalFile, content } = source;
  if (!content.ok) {
    report.add(wholeFile(file), {
      ...unreadable(
        'the file with the resources',
        content.errno,
        `write one line for each group into ${file}: NODE ADDRESS SCRIPT…; an empty file means no resources`,
      ),
      original: `ERROR: Cannot open resources file [${originalFile}]\ninfo: An annotated sample ${originalFile} file is provided in the documentation.\ninfo: Please copy it to ${originalFile}, read it, customize it, and try again.`,
    });
    return { groups: [], report };
  }
  const badNodes = checkNodes(source, content.bytes, report);
  const groups = logicalLines(content.bytes)
    .map((line) => readGroup(line, file, report))
    .filter((group) => group !== null);
  if (source.nodes !== null) checkOwners(groups, source.nodes, badNodes, report);
  checkDuplicates(groups, report);
  checkResources(groups, source, report);
  return { groups: groups.map(({ spec }) => spec), report };
}

/**
 * What the daemon does at its start: the first word of every line must be a declared node. It knows comments only at the start of a
 * line, and a line goes on in the next when it ends in a backslash.
 *
 * @returns the names that are no nodes
 */
function checkNodes(source: HaresourcesSource, bytes: Uint8Array, report: Report): ReadonlySet<string> {
  const bad = new Set<string>();
  if (source.nodes === null) return bad;
  let continued = false;
  for (const line of splitLines(bytes, maxLineBytes)) {
    const isRest: boolean = continued;
    const [name] = words(line.text, ' \t\f\r', line.offset + 1);
    const isComment: boolean = !isRest && (name === undefined || name.text.startsWith('#'));
    continued = !isComment && line.endsWithNewline && line.text.endsWith('\\');
    if (isRest || isComment || name === undefined || source.nodes.has(name.text.toLowerCase())) continue;
    const position: Position = {
      place: { file: source.file, line: line.number, column: name.column },
      source: line.text,
    };
    report.add(position, {
      severity: 'error',
      code: 'HB_CONFIG_UNKNOWN',
      message:
        line.offset > 0
          ? `the line is longer than ${maxLineBytes} bytes: from here on it is read as a new line`
          : `${name.text} is no node of ha.cf`,
      hint:
        line.offset > 0
          ? 'split the line: end it with a backslash and go on in the next'
          : 'every line starts with the node that should run the group; comments start with # in the first column',
      // Heartbeat stops at the first one.
      ...(bad.size > 0 ? {} : { original: `ERROR: Bad nodename in ${source.originalFile} [${name.text}]` }),
    });
    bad.add(name.text.toLowerCase());
  }
  return bad;
}

/** A logical line: its words, each with its place. */
interface LogicalLine {
  readonly words: readonly PlacedWord[];
}

interface PlacedWord extends Word {
  readonly line: number;
  readonly source: string;
}

/**
 * Comments go first, anywhere in a line; then lines that end in a backslash are joined with the next, without a blank; then blanks separate.
 * The scripts' reader keeps NUL bytes and CR out of words as good as it can; here both end the line.
 */
function logicalLines(bytes: Uint8Array): LogicalLine[] {
  const found: LogicalLine[] = [];
  let collected: PlacedWord[] = [];
  // The last word reaches up to the backslash: what follows is glued to it.
  let glue = false;
  for (const line of splitLines(bytes, unlimited)) {
    const uncommented = /^[^#]*/.exec(line.text)?.[0] ?? '';
    const withoutCr = uncommented.replace(/\r$/, '');
    const continues = uncommented.endsWith('\\') && line.endsWithNewline;
    const body = continues ? withoutCr.slice(0, -1) : withoutCr;
    const placed = words(body, ' \t\f\v', 1).map((word) => ({ ...word, line: line.number, source: line.text }));
    const [first, ...rest] = placed;
    const last = collected.at(-1);
    if (glue && first !== undefined && first.column === 1 && last !== undefined) {
      collected.splice(-1, 1, { ...last, text: last.text + first.text });
      collected.push(...rest);
    } else {
      collected.push(...placed);
    }
    if (continues) {
      glue = collected.length > 0 && (body === '' ? glue : !/[ \t\f\v]$/.test(body));
    } else {
      if (collected.length > 0) found.push({ words: collected });
      collected = [];
      glue = false;
    }
  }
  if (collected.length > 0) found.push({ words: collected });
  return found;
}

interface Group {
  readonly spec: GroupSpec;
  readonly ownerWord: PlacedWord;
  readonly resourceWords: readonly PlacedWord[];
}

function readGroup(line: LogicalLine, file: string, report: Report): Group | null {
  const [ownerWord, ...resourceWords] = line.words;
  if (ownerWord === undefined) return null;
  const place = { file, line: ownerWord.line, column: ownerWord.column };
  const [key] = resourceWords;
  if (key === undefined) {
    report.add(
      { place, source: ownerWord.source },
      {
        severity: 'warning',
        code: 'HB_CONFIG_SYNTAX',
        message: `node ${ownerWord.text} has no resources on this line: the line means nothing`,
        hint: 'write the resources behind the node, or remove the line',
      },
    );
    return null;
  }
  for (const word of resourceWords) {
    if (!word.text.endsWith('\\')) continue;
    report.add(positionOf(word, file), {
      severity: 'warning',
      code: 'HB_CONFIG_SYNTAX',
      message: 'a backslash that is not the last character of the line does not continue it',
      hint: 'remove the blanks behind the backslash',
    });
  }
  const owner: NodeName = cutName(ownerWord.text);
  return {
    spec: { key: key.text, owner, resources: resourceWords.map((word) => readResource(word.text)), place },
    ownerWord,
    resourceWords,
  };
}

/** Takes a resource word apart: an address stands for `IPaddr::address` or `IPv6addr::address`, else `script::argument::argument`. */
export function readResource(word: string): ResourceSpec {
  if (addressShape.test(word)) return { word, script: 'IPaddr', args: [word] };
  if (isAddress6(word)) return { word, script: 'IPv6addr', args: [word] };
  const [script = '', ...args] = word.split('::');
  return { word, script, args };
}

function positionOf(word: PlacedWord, file: string): Position {
  return { place: { file, line: word.line, column: word.column }, source: word.source };
}

/** The scripts read comments and long lines otherwise than the daemon does, so a group can have an owner that the daemon never saw. */
function checkOwners(
  groups: readonly Group[],
  nodes: ReadonlySet<string>,
  reported: ReadonlySet<string>,
  report: Report,
): void {
  for (const { spec, ownerWord } of groups) {
    const name = ownerWord.text.toLowerCase();
    if (nodes.has(name) || reported.has(name)) continue;
    report.add(positionOf(ownerWord, spec.place.file), {
      severity: 'warning',
      code: 'HB_CONFIG_UNKNOWN',
      message: `${ownerWord.text} is no node of ha.cf: nobody starts this group`,
      hint: 'a backslash inside a comment does not continue the line',
    });
  }
}

/** A group is named by its first resource, so that must be unique; any other repetition only starts one thing twice. */
function checkDuplicates(groups: readonly Group[], report: Report): void {
  const seen = new Map<string, { readonly line: number; readonly isKey: boolean }>();
  for (const { spec, resourceWords } of groups) {
    for (const [index, word] of resourceWords.entries()) {
      const isKey = index === 0;
      const before = seen.get(word.text);
      if (before === undefined) {
        seen.set(word.text, { line: word.line, isKey });
        continue;
      }
      const position = positionOf(word, spec.place.file);
      if (isKey && before.isKey) {
        report.add(position, {
          severity: 'error',
          code: 'HB_CONFIG_CONFLICT',
          message: `two groups start with ${word.text} (the other one in line ${before.line}): a group is named by its first resource`,
          hint: 'join the two lines, or let each group start with a resource of its own',
        });
      } else {
        report.add(position, {
          severity: 'warning',
          code: 'HB_CONFIG_CONFLICT',
          message: `resource ${word.text} is written twice (before in line ${before.line})`,
          hint: 'one resource belongs to one group: remove one of the two',
        });
      }
    }
  }
}

function checkResources(groups: readonly Group[], source: HaresourcesSource, report: Report): void {
  const checkedScripts = new Set<string>();
  for (const { spec, resourceWords } of groups) {
    for (const [index, resource] of spec.resources.entries()) {
      const word = resourceWords[index];
      if (word === undefined) continue;
      const position = positionOf(word, spec.place.file);
      if (builtInAgents.has(resource.script)) {
        const exists = (name: string): boolean => source.system.networkInterface(name) !== null;
        const problem =
          resource.script === 'IPv6addr'
            ? address6Problem(resource.args.join('::'), exists)
            : addressProblem(resource.args[0] ?? '', resource.script === 'IPaddr2', exists);
        if (problem !== null) report.add(position, { severity: 'warning', code: 'HB_CONFIG_VALUE', ...problem });
      } else if (isOwnForm(resource.script)) {
        const problem = agentProblem(resource, source.system);
        if (problem !== null) report.add(position, { severity: 'warning', code: 'HB_CONFIG_UNKNOWN', ...problem });
      } else if (instanceIsThere(resource, source)) {
        // The agent and its file stand in for the wrapper script of the heartbeat package.
      } else if (!checkedScripts.has(resource.script)) {
        checkedScripts.add(resource.script);
        checkScript(resource.script, source, position, report);
      }
    }
  }
}

/** `OCF::TYPE::INSTANCE` with its agent and its file: it needs no script of resource.d. */
function instanceIsThere(resource: ResourceSpec, { configDir, system }: HaresourcesSource): boolean {
  const named = parseInstanceWord(resource);
  if (named === null) return false;
  const agent = system.stat(ocfPath({ provider: 'heartbeat', type: named.type, parameters: {} }));
  return agent?.executable === true && system.stat(`${configDir}/${instancePath(named)}`)?.kind === 'file';
}

function checkScript(script: string, source: HaresourcesSource, position: Position, report: Report): void {
  const candidates = [`${source.configDir}/resource.d/${script}`, `/etc/init.d/${script}`];
  const facts = candidates.map((path) => ({ path, facts: source.system.stat(path) }));
  if (script !== '' && facts.some(({ facts: found }) => found?.kind === 'file' && found.executable)) return;
  const present = facts.find(({ facts: found }) => found?.kind === 'file');
  const message =
    script === ''
      ? 'the resource has no script name'
      : present === undefined
        ? `there is no resource script ${script}`
        : `resource script ${present.path} is not executable`;
  const hint =
    present === undefined || script === ''
      ? `put the script into ${source.configDir}/resource.d or /etc/init.d`
      : `chmod 755 ${present.path}`;
  report.add(position, { severity: 'warning', code: 'HB_CONFIG_UNKNOWN', message, hint });
}
