/**
 * Who may sign on under which name: `apiauth` lines, and Heartbeat's built-in ones for names without a line (conf/clients.ts adds those).
 */
import type { ApiAuth } from '../../conf/settings.ts';

/** Who is at the other end of a socket, as the kernel saw it at connect time: effective ids, no supplementary groups. */
export interface Credentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

type AuthorizationFailure = 'no default client auth' | 'apiauth anon missing' | 'client failed authorization';

/**
 * @param clientName the name of a named client, null for a casual one (entry `anon`)
 * @returns null when the client is let in, else the reason as the original words it
 */
export function authorize(
  rules: readonly ApiAuth[],
  clientName: string | null,
  { uid, gid }: Pick<Credentials, 'uid' | 'gid'>,
): AuthorizationFailure | null {
  const rule = clientName === null ? find(rules, 'anon') : (find(rules, clientName) ?? find(rules, 'default'));
  if (rule === undefined) return clientName === null ? 'apiauth anon missing' : 'no default client auth';
  const admitted = rule.uids?.includes(uid) === true || rule.gids?.includes(gid) === true;
  return admitted ? null : 'client failed authorization';
}

function find(rules: readonly ApiAuth[], name: string): ApiAuth | undefined {
  return rules.find((rule) => rule.client === name);
}
