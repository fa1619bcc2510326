/**
 * The requests of a signed-on client and their answers, field by field as the original's (client-api.md 2.5).
 */
import { binaryField, type Field, type FieldList, field, getBytes, getString } from '../../runtime/message/message.ts';
import { sameUuid } from '../membership/identity.ts';
import type { Client, ClientsState, Connection } from './types.ts';
import { findNode, type LinkView, type NodeView } from './view.core.ts';

/** What a request leads to: frames in order, or something that the core has to do. */
export type Answer =
  | { readonly type: 'frames'; readonly frames: readonly FieldList[]; readonly refused?: boolean }
  | { readonly type: 'sign-off' }
  | { readonly type: 'queue-length'; readonly messages: number }
  /** Asked of another node: its answer goes to the client directly. */
  | { readonly type: 'query'; readonly fields: FieldList }
  /** The mask has been changed as well. */
  | { readonly type: 'mask'; readonly frames: readonly FieldList[] };

/** Classes of messages that a client may ask for. */
export const FILTER = {
  keep: 0x01,
  heartbeat: 0x02,
  dropped: 0x04,
  duplicate: 0x08,
  api: 0x10,
  protocol: 0x20,
} as const;
const knownMask = 0x3f;

const crmText = 'Resource is managed by crm. Use crm tool to query resource';

/** Parameters that ha.cf records for scripts, but that the API does not tell. */
const hiddenParameters = new Set(['use_apphbd', 'nice_failback']);
const apiVersion = '3.0.6';

/** Answers one `hbapi-req` of a client that has signed on. Only `mask` and `signal` of the client are changed. */
export function answerRequest(state: ClientsState, connection: Connection, client: Client, request: FieldList): Answer {
  const type = getString(request, 'reqtype') ?? '';
  const ok = (...data: readonly Field[]): Answer => one(reply(type, data, 'OK'));
  const bad = (info?: string): Answer => ({ type: 'frames', frames: [reply(type, [], 'badreq', info)], refused: true });
  const node = findNode(state.view, getString(request, 'node'));
  switch (type) {
    case 'signoff':
      return { type: 'sign-off' };
    case 'setfilter':
      return setFilter(state, connection, client, request);
    case 'setsignal': {
      const text = getString(request, 'signal');
      if (text === undefined) return bad();
      const signal = Number(text);
      // KILL and STOP cannot be caught; real-time signals are not for this.
      if (!/^\d{1,3}$/.test(text) || signal === 9 || signal === 19 || signal >= 32) return bad('EINVAL');
      client.signal = signal;
      return ok();
    }
    case 'nodelist':
      return listOf(
        type,
        state.view.nodes.map((entry) => [
          field('node', entry.name),
          field('nodetype', entry.type),
          field('st', entry.status),
        ]),
      );
    case 'nodestatus':
      return node === undefined ? bad('EINVAL') : ok(field('st', node.status));
    case 'nodetype':
      return node === undefined ? bad('EINVAL') : ok(field('nodetype', node.type));
    case 'nodeweight':
      return node === undefined ? bad('EINVAL') : ok(field('weight', String(node.weight)));
    case 'nodesite':
      return node === undefined ? bad('EINVAL') : ok(field('site', node.site));
    case 'numnodes':
      return ok(field('numnodes', String(state.view.nodes.filter((entry) => entry.type === 'normal').length)));
    case 'iflist':
      if (node === undefined || node.links.length === 0) return bad('EINVAL');
      return listOf(
        type,
        node.links.map((link) => [field('ifname', link.name), field('st', link.status)]),
      );
    case 'ifstatus': {
      const link = findLink(node, getString(request, 'ifname'));
      return link === undefined ? bad('EINVAL') : ok(field('st', link.status));
    }
    case 'clientstatus':
      return clientStatus(state, client, request);
    case 'getparm': {
      const name = getString(request, 'pname');
      if (name === undefined) return bad('EINVAL');
      const value = parameter(state, name);
      return value === undefined ? ok() : ok(field('pvalue', value));
    }
    case 'getrsc':
      return state.config.managesResources ? ok(field('rsc_hold', state.rscStatus)) : bad(crmText);
    case 'getuuid': {
      const name = getString(request, 'queryname');
      if (name === undefined) return bad('no query node name found');
      const asked = state.view.nodes.find((entry) => entry.name === name);
      return asked === undefined ? ok() : ok(binaryField('queryuuid', asked.uuid ?? new Uint8Array(16)));
    }
    case 'getnodename': {
      const uuid = getBytes(request, 'queryuuid');
      if (uuid === undefined) return bad('no query node name found');
      const named = state.view.nodes.find((entry) => entry.uuid !== null && sameUuid(entry.uuid, uuid));
      return named === undefined ? ok() : ok(field('queryname', named.name));
    }
    case 'set_sendqlen': {
      const messages = Number.parseInt(getString(request, 'sendqlen') ?? '', 10);
      return messages > 0 ? { type: 'queue-length', messages } : { type: 'frames', frames: [] };
    }
    default:
      return bad();
  }
}

