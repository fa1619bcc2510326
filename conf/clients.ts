/**
 * The directives about client programs: `respawn` and `failfast`, which start them, and `apiauth`, which lets them in.
 */
import { type Reading, refuse, type Statement } from './draft.ts';
import type { ApiAuth } from './settings.ts';
import type { System } from './system.ts';
import { skip, type Word, words } from './text.ts';

const blanks = ' \t\f';

/** Heartbeat's buffers, in characters that fit. */
const maxUserLength = 63;
const maxClientLength = 31;

/** Accounts of the package: a machine without the package lacks them, and our own plugins need none. */
const packageUser = 'hacluster';
const packageGroup = 'haclient';

export function respawn(reading: Reading, statement: Statement): void {
  const { rest } = statement;
  const [user, program] = words(rest.text, blanks, rest.column);
  const userName = user?.text ?? '';
  const userAt = user === undefined ? statement.position : statement.at(user.column);
  if (userName.length > maxUserLength) {
    refuse(
      reading,
      userAt,
      `the user name of ${statement.directive} is too long`,
      `a user name has at most ${maxUserLength} characters`,
      'ERROR: UID specified for client child is too long',
    );
    return;
  }
  const ipfail = program !== undefined && isIpfail(program.text);
  const uid = reading.system.userId(userName);
  if (uid === null) {
    const original = `ERROR: Invalid uid [${userName}] specified for client child`;
    if (userName === packageUser && ipfail) {
      reading.report.add(userAt, {
        severity: 'warning',
        code: 'HB_CONFIG_UNKNOWN',
        message: `there is no user ${packageUser} on this machine`,
        hint: `ipfail is part of Systole and needs no account; create the user with the group ${packageGroup} for other clients`,
      });
    } else {
      const message =
        userName === '' ? `${statement.directive} needs a user and a command` : `there is no user ${userName}`;
      reading.report.add(userAt, {
        severity: 'error',
        code: 'HB_CONFIG_UNKNOWN',
        message,
        hint: `write ${statement.directive} USER COMMAND; the user by name, not by number`,
        original,
      });
      return;
    }
  }
  const path = program?.text ?? '';
  const programAt = program === undefined ? userAt : statement.at(program.column);
  if (!path.startsWith('/')) {
    const message = path === '' ? `${statement.directive} has no command` : `command ${path} is no full path`;
    refuse(
      reading,
      programAt,
      message,
      'write the command with its absolute path',
      `ERROR: Client child command [${path}] is not full pathname`,
    );
    return;
  }
  const installed = reading.system.stat(path)?.executable === true;
  if (!ipfail && !installed) {
    reading.report.add(programAt, {
      severity: 'error',
      code: 'HB_CONFIG_UNKNOWN',
      message: `command ${path} does not exist or is not executable`,
      hint: `see \`ls -l ${path}\``,
      original: `ERROR: Client child command [${path}] is not executable`,
    });
    return;
  }
  const command = rest.text.slice((program?.column ?? rest.column) - rest.column).trimEnd();
  reading.draft.respawn.push({
    user: userName,
    account: uid === null ? null : { uid, gid: reading.system.primaryGroup(userName) ?? uid },
    builtIn: installed && uid !== null ? null : 'ipfail',
    command,
    failfast: statement.directive === 'failfast',
    place: statement.position.place,
  });
}

/** ipfail is built in: any path that Heartbeat's packages ever had for it stands for ours. */
function isIpfail(path: string): boolean {
  return /^\/.*\/heartbeat\/ipfail$/.test(path);
}

/** Heartbeat's built-in rules: each counts only when ha.cf has none for that name. */
const builtInRules: readonly {
  readonly client: string;
  readonly users: readonly string[];
  readonly groups: readonly string[];
}[] = [
  { client: 'ipfail', users: [packageUser], groups: [] },
  { client: 'ccm', users: [packageUser], groups: [] },
  { client: 'ping', users: [], groups: [packageGroup] },
  { client: 'lha-snmpagent', users: ['root'], groups: [] },
  { client: 'anon', users: ['root'], groups: [packageGroup] },
];

/** The rules as written, and the built-in ones behind them. An account that this machine lacks lets nobody in. */
export function withBuiltInRules(
  written: readonly ApiAuth[],
  system: Pick<System, 'userId' | 'groupId'>,
): readonly ApiAuth[] {
  const known = (id: number | null): id is number => id !== null;
  const added = builtInRules
    .filter(({ client }) => !written.some((rule) => rule.client === client))
    .map(
      ({ client, users, groups }): ApiAuth => ({
        client,
        uids: users.map((name) => system.userId(name)).filter(known),
        gids: groups.map((name) => system.groupId(name)).filter(known),
      }),
    );
  return [...written, ...added];
}

