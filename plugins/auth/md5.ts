import { prepareHmac } from './hmac.ts';
import type { AuthMethod } from './method.ts';

/** authkeys method `md5`: HMAC-MD5, 32 hex digits. */
export const plugin = {
  kind: 'auth',
  name: 'md5',
  apiVersion: 1,
  needsKey: true,
  own: false,
  digits: [32, 32],
  prepare: (key) => prepareHmac('md5', key),
} satisfies AuthMethod;