function one(frame: FieldList): Answer {
  return { type: 'frames', frames: [frame] };
}

function reply(type: string, data: readonly Field[], result: string, info?: string): FieldList {
  const fields = [field('t', 'hbapi-resp'), field('reqtype', type), ...data, field('result', result)];
  return info === undefined ? fields : [...fields, field('info', info)];
}

/** All entries but the last one say that more follows. */
function listOf(type: string, entries: readonly (readonly Field[])[]): Answer {
  const frames = entries.map((data, index) => reply(type, data, index === entries.length - 1 ? 'OK' : 'ok/more'));
  return { type: 'frames', frames };
}

function findLink(node: NodeView | undefined, name: string | undefined): LinkView | undefined {
  return node?.links.find((link) => link.name === name);
}

/** Beyond ordinary messages a client sees other clients' requests and the cluster's inside: for root and our own user only. */
function setFilter(state: ClientsState, connection: Connection, client: Client, request: FieldList): Answer {
  const text = getString(request, 'fmask') ?? '';
  const mask = /^[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : 0;
  const refuse = (info: string): Answer => ({
    type: 'frames',
    frames: [reply('setfilter', [], 'badreq', info)],
    refused: true,
  });
  if ((mask & knownMask) === 0) return refuse('EINVAL');
  const { uid } = connection.credentials;
  if ((mask & ~FILTER.keep) !== 0 && uid !== 0 && uid !== state.config.daemon.uid) return refuse('EPERM');
  client.mask = mask & knownMask;
  return { type: 'mask', frames: [reply('setfilter', [], 'OK')] };
}

/** Whether a named client is signed on somewhere. Of another node that is active only that node can tell. */
function clientStatus(state: ClientsState, client: Client, request: FieldList): Answer {
  const node = findNode(state.view, getString(request, 'node'));
  const name = getString(request, 'cn');
  if (node === undefined || name === undefined)
    return { type: 'frames', frames: [reply('clientstatus', [], 'badreq', 'EINVAL')], refused: true };
  if (node !== state.view.self && node.status === 'active') {
    return {
      type: 'query',
      fields: [field('t', 'query-cstatus'), field('dest', node.name), field('cn', name), field('from_id', client.id)],
    };
  }
  const online = node === state.view.self && isOnline(state, name);
  const data = [field('subt', 'respond-cstatus'), field('cs', online ? 'online' : 'offline')];
  return one(reply('clientstatus', data, 'OK'));
}

/** Whether a client of that id is signed on here. */
export function isOnline(state: ClientsState, id: string): boolean {
  for (const { client } of state.connections.values()) if (client?.id === id) return true;
  return false;
}

function parameter(state: ClientsState, name: string): string | undefined {
  if (name === 'hbversion') return apiVersion;
  const known = name === 'crm' ? 'pacemaker' : name;
  const { recorded } = state.config;
  return hiddenParameters.has(known) || !Object.hasOwn(recorded, known) ? undefined : recorded[known];
}
