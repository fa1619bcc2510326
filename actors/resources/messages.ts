/**
 * The cluster messages of resource management: read into types here, and made here with their fields in the order of the wire.
 */
import { type FieldList, field, getHex, getString } from '../../runtime/message/message.ts';
import type { NodeName } from '../../runtime/units.ts';
import { type Holding, parseHolding, parseSet, parseTakeoverSet, type ResourceSet } from './holdings.ts';

export type ClusterMessage =
  | { readonly type: 'starting' }
  /** A holdings report. `full` replaces what was known of the sender, else it is added (and `none` clears). */
  | {
      readonly type: 'resource';
      readonly holding: Holding;
      readonly full: boolean;
      /** Null when the report says nothing about it (those of scripts). */
      readonly stable: boolean | null;
      readonly info: string | undefined;
      /** With `info=nostandby`: the set of the exchange that the sender knows nothing of. A field of ours. */
      readonly asked: ResourceSet | undefined;
      /** The sender's packet number: a report that arrives after a newer one is old news. */
      readonly sequence: number | undefined;
    }
  | { readonly type: 'ask_resources'; readonly set: ResourceSet | undefined; readonly info: string }
  | { readonly type: 'hb_takeover'; readonly set: ResourceSet | undefined }
  | { readonly type: 'ip-request'; readonly key: string }
  | {
      readonly type: 'ip-request-resp';
      readonly dest: string;
      readonly key: string;
      readonly weOwn: string;
      readonly ok: string;
    }
  | { readonly type: 'shutdone' }
  /** What became of fencing a node that the sender has declared dead. */
  | { readonly type: 'stonith'; readonly node: string };

/** Reads a message; undefined when it is none of resource management or lacks a needed field. */
export function parseClusterMessage(fields: FieldList): ClusterMessage | undefined {
  const type = getString(fields, 't');
  switch (type) {
    case 'starting':
    case 'shutdone':
      return { type };
    case 'resource': {
      const holding = parseHolding(getString(fields, 'rsc_hold'));
      if (holding === undefined) return undefined;
      const stable = getString(fields, 'isstable');
      return {
        type,
        holding,
        full: getString(fields, 'rtype') === 'full',
        stable: stable === undefined ? null : stable === '1',
        info: getString(fields, 'info'),
        asked: parseSet(getString(fields, 'rsc_ask')),
        sequence: getHex(fields, 'seq'),
      };
    }
    case 'ask_resources':
      return { type, set: parseSet(getString(fields, 'rsc_hold')), info: getString(fields, 'info') ?? '' };
    case 'hb_takeover':
      return { type, set: parseTakeoverSet(getString(fields, 'rsc_hold')) };
    case 'ip-request': {
      const key = getString(fields, 'ipaddr');
      return key === undefined ? undefined : { type, key };
    }
    case 'ip-request-resp': {
      const key = getString(fields, 'ipaddr');
      const dest = getString(fields, 'dest');
      if (key === undefined || dest === undefined) return undefined;
      return { type, key, dest, weOwn: getString(fields, 'weown') ?? 'no', ok: getString(fields, 'ok') ?? '' };
    }
    case 'stonith': {
      const node = getString(fields, 'node');
      return node === undefined ? undefined : { type, node };
    }
    default:
      return undefined;
  }
}

/** The life of this node in the cluster begins: the other one is to report what it holds. Membership sends it when communication is up. */
export const startingMessage: FieldList = [field('t', 'starting')];

export const shutdoneMessage: FieldList = [field('t', 'shutdone'), field('st', 'dead')];

export function resourceMessage(holding: Holding, stable: boolean, info?: string, asked?: ResourceSet): FieldList {
  const fields = [
    field('t', 'resource'),
    field('rsc_hold', holding),
    field('rtype', 'full'),
    field('isstable', stable ? '1' : '0'),
  ];
  if (info !== undefined) fields.push(field('info', info));
  if (asked !== undefined) fields.push(field('rsc_ask', asked));
  return fields;
}

/** `me`: I want to give the set up. `other`: I am ready to take it. `done`: released, or acquired. */
export function askMessage(set: ResourceSet, info: 'me' | 'other' | 'done'): FieldList {
  return [field('t', 'ask_resources'), field('rsc_hold', set), field('info', info)];
}

export function takeoverMessage(set: ResourceSet): FieldList {
  return [field('t', 'hb_takeover'), field('rsc_hold', set)];
}

export function ipRequestMessage(key: string): FieldList {
  return [field('t', 'ip-request'), field('ipaddr', key)];
}

export function ipResponseMessage(dest: NodeName, key: string, weOwn: boolean): FieldList {
  return [
    field('t', 'ip-request-resp'),
    field('dest', dest),
    field('ipaddr', key),
    field('weown', weOwn ? 'yes' : 'no'),
    field('ok', 'OK'),
  ];
}

/**
 * Tells what became of fencing: `n_stnth` no device is configured, `unneeded` the node had given everything up, `OK` it is off, `bad` and
 * `badhost` a device failed, or does not control it.
 */
export function stonithMessage(node: NodeName, result: 'n_stnth' | 'unneeded' | 'OK' | 'bad' | 'badhost'): FieldList {
  return [field('t', 'stonith'), field('node', node), field('result', result)];
}
