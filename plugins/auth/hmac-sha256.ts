import { prepareHmac } from './hmac.ts';
import type { AuthMethod } from './method.ts';

/** authkeys method `hmac-sha256`, our own: HMAC (RFC 2104) with SHA-256, 64 hex digits. Heartbeat 3.0.6 cannot read what it signs. */
export const plugin = {
  kind: 'auth',
  name: 'hmac-sha256',
  apiVersion: 1,
  needsKey: true,
  own: true,
  digits: [64, 64],
  prepare: (key) => prepareHmac('sha256', key),
} satisfies AuthMethod;
