/**
 * Whether a program is there.
 */
import { accessSync, constants } from 'node:fs';
import { isAbsolute, join } from 'node:path';

const directories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Null when it is; else what to do. @param file a command, or an absolute path */
export function installed(file: string, debianPackage: string): string | null {
  const places = isAbsolute(file) ? [file] : directories.map((directory) => join(directory, file));
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return null;
    } catch {
      // Not here: perhaps in the next directory.
    }
  }
  return `not installed (Debian package ${debianPackage})`;
}
