/**
 * Lines to the local syslog daemon over its datagram socket, in the form that Heartbeat's lines have there.
 */
import { SystemCallError } from '../errors.ts';
import { sendUnixDatagram } from './unix-datagram.ts';

/** Facility names of ha.cf `logfacility` (lower case) and their numbers: RFC 3164 and <syslog.h>. */
export const syslogFacilities: Readonly<Record<string, number>> = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  security: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
};

/** Where syslogd listens. */
const syslogPath = '/dev/log';

/** A line longer than this is cut, as glibc-era daemons do with theirs [bytes]; RFC 5424 asks receivers for 2048. */
const lineMaxBytes = 8_192;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * One datagram for a local syslog daemon: `<PRI>Mon DD HH:MM:SS ident: message`, local time, day padded with a blank (RFC 3164, and
 * what syslog(3) sends).
 *
 * @param facility number of the facility (0 to 23)
 * @param priority severity, 0 (emergency) to 7 (debug)
 */
export function formatSyslog(facility: number, priority: number, ident: string, message: string, at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  // A newline would start a second, forged line in the log of many daemons.
  const line = message.replace(/[\r\n]+/g, ' ');
  return `<${facility * 8 + priority}>${months[at.getMonth()]} ${String(at.getDate()).padStart(2, ' ')} ${time} ${ident}: ${line}`;
}

/** Sends lines of one facility. */
export interface SyslogSender {
  /**
   * Sends without waiting. @returns false when the line is lost (no daemon, or its queue is full); the next one is tried anew
   *
   * @param priority 0 (emergency) to 7 (debug)
   */
  send(priority: number, ident: string, message: string): boolean;
  close(): void;
}

/**
 * Makes a sender. Nothing stays open between lines, so a daemon that is restarted is found again and a killed thread leaks nothing.
 *
 * @param facility a name of {@link syslogFacilities} in lower case, else RangeError
 * @param path the daemon's socket; other paths serve tests
 */
export function openSyslog(facility: string, path: string = syslogPath): SyslogSender {
  const number = syslogFacilities[facility];
  if (number === undefined) throw new RangeError(`unknown syslog facility "${facility}"`);
  let open = true;
  return {
    send(priority, ident, message) {
      if (!open) return false;
      const bytes = new TextEncoder().encode(formatSyslog(number, priority, ident, message, new Date()));
      try {
        return sendUnixDatagram(path, bytes.subarray(0, lineMaxBytes)) === null;
      } catch (error) {
        // Out of descriptors: a line is lost, the daemon lives on.
        if (error instanceof SystemCallError) return false;
        throw error;
      }
    },
    close() {
      open = false;
    },
  };
}
