/**
 * A client core with a cluster made of data around it: what it sends comes back as membership would hand it on.
 */

import { createClients, step } from '../../../actors/api/clients.core.ts';
import type { ClientsConfig, ClientsEffect, ClientsInput, ClientsState } from '../../../actors/api/types.ts';
import { compose, FieldMemo } from '../../../actors/membership/envelope.ts';
import type { ApiAuth } from '../../../conf/settings.ts';
import { type FieldList, field, getString } from '../../../runtime/message/message.ts';
import { linkName, ms, nodeName } from '../../../runtime/units.ts';

/** Accounts of the recordings. */
export const accounts = { root: 0, hacluster: 103, haclient: 106, nobody: 65_534 };

const rules: readonly ApiAuth[] = [
  { client: 'tst', uids: [accounts.root], gids: null },
  { client: 'tsg', uids: null, gids: [accounts.haclient] },
  { client: 'tsu', uids: [accounts.hacluster], gids: null },
  { client: 'tsb', uids: [accounts.hacluster], gids: [accounts.haclient] },
  { client: 'ipfail', uids: [accounts.hacluster], gids: [] },
  { client: 'ccm', uids: [accounts.hacluster], gids: [] },
  { client: 'anon', uids: [accounts.root], gids: [accounts.haclient] },
];

const uuids = {
  node1: Uint8Array.from(Buffer.from('ErX+/OLAT2y/w8ta5H1alA==', 'base64')),
  node2: Uint8Array.from(Buffer.from('EXC+RlffQCu+PGSKNJyN2w==', 'base64')),
};
const place = { file: 'ha.cf', line: 1, column: 1 };

/** The cluster of the recordings: node1, node2, a ping node named first, two broadcast links. */
export function recordedConfig(change: Partial<ClientsConfig> = {}): ClientsConfig {
  return {
    self: nodeName('node1'),
    nodes: [
      { name: nodeName('10.77.0.254'), type: 'ping' },
      { name: nodeName('node1'), type: 'normal' },
      { name: nodeName('node2'), type: 'normal' },
    ],
    media: [
      { kind: 'bcast', link: linkName('eth0'), device: 'eth0', port: 694, place },
      { kind: 'ping', link: linkName('10.77.0.254'), host: '10.77.0.254', place },
      { kind: 'bcast', link: linkName('eth1'), device: 'eth1', port: 694, place },
    ],
    apiAuth: rules,
    keepaliveMs: ms(500),
    deadtimeMs: ms(4_000),
    managesResources: true,
    recorded: { keepalive: '500ms', auto_failback: 'on', cluster: 'linux-ha', pacemaker: 'false', use_apphbd: 'no' },
    uuid: change.self === 'node2' ? uuids.node2 : uuids.node1,
    logFacility: -1,
    daemon: { pid: 1, uid: 0 },
    processStart: () => 100,
    wallClockS: () => 0x6b02cc00,
    ...change,
  };
}

export class Bench {
  readonly state: ClientsState;
  /** Frames for each connection that the test has not taken yet. */
  readonly delivered: { readonly connection: number; readonly fields: FieldList }[] = [];
  readonly closed: number[] = [];
  readonly effects: ClientsEffect[] = [];
  readonly logged: string[] = [];
  nowMs = 1_000;
  #seq = 1;

  constructor(config: ClientsConfig = recordedConfig()) {
    this.state = createClients(config);
    for (const { name } of config.nodes) {
      const ping = name.includes('.');
      const fields =
        name === 'node2' || name === 'node1'
          ? compose([field('t', 'status')], this.#sender(name), noDirectory, 1, 1, '-')
          : [field('t', 'NS_st')];
      this.feed({
        type: 'node-status',
        node: name,
        nodeType: ping ? 'ping' : 'normal',
        status: ping ? 'ping' : 'active',
        previous: 'up',
        fields,
      });
      for (const link of ping ? [name] : ['eth0', 'eth1'])
        this.feed({ type: 'link-status', node: name, link: linkName(link), status: 'up' });
    }
  }

  /** A connection; `signOn` follows as a frame. */
  connect(connection: number, uid: number, gid: number, pid = 5_000 + connection): void {
    this.feed({ type: 'connected', connection, credentials: { pid, uid, gid } });
  }

  /** Connects and signs on; a casual client without an id. */
  signOn(connection: number, id: string | null, uid = 0, gid = 0): void {
    const pid = 5_000 + connection;
    this.connect(connection, uid, gid, pid);
    this.request(connection, 'signon', { from_id: id ?? String(pid), uid: String(uid), gid: String(gid) });
  }

  request(connection: number, type: string, fields: Readonly<Record<string, string>> = {}): void {
    const id = this.state.connections.get(connection)?.client?.id;
    const all = { pid: String(5_000 + connection), ...(id === undefined ? {} : { from_id: id }), ...fields };
    this.frame(connection, { t: 'hbapi-req', reqtype: type, dest: 'node1', ...all });
  }

  frame(connection: number, fields: Readonly<Record<string, string>>): void {
    this.feed({
      type: 'frame',
      connection,
      fields: Object.entries(fields).map(([name, value]) => field(name, value)),
    });
  }

  feed(input: ClientsInput): void {
    for (const effect of step(this.state, input, this.nowMs)) {
      this.effects.push(effect);
      if (effect.type === 'deliver') this.delivered.push(effect);
      if (effect.type === 'close') this.closed.push(effect.connection);
      if (effect.type === 'log') this.logged.push(`${effect.severity}: ${effect.text}`);
      if (effect.type === 'send') this.#loopBack(effect.fields);
    }
  }

  /** What a connection was sent since the last call, as `name=value` texts. */
  take(connection: number): string[] {
    const frames = this.delivered.filter((entry) => entry.connection === connection);
    this.delivered.splice(
      0,
      this.delivered.length,
      ...this.delivered.filter((entry) => entry.connection !== connection),
    );
    return frames.map(({ fields }) => asText(fields));
  }

  /** Own messages come back at once, unless they are for another node. */
  #loopBack(own: FieldList): void {
    const self = this.state.config.self;
    const fields = compose(own, this.#sender(self), noDirectory, this.#seq++, 1, '-');
    const dest = getString(fields, 'dest');
    if (dest === undefined || dest === self) this.feed({ type: 'message', from: self, own: true, fields });
  }

  #sender(name: string): Parameters<typeof compose>[1] {
    return { name, uuid: name === 'node2' ? uuids.node2 : uuids.node1, generation: 7, ttl: 4, memo: new FieldMemo() };
  }
}

const noDirectory = {
  uuidOf: (name: string): Uint8Array | null => (name === 'node1' || name === 'node2' ? uuids[name] : null),
  nameOf: (): null => null,
};

export function asText(fields: FieldList): string {
  return fields.map((entry) => (entry[1] === 0 ? `${entry[0]}=${entry[2]}` : `(${entry[1]})${entry[0]}`)).join(' ');
}
