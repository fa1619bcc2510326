/**
 * A client of the node: questions, events, messages, and coming back after the daemon was restarted.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientError } from '../../runtime/errors.ts';
import { type Field, type FieldList, field, getString } from '../../runtime/message/message.ts';
import { Connection, type NodeFacts, timedOut } from './connection.ts';
import {
  type ClientEvent,
  type ClusterMessage,
  type NodeStatus,
  parseNodeStatus,
  type ResourceStatus,
  readEvent,
} from './events.core.ts';
import { Stream } from './stream.ts';

/** Where Heartbeat and Systole listen by default. */
const defaultPath = '/run/heartbeat/register';
const defaultRequestMs = 5_000;
const defaultWaitMs = 10_000;
/** Between two tries to reach a daemon that is not there [ms]. */
const retryMs = 250;

export interface ConnectOptions {
  /** The client's name (1 to 31 characters, no blanks), which `apiauth` must allow. Without one you may ask and listen, but not send. */
  readonly name?: string;
  /** The daemon's socket: `register` in its run directory. Default: `SYSTOLE_CLIENT_SOCKET`, else /run/heartbeat/register. */
  readonly path?: string;
  /** How long to wait for a node that is not up yet [ms, >= 0; default 10 000; Infinity: for ever]. */
  readonly waitMs?: number;
  /** Come back by yourself when the daemon was restarted (default true). Without it the event streams end with the connection. */
  readonly reconnect?: boolean;
  /** How long one question may take [ms, > 0; default 5 000]. */
  readonly requestMs?: number;
}

export interface NodeInfo {
  readonly name: string;
  readonly type: 'normal' | 'ping';
  readonly status: NodeStatus;
}

export interface LinkInfo {
  readonly name: string;
  readonly status: 'up' | 'dead';
}

/** A message to the cluster. */
export interface OutgoingMessage {
  /** What kind of message it is: a word of your own. */
  readonly type: string;
  /** A node's name; left out: all nodes, our own included. */
  readonly to?: string;
  /** Named texts; no NUL in them. `from_id`, `src` and the like are set by the daemon. */
  readonly fields?: Readonly<Record<string, string>>;
}

/**
 * Connects to the node on this machine.
 *
 * ```ts
 * await using client = await connect({ name: 'my-plugin' });
 * for await (const event of client.events())
 *   if (event.type === 'node' && event.status === 'dead') console.log(`${event.node} is dead`);
 * ```
 *
 * Rejects with ClientError: HB_CLIENT_REFUSED when the node does not let us in, HB_CLIENT_GONE when there was none within `waitMs`.
 */
export async function connect(options: ConnectOptions = {}): Promise<Client> {
  const client = new Client(options);
  await client.start();
  return client;
}

export class Client implements AsyncDisposable {
  readonly #options: ConnectOptions;
  readonly #stream = new Stream<ClientEvent>();
  readonly #closing = new AbortController();
  #connection: Connection | null = null;
  #lastStatusQuestion: Promise<unknown> = Promise.resolve();
  #facts: NodeFacts = { node: '', deadtimeMs: 0, keepaliveMs: 0, version: '' };

  /** Use {@link connect}. */
  constructor(options: ConnectOptions) {
    this.#options = options;
  }

  /** Called by {@link connect}. */
  async start(): Promise<void> {
    await this.#open(performance.now() + (this.#options.waitMs ?? defaultWaitMs));
  }

  /** Our own node, and what it said at the sign-on. */
  get facts(): NodeFacts {
    return this.#facts;
  }

  get connected(): boolean {
    return this.#connection !== null;
  }

  /** Events that a reader of ours was too slow for. */
  get missed(): number {
    return this.#stream.dropped;
  }

  /** Everything that happens from now on. Any number of loops may read; each gets all of it. It ends with {@link close}. */
  events(): AsyncGenerator<ClientEvent, void> {
    return this.#stream.read((event) => event);
  }

