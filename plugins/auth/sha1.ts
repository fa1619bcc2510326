import { prepareHmac } from './hmac.ts';
import type { AuthMethod } from './method.ts';

/** authkeys method `sha1`: HMAC-SHA1, 40 hex digits. */
export const plugin = {
  kind: 'auth',
  name: 'sha1',
  apiVersion: 1,
  needsKey: true,
  own: false,
  digits: [40, 40],
  prepare: (key) => prepareHmac('sha1', key),
} satisfies AuthMethod;