/** Texts of an apiauth statement that cannot be used: what the original says before its closing lines. */
type ApiAuthProblem = {
  readonly message: string;
  readonly hint: string;
  readonly original: string | null;
  readonly column: number;
};

export function apiauth(reading: Reading, statement: Statement): void {
  const parsed = parseApiAuth(reading, statement);
  if ('client' in parsed) {
    reading.draft.apiAuth.push(parsed);
    return;
  }
  const closing = [
    `ERROR: Invalid apiauth directive [${statement.rest.text}]`,
    'info: Syntax: apiauth client [uid=uidlist] [gid=gidlist]',
    'info: Where uidlist is a comma-separated list of uids,',
    'info: and gidlist is a comma-separated list of gids',
    'info: One or the other must be specified.',
  ];
  refuse(
    reading,
    statement.at(parsed.column),
    parsed.message,
    parsed.hint,
    [...(parsed.original === null ? [] : [parsed.original]), ...closing].join('\n'),
  );
}

const apiauthHint =
  'write apiauth CLIENT uid=USER,USER gid=GROUP,GROUP: at least one list, each at most once, no blanks in a list';

function parseApiAuth(reading: Reading, statement: Statement): ApiAuth | ApiAuthProblem {
  const { rest } = statement;
  const [client, ...lists] = words(rest.text, blanks, rest.column);
  if (client === undefined) return problem(statement.position.place.column, 'apiauth has no client', null);
  if (client.text.length > maxClientLength) {
    return problem(
      client.column,
      `the client name has more than ${maxClientLength} characters`,
      `ERROR: client name [${rest.text}] too long`,
    );
  }
  if (lists.length === 0) return problem(client.column, `apiauth ${client.text} names neither users nor groups`, null);
  let uids: number[] | null = null;
  let gids: number[] | null = null;
  for (const word of lists) {
    const kind = word.text.startsWith('uid=') ? 'uid' : word.text.startsWith('gid=') ? 'gid' : null;
    if (kind === null)
      return problem(word.column, `${word.text} is no list of users or groups`, 'ERROR: Missing uid or gid in apiauth');
    if ((kind === 'uid' ? uids : gids) !== null)
      return problem(word.column, `${kind} is written twice`, `ERROR: Duplicate ${kind} list in apiauth`);
    const ids = idList(reading, statement, word, kind);
    if (typeof ids === 'string') {
      const label = kind === 'uid' ? 'user id' : 'group';
      const tail = rest.text.slice(word.column - rest.column + 'uid='.length);
      const message =
        ids === ''
          ? `the list of ${kind}s starts with a comma`
          : `there is no ${kind === 'uid' ? 'user' : 'group'} ${ids}`;
      return problem(word.column, message, `ERROR: Invalid ${label} name [${ids}]\nERROR: Bad ${kind} list [${tail}]`);
    }
    if (kind === 'uid') uids = ids;
    else gids = ids;
  }
  if (reading.draft.apiAuth.some((other) => other.client === client.text)) {
    return problem(
      client.column,
      `client ${client.text} has two apiauth lines`,
      `ERROR: Duplicate apiauth directive for API client ${client.text}: [${rest.text}]`,
    );
  }
  return { client: client.text, uids, gids };
}

function problem(column: number, message: string, original: string | null): ApiAuthProblem {
  return { column, message, hint: apiauthHint, original };
}

/** @returns the numbers of a list, or the name that does not exist */
function idList(reading: Reading, statement: Statement, word: Word, kind: 'uid' | 'gid'): number[] | string {
  const list = word.text.slice('uid='.length);
  const ids: number[] = [];
  if (list === '') return ids;
  // A comma at the start names nobody, which Heartbeat refuses; more commas between or behind names are nothing to it.
  if (skip(list, ',').skipped > 0) return '';
  for (const { text } of words(list, ',', word.column + 'uid='.length)) {
    const number = /^[0-9]+/.exec(text)?.[0];
    const id =
      number === undefined
        ? kind === 'uid'
          ? reading.system.userId(text)
          : reading.system.groupId(text)
        : Number(number);
    if (id !== null) {
      ids.push(id);
    } else if (text === (kind === 'uid' ? packageUser : packageGroup)) {
      reading.report.add(statement.at(word.column), {
        severity: 'warning',
        code: 'HB_CONFIG_UNKNOWN',
        message: `there is no ${kind === 'uid' ? 'user' : 'group'} ${text} on this machine`,
        hint: 'nobody gets access through it; create the account if clients run under it',
      });
    } else {
      return text;
    }
  }
  return ids;
}
