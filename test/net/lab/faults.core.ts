/**
 * Faults of a network as an nftables ruleset for the switch's namespace. Pure: faults in, text out.
 *
 * Faults act inside the switch, so the hosts cannot see them: a dropped packet is sent without an error, as on a real wire.
 */

/** Which packets a fault hits: all when nothing is given. */
export interface PacketMatch {
  /** Only packets of this protocol. */
  readonly protocol?: 'icmp' | 'tcp' | 'udp';
  /** Only UDP packets to this port [1..65535]; stands for `protocol: 'udp'` too. */
  readonly udpPort?: number;
}

/** Packets between a host's port and the switch vanish. */
export interface DropFault extends PacketMatch {
  readonly kind: 'drop';
  /** Interface of the host's port in the switch. */
  readonly port: string;
  /** `from`: what the host sends; `to`: what is sent to it. */
  readonly direction: 'from' | 'to';
  /** The port at the other side, when only packets between these two shall vanish. */
  readonly peerPort?: string;
  /** How many of a hundred, each decided on its own [1..100]. */
  readonly percent: number;
}

/** Packets to a host arrive twice. */
interface DuplicateFault extends PacketMatch {
  readonly kind: 'duplicate';
  readonly port: string;
  readonly percent: number;
}

export type Fault = DropFault | DuplicateFault;

const copyMark = 1;

/**
 * The whole ruleset for a switch with these faults; it replaces any earlier one in a single step (`nft -f`).
 *
 * @throws RangeError for a percentage outside 1..100 or a port outside 1..65535
 */
export function faultRuleset(faults: readonly Fault[]): string {
  const drops = faults.filter((fault) => fault.kind === 'drop');
  const duplicates = faults.filter((fault) => fault.kind === 'duplicate');
  const lines = [
    'flush ruleset',
    'table bridge faults {',
    // After prerouting a packet is forwarded or taken by the bridge's own address; postrouting sees both kinds leave.
    ...chain(
      'entering',
      'prerouting',
      drops.filter((fault) => fault.peerPort === undefined && fault.direction === 'from'),
    ),
    ...chain(
      'crossing',
      'forward',
      drops.filter((fault) => fault.peerPort !== undefined),
    ),
    ...chain(
      'leaving',
      'postrouting',
      drops.filter((fault) => fault.peerPort === undefined && fault.direction === 'to'),
    ),
    '}',
  ];
  if (duplicates.length === 0) return `${lines.join('\n')}\n`;
  lines.push('table netdev copies {');
  for (const [index, port] of [...new Set(duplicates.map((fault) => fault.port))].entries()) {
    lines.push(`chain copies${index} {`, `type filter hook egress device "${port}" priority 0;`);
    for (const fault of duplicates.filter((other) => other.port === port)) {
      // The copy passes this hook again: the mark stops it there (it does not leave the switch).
      const once = `meta mark != ${copyMark} `;
      lines.push(`${once}${matchWords(fault)}${shareWords(fault.percent)}meta mark set ${copyMark} dup to "${port}"`);
    }
    lines.push('}');
  }
  lines.push('}');
  return `${lines.join('\n')}\n`;
}

function chain(name: string, hook: string, faults: readonly DropFault[]): string[] {
  if (faults.length === 0) return [];
  const rules = faults.map((fault) => `${portWords(fault)}${matchWords(fault)}${shareWords(fault.percent)}drop`);
  return [`chain ${name} {`, `type filter hook ${hook} priority 0;`, ...rules, '}'];
}

function portWords(fault: DropFault): string {
  const [here, there] = fault.direction === 'from' ? ['iifname', 'oifname'] : ['oifname', 'iifname'];
  const peer = fault.peerPort === undefined ? '' : `${there} "${fault.peerPort}" `;
  return `${here} "${fault.port}" ${peer}`;
}

function matchWords(match: PacketMatch): string {
  if (match.udpPort !== undefined) {
    if (!Number.isInteger(match.udpPort) || match.udpPort < 1 || match.udpPort > 65_535) {
      throw new RangeError(`not a UDP port: ${match.udpPort}`);
    }
    return `udp dport ${match.udpPort} `;
  }
  return match.protocol === undefined ? '' : `meta l4proto ${match.protocol} `;
}

function shareWords(percent: number): string {
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw new RangeError(`not a whole percentage from 1 to 100: ${percent}`);
  }
  // nft refuses a comparison that is always true, so 100 % has no condition.
  return percent === 100 ? '' : `numgen random mod 100 < ${percent} `;
}
