/**
 * The words for addresses in haresources: `ip[/bits[/interface[:label]][/broadcast]]`, and for IPv6 `ip[/bits[/interface]]`.
 */
import { isIPv6 } from 'node:net';
import { parseIpv4, prefixLengthOf } from '../runtime/sys/ipv4.ts';
import { parseCount } from './values.ts';

export interface AddressProblem {
  readonly message: string;
  readonly hint: string;
}

const forms = 'write 10.0.0.1, 10.0.0.1/24, 10.0.0.1/24/eth0, 10.0.0.1/24/10.0.0.255 or 10.0.0.1/24/eth0/10.0.0.255';

/**
 * Says what is wrong with the argument of IPaddr or IPaddr2, or null.
 *
 * @param allowLabel      IPaddr2 takes `eth0:label`
 * @param interfaceExists whether this machine has an interface
 */
export function addressProblem(
  text: string,
  allowLabel: boolean,
  interfaceExists: (name: string) => boolean,
): AddressProblem | null {
  const [ip = '', mask, third, fourth, ...more] = text.split('/');
  if (parseIpv4(ip) === null) return problem(ip === '' ? 'the address is missing' : `${ip} is no IPv4 address`);
  if (more.length > 0) return problem(`${text} has too many parts`);
  if (mask !== undefined && !isMask(mask)) return problem(`${mask} is no netmask of 1 to 32 bits`);
  if (third === undefined) return null;
  const thirdIsBroadcast = /^[0-9]/.test(third);
  const broadcast = thirdIsBroadcast ? third : fourth;
  if (thirdIsBroadcast && fourth !== undefined) return problem(`${text} has the interface in the wrong place`);
  if (broadcast !== undefined && parseIpv4(broadcast) === null) return problem(`${broadcast} is no broadcast address`);
  if (thirdIsBroadcast) return null;
  const device = allowLabel ? third.replace(/:.*$/, '') : third;
  if (device === '') return problem('the interface is missing');
  if (!interfaceExists(device))
    return { message: `there is no interface ${device} on this machine`, hint: 'see `ip address`' };
  return null;
}

/** Says what is wrong with the argument of IPv6addr, or null. */
export function address6Problem(text: string, interfaceExists: (name: string) => boolean): AddressProblem | null {
  const hint = 'write 2001:db8::10, 2001:db8::10/64 or 2001:db8::10/64/eth0';
  const [ip = '', bits, device, ...more] = text.split('/');
  if (!isIPv6(ip) || ip.includes('%'))
    return { message: ip === '' ? 'the address is missing' : `${ip} is no IPv6 address`, hint };
  if (more.length > 0) return { message: `${text} has too many parts`, hint };
  if (bits !== undefined && parseCount(bits, 1, 128) === null)
    return { message: `${bits} is no prefix length of 1 to 128 bits`, hint };
  if (device !== undefined && !interfaceExists(device))
    return { message: `there is no interface ${device} on this machine`, hint: 'see `ip address`' };
  return device === undefined && /^fe[89ab]/i.test(ip)
    ? { message: `${ip} is link-local and needs an interface`, hint: `write ${ip}/64/eth0` }
    : null;
}

function isMask(text: string): boolean {
  const dotted = parseIpv4(text);
  if (dotted !== null) return prefixLengthOf(dotted) !== null;
  return /^[0-9]+$/.test(text) && parseCount(text, 1, 32) !== null;
}

function problem(message: string): AddressProblem {
  return { message, hint: forms };
}