  /** Cluster messages from now on: of one type, or all. */
  messages(type?: string): AsyncGenerator<ClusterMessage, void> {
    return this.#stream.read((event) =>
      event.type === 'message' && (type === undefined || event.message.type === type) ? event.message : null,
    );
  }

  /** All nodes in the order of ha.cf, ping nodes included. */
  async nodes(): Promise<readonly NodeInfo[]> {
    return (await this.#ask('nodelist')).map((frame) => ({
      name: getString(frame, 'node') ?? '',
      type: getString(frame, 'nodetype') === 'ping' ? 'ping' : 'normal',
      status: parseNodeStatus(getString(frame, 'st')) ?? 'init',
    }));
  }

  /** The links to a node. Rejects for an unknown one. */
  async links(node: string): Promise<readonly LinkInfo[]> {
    return (await this.#ask('iflist', [field('node', node)])).map((frame) => ({
      name: getString(frame, 'ifname') ?? '',
      status: getString(frame, 'st') === 'up' ? 'up' : 'dead',
    }));
  }

  /** What this node holds. Rejects in a cluster whose resources Pacemaker manages. */
  async resources(): Promise<ResourceStatus> {
    const [frame] = await this.#ask('getrsc');
    const word = frame === undefined ? undefined : getString(frame, 'rsc_hold');
    const known = (['none', 'local', 'foreign', 'all', 'transition'] as const).find((status) => status === word);
    if (known === undefined) throw new ClientError('HB_CLIENT_REQUEST', `no resource status: ${word ?? ''}`, {});
    return known;
  }

  /** A directive of ha.cf as written there; null when it has no value. */
  async parameter(name: string): Promise<string | null> {
    const [frame] = await this.#ask('getparm', [field('pname', name)]);
    return (frame === undefined ? undefined : getString(frame, 'pvalue')) ?? null;
  }

  /** Whether a client of that name is signed on at a node. Rejects for an unknown node, and when that node does not answer in time. */
  isOnline(node: string, client: string): Promise<boolean> {
    // One such question after the other: an answer of our own node does not say to which of several it belongs.
    const asked = this.#lastStatusQuestion.then(() => this.#askStatus(node, client));
    this.#lastStatusQuestion = asked.catch(() => undefined);
    return asked;
  }

  /**
   * Sends a message to clients of our name on one node or on all (then we get it too). There is no acknowledgement: it arrives once and in
   * order where a client listens, or nowhere.
   *
   * Throws ClientError HB_CLIENT_GONE while there is no connection, CodecError for texts that no message can carry.
   */
  send(message: OutgoingMessage): void {
    const connection = this.#connection;
    if (connection === null) throw this.#gone();
    if (this.#options.name === undefined)
      throw new ClientError('HB_CLIENT_REQUEST', 'a client without a name may not send: connect with a name', {});
    const fields = Object.entries(message.fields ?? {}).map(([name, value]) => field(name, value));
    const dest = message.to === undefined ? [] : [field('dest', message.to)];
    connection.send([field('t', message.type), ...fields, ...dest]);
  }

  /**
   * Asks the nodes to move resources, as ipfail does: this node gives up all groups, or those that prefer the other node.
   * Nothing follows when the resources are in transition.
   */
  giveUp(set: 'all' | 'foreign' | 'local'): void {
    this.send({ type: 'ask_resources', fields: { rsc_hold: set, info: 'me' } });
  }

  /** Signs off and ends all event streams. May be called again. */
  close(): void {
    this.#closing.abort();
    const connection = this.#connection;
    this.#connection = null;
    connection?.close();
    this.#stream.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #askStatus(node: string, client: string): Promise<boolean> {
    // Another node answers with a message of its own, however many questions of ours it gets.
    const isAnswer = (frame: FieldList): boolean =>
      getString(frame, 't') === 'respond-cstatus' &&
      getString(frame, 'cn') === client &&
      getString(frame, 'src') === node.toLowerCase();
    const [frame] = await this.#ask('clientstatus', [field('node', node), field('cn', client)], isAnswer);
    return frame !== undefined && getString(frame, 'cs') === 'online';
  }

  async #open(untilMs: number): Promise<void> {
    const { name = null, requestMs = defaultRequestMs } = this.#options;
    const path = this.#options.path ?? process.env.SYSTOLE_CLIENT_SOCKET ?? defaultPath;
    for (;;) {
      const opening: { connection: Connection | null } = { connection: null };
      try {
        const { connection, facts } = await Connection.open({
          path,
          name,
          requestMs,
          onFrame: (frame) => this.#onFrame(frame),
          onEnd: () => {
            if (opening.connection !== null) this.#onEnd(opening.connection);
          },
        });
        if (this.#closing.signal.aborted) {
          connection.close();
          return;
        }
        opening.connection = connection;
        this.#connection = connection;
        this.#facts = facts;
        this.#stream.publish({ type: 'connected', node: facts.node });
        return;
      } catch (error) {
        if (!isPassing(error) || performance.now() + retryMs > untilMs) throw error;
      }
      await sleep(retryMs, undefined, { signal: this.#closing.signal });
    }
  }

  #onFrame(frame: FieldList): void {
    const event = readEvent(frame);
    if (event !== null) this.#stream.publish(event);
  }

  #onEnd(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#stream.publish({ type: 'disconnected' });
    if (this.#options.reconnect === false) {
      this.#stream.end();
      return;
    }
    // It ends by success, by `close`, or because the node does not want us any more: then the streams end.
    this.#open(Number.POSITIVE_INFINITY).catch(() => this.#stream.end());
  }

  async #ask(
    type: string,
    data: readonly Field[] = [],
    isAnswer?: (frame: FieldList) => boolean,
  ): Promise<readonly FieldList[]> {
    if (this.#connection === null) throw this.#gone();
    return await this.#connection.request(type, data, isAnswer);
  }

  #gone(): ClientError {
    return new ClientError('HB_CLIENT_GONE', 'there is no connection to the node at present', {
      reason: 'not connected',
    });
  }
}

/**
 * Whether trying again may help: the daemon is not there yet, it ended or was too busy while we signed on, or it has not noticed yet that our
 * last connection is gone.
 */
function isPassing(error: unknown): boolean {
  if (!(error instanceof ClientError)) return false;
  const { reason } = error.details;
  return error.code === 'HB_CLIENT_GONE'
    ? reason !== 'EACCES'
    : reason === 'duplicate add request' || reason === timedOut;
}
