/**
 * One connection to the daemon: sign-on, requests with their answers in order, and everything else as frames.
 */
import { createConnection, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../actors/api/framing.ts';
import { ClientError } from '../../runtime/errors.ts';
import { type Field, type FieldList, field, getHex, getString } from '../../runtime/message/message.ts';

/** What the daemon says of itself at the sign-on. */
export interface NodeFacts {
  /** Our own node. */
  readonly node: string;
  /** [ms] */
  readonly deadtimeMs: number;
  /** [ms] */
  readonly keepaliveMs: number;
  /** `3.0.6 (node: …)`: the release whose interface it speaks. */
  readonly version: string;
}

export interface ConnectionOptions {
  readonly path: string;
  /** Null: a casual client, which may ask and listen only. */
  readonly name: string | null;
  /** For the sign-on and for each request [ms, > 0]. */
  readonly requestMs: number;
  /** Every frame that is no answer. */
  onFrame(frame: FieldList): void;
  /** The connection has ended; called once, and not when the sign-on failed. */
  onEnd(): void;
}

/** `details.reason` of a request that got no answer in time. */
export const timedOut = 'timeout';

/** How long the daemon has to close a connection that we have signed off [ms]; a hung one must not keep our process. */
const farewellMs = 1_000;

interface Pending {
  /** Its `reqtype`, which the answer repeats. */
  readonly type: string;
  /** For a question whose answer is an ordinary message. */
  readonly isAnswer: ((frame: FieldList) => boolean) | null;
  readonly frames: FieldList[];
  readonly timer: NodeJS.Timeout;
  resolve(frames: readonly FieldList[]): void;
  reject(error: ClientError): void;
}

const isResponse = (frame: FieldList): boolean => getString(frame, 't') === 'hbapi-resp';

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #pending: Pending[] = [];
  readonly #id: string;
  #ended = false;
  #dest: string;

  private constructor(options: ConnectionOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#id = options.name ?? String(process.pid);
    this.#dest = '';
    const reader = new FrameReader();
    socket.on('data', (chunk) => {
      if (typeof chunk === 'string') return;
      reader.push(chunk);
      for (let frame = reader.next(); frame !== null; frame = reader.next()) {
        if (frame.type === 'message') this.#onFrame(frame.fields);
        else if (frame.type === 'broken') socket.destroy();
      }
    });
    // Its `close` is the event that counts.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#fail());
  }

  /** Connects and signs on. Rejects with ClientError HB_CLIENT_GONE when nobody answers, HB_CLIENT_REFUSED when we are not let in. */
  static async open(
    options: ConnectionOptions,
  ): Promise<{ readonly connection: Connection; readonly facts: NodeFacts }> {
    const { path } = options;
    const socket = createConnection(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(notRunning(path, error)));
    });
    const connection = new Connection(options, socket);
    try {
      const answer = await connection.#signOn();
      return { connection, facts: answer };
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Asks, and resolves with all frames of the answer.
   *
   * Rejects with ClientError HB_CLIENT_REQUEST when it is refused or nothing comes in time, HB_CLIENT_GONE when the connection ends.
   */
  async request(
    type: string,
    data: readonly Field[] = [],
    isAnswer: ((frame: FieldList) => boolean) | null = null,
  ): Promise<readonly FieldList[]> {
    const frames = await this.#ask(type, data, isAnswer);
    const last = frames.at(-1);
    if (last !== undefined && getString(last, 'result') === 'badreq') throw refusedRequest(type, last);
    return frames;
  }

  /** Sends a message to the cluster; named clients only. */
  send(fields: FieldList): void {
    if (this.#ended) throw gone(this.#options.path);
    this.#socket.write(encodeFrame(fields, 'classic'));
  }

  /** Signs off: the daemon closes the connection. */
  close(): void {
    if (this.#ended) return;
    this.#socket.end(encodeFrame(this.#envelope('signoff'), 'classic'));
    const timer = setTimeout(() => this.#socket.destroy(), farewellMs);
    this.#socket.once('close', () => clearTimeout(timer));
    this.#fail();
  }

  async #signOn(): Promise<NodeFacts> {
    const ids = [field('uid', String(process.geteuid?.() ?? 0)), field('gid', String(process.getegid?.() ?? 0))];
    const [answer] = await this.#ask('signon', ids, null);
    const node = answer === undefined ? undefined : getString(answer, 'node');
    if (answer === undefined || node === undefined || getString(answer, 'result') !== 'OK') {
      const reason = (answer === undefined ? undefined : getString(answer, 'info')) ?? 'no reason given';
      const who = this.#options.name ?? 'a casual client';
      throw new ClientError(
        'HB_CLIENT_REFUSED',
        `the node does not let ${who} sign on: ${reason}${this.#hint(reason)}`,
        {
          path: this.#options.path,
          reason,
        },
      );
    }
    this.#dest = node;
    return {
      node,
      deadtimeMs: getHex(answer, 'deadtime') ?? 0,
      keepaliveMs: getHex(answer, 'keepalive') ?? 0,
      version: getString(answer, 'hbversion') ?? '',
    };
  }

  /** What to do about a refusal, where something can be done. */
  #hint(reason: string): string {
    const entry = `apiauth ${this.#options.name ?? 'anon'} uid=${process.geteuid?.() ?? 0}`;
    switch (reason) {
      case 'no default client auth':
      case 'apiauth anon missing':
      case 'client failed authorization':
        return `: ha.cf must let it in, for example by \`${entry}\`, on every node, from its next start on`;
      case 'duplicate add request':
        return ': another program of this node uses that name';
      default:
        return '';
    }
  }

  #envelope(type: string): FieldList {
    return [
      field('t', 'hbapi-req'),
      field('reqtype', type),
      field('dest', this.#dest),
      field('pid', String(process.pid)),
      field('from_id', this.#id),
    ];
  }

  #ask(type: string, data: FieldList, isAnswer: Pending['isAnswer']): Promise<readonly FieldList[]> {
    const { path, requestMs } = this.#options;
    if (this.#ended) return Promise.reject(gone(path));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // A late answer finds its place still there, so that it is not taken for that of a later request. One that another node gives may
        // never come.
        if (isAnswer !== null) this.#pending.splice(this.#pending.indexOf(pending), 1);
        reject(new ClientError('HB_CLIENT_REQUEST', `no answer to ${type} in time`, { path, reason: timedOut }));
      }, requestMs);
      const pending: Pending = { type, isAnswer, frames: [], timer, resolve, reject };
      this.#pending.push(pending);
      this.#socket.write(encodeFrame([...this.#envelope(type), ...data], 'classic'));
    });
  }

  #onFrame(frame: FieldList): void {
    const type = isResponse(frame) ? (getString(frame, 'reqtype') ?? '') : null;
    // A response answers any question of its type, also one whose answer would come from another node: then it is a refusal.
    const pending = this.#pending.find((one) => (type === null ? one.isAnswer?.(frame) === true : one.type === type));
    if (pending === undefined) {
      if (type === null) this.#options.onFrame(frame);
      return;
    }
    pending.frames.push(frame);
    if (getString(frame, 'result') === 'ok/more') return;
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    clearTimeout(pending.timer);
    pending.resolve(pending.frames);
  }

  #fail(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const pending of this.#pending.splice(0)) {
      clearTimeout(pending.timer);
      pending.reject(gone(this.#options.path));
    }
    this.#options.onEnd();
  }
}

function notRunning(path: string, error: Error): ClientError {
  const code = 'code' in error ? String(error.code) : '';
  const why =
    code === 'EACCES'
      ? 'this user may not open it: be root or of the group haclient'
      : 'nobody listens: is the node running, and is communication up?';
  return new ClientError(
    'HB_CLIENT_GONE',
    `cannot connect to ${path}: ${why}`,
    { path, reason: code },
    { cause: error },
  );
}

function gone(path: string): ClientError {
  return new ClientError('HB_CLIENT_GONE', `the connection to ${path} has ended: the node has stopped`, {
    path,
    reason: 'EOF',
  });
}

function refusedRequest(type: string, frame: FieldList): ClientError {
  const reason = getString(frame, 'info') ?? 'badreq';
  return new ClientError('HB_CLIENT_REQUEST', `the node refused ${type}: ${reason}`, { reason });
}
