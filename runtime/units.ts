/**
 * Branded scalars: numbers and names that the type checker keeps apart. Each has one checked constructor.
 */

/** A duration or an instant on the monotonic clock [ms, float, finite]. Instants of all threads of a machine compare (CLOCK_MONOTONIC). */
export type Ms = number & { readonly __unit: 'ms' };

/** Makes an {@link Ms}; a NaN or infinite value is a programming error and throws RangeError. */
export function ms(value: number): Ms {
  if (!Number.isFinite(value)) throw new RangeError(`not a time in milliseconds: ${value}`);
  return value as Ms;
}

/** A cluster node's or ping node's name: 1 to 99 characters, lower case (names are compared that way everywhere). */
export type NodeName = string & { readonly __name: 'node' };

/** Makes a {@link NodeName} by lower-casing; throws RangeError when it is empty or has more than 99 characters. */
export function nodeName(text: string): NodeName {
  if (text.length === 0 || text.length > 99) throw new RangeError(`node name must have 1 to 99 characters: "${text}"`);
  return text.toLowerCase() as NodeName;
}

/** A link's name as the original prints it: the device of a bcast/ucast/mcast medium, the tty of a serial one, the host of a ping one. */
export type LinkName = string & { readonly __name: 'link' };

/** Makes a {@link LinkName}; throws RangeError when it is empty. */
export function linkName(text: string): LinkName {
  if (text.length === 0) throw new RangeError('a link needs a name');
  return text as LinkName;
}

/** Closes a `switch` over a union: the compiler complains when a case is missing, and a value from outside throws. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected value: ${JSON.stringify(value)}`);
}
