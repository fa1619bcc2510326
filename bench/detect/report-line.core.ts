/**
 * One line of the referee (referee.c), read.
 */

/** What the referee tells. Instants are milliseconds of CLOCK_MONOTONIC. */
export type Report =
  | { readonly type: 'ready' }
  | {
      readonly type: 'packet';
      readonly atMs: number;
      /** Seen from the host that is watched. */
      readonly way: 'in' | 'out';
      /** IP protocol: 17 is UDP, 112 VRRP. */
      readonly protocol: number;
      readonly source: string;
      readonly destination: string;
      readonly sourcePort: number;
      readonly destinationPort: number;
      /** The first 96 bytes. */
      readonly payload: Buffer;
    }
  | {
      readonly type: 'arp';
      readonly atMs: number;
      readonly way: 'in' | 'out';
      readonly operation: number;
      readonly sender: string;
      readonly target: string;
    }
  | { readonly type: 'address'; readonly atMs: number; readonly change: 'added' | 'removed'; readonly address: string }
  /** Everything up to then has been told. */
  | { readonly type: 'until'; readonly atMs: number }
  | { readonly type: 'lost'; readonly count: number };

/** @throws SyntaxError for a line that the referee does not write: program and reader are of one version */
export function parseReport(line: string): Report {
  const [type = '', time = '', ...words] = line.split(' ');
  const atMs = Number(time) / 1e6;
  const [first = '', second = '', third = '', fourth = ''] = words;
  switch (type) {
    case 'ready':
      return { type };
    case 'packet':
      return {
        type,
        atMs,
        way: wayOf(first, line),
        protocol: Number(second),
        source: third,
        destination: fourth,
        sourcePort: Number(words[4]),
        destinationPort: Number(words[5]),
        payload: Buffer.from(words[6] ?? '', 'hex'),
      };
    case 'arp':
      return { type, atMs, way: wayOf(first, line), operation: Number(second), sender: third, target: fourth };
    case 'address':
      if (first !== 'added' && first !== 'removed') throw new SyntaxError(`not a referee's line: ${line}`);
      return { type, atMs, change: first, address: second };
    case 'until':
      return { type, atMs };
    case 'lost':
      return { type, count: Number(time) };
    default:
      throw new SyntaxError(`not a referee's line: ${line}`);
  }
}

function wayOf(word: string, line: string): 'in' | 'out' {
  if (word !== 'in' && word !== 'out') throw new SyntaxError(`not a referee's line: ${line}`);
  return word;
}
