/**
 * Every method of authkeys by its name. A new one is a file beside this one, its name in `method.ts`, and a row here.
 */
import { plugin as crc } from './crc.ts';
import { plugin as hmacSha256 } from './hmac-sha256.ts';
import { plugin as md5 } from './md5.ts';
import type { AuthMethod, AuthMethodName } from './method.ts';
import { plugin as sha1 } from './sha1.ts';

export const authMethods: Readonly<Record<AuthMethodName, AuthMethod>> = {
  crc,
  md5,
  sha1,
  'hmac-sha256': hmacSha256,
};

/** The method of that name, as somebody wrote it; undefined when there is none. Names are case-sensitive. */
export function findAuthMethod(name: string): AuthMethod | undefined {
  return Object.values(authMethods).find((method) => method.name === name);
}
