import { crc32 } from '../../runtime/message/crc.ts';
import type { AuthMethod } from './method.ts';

/**
 * authkeys method `crc`: a CRC-32 in hex without zero padding, 1 to 8 digits. It has no key: it finds damage, and
 * keeps nobody out.
 */
export const plugin = {
  kind: 'auth',
  name: 'crc',
  apiVersion: 1,
  needsKey: false,
  own: false,
  digits: [1, 8],
  prepare: () => (bytes, start, end) => crc32(bytes, start, end).toString(16),
} satisfies AuthMethod;
