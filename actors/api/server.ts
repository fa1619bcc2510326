/**
 * The sockets of the client API: connections, frames, queues. What the frames mean is the business of clients.core.ts.
 */
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { FieldList } from '../../runtime/message/message.ts';
import type { Credentials } from './authorization.core.ts';
import { peerCredentials } from './credentials.ts';
import { encodeFrame, FrameReader } from './framing.ts';

/** Messages that may wait behind a client's full socket buffer (`set_sendqlen` changes it). */
const defaultQueueLength = 64;
/** Beyond this a client cannot raise its queue [messages]. */
const longestQueue = 4_096;
/** Bytes that may wait for one client, however few messages they are. */
const maxQueueBytes = 4 * 1024 * 1024;
/** Connections at the same time; fewer where the process may open few files, since media and logs need descriptors too. */
const maxConnections = 2_048;
/** Connections of one user that is not root: one user cannot keep all others out. */
const maxConnectionsPerUser = 512;
/** A connection that does not sign on is closed after this [ms]. */
const signOnPatienceMs = 60_000;
/** Frames of one connection that are taken before the others have their turn. */
const framesPerTurn = 16;
/**
 * How long nothing is read from a client that does not read what it has caused [ms]. Then it is, as by the original: if it goes on sending, its
 * queue overflows, and it is disconnected; if it waits for us to read first, it has got what it waits for.
 */
const backlogPatienceMs = 5_000;
/** Connections that wait to be accepted: so many programs may start at the same moment. The kernel has a limit of its own (somaxconn). */
const acceptQueue = 4_096;

/** What the server tells its owner. All of them are called from the event loop, not from within the server's methods. */
export interface ClientServerEvents {
  connected(connection: number, credentials: Credentials): void;
  frame(connection: number, fields: FieldList): void;
  unreadable(connection: number): void;
  /** The connection ended, by the client or because it did not read. */
  disconnected(connection: number, info: string): void;
  /** A connection that was closed for what it is or sent. @param uid of its user; -1 when it was not looked at */
  refused(uid: number, text: string): void;
  /** The listening socket failed: nobody can connect any more. */
  failed(error: Error): void;
}

interface Connection {
  readonly id: number;
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly credentials: Credentials;
  signedOn: boolean;
  queueLength: number;
  /** Bytes given to the socket so far. */
  writtenBytes: number;
  /** End of each frame that the kernel has not taken, counted as `writtenBytes`. */
  waiting: number[];
  /** Nothing more is read from it. */
  closing: boolean;
  /** It has had its turn: the rest of its frames come when others have had theirs. */
  deferred: boolean;
  /** Messages wait behind its socket, and nothing is read from it until they have gone or its patience has. */
  backlog: NodeJS.Timeout | null;
  /** Its patience has gone: no new one begins until its messages have gone. */
  pressed: boolean;
  patience: NodeJS.Timeout | null;
}

export class ClientServer {
  readonly #events: ClientServerEvents;
  readonly #msgFmt: 'classic' | 'netstring';
  readonly #connections = new Map<number, Connection>();
  readonly #perUser = new Map<number, number>();
  #server: Server | null = null;
  #latest: { readonly fields: FieldList; readonly bytes: Uint8Array } | null = null;
  #nextId = 1;
  #paused = false;

  constructor(msgFmt: 'classic' | 'netstring', events: ClientServerEvents) {
    this.#msgFmt = msgFmt;
    this.#events = events;
  }

  get listening(): boolean {
    return this.#server !== null;
  }

  /** Opens the socket for everybody: the directory around it, and `apiauth`, decide who gets in. Rejects when it cannot be made. */
  async listen(path: string): Promise<void> {
    if (this.#server !== null) return;
    rmSync(path, { force: true });
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    server.maxConnections = Math.min(maxConnections, Math.floor(descriptorLimit() / 2));
    server.on('drop', () => this.#events.refused(-1, 'too many client connections: one was refused'));
    const listening = Promise.withResolvers<void>();
    server.once('error', listening.reject);
    server.listen({ path, backlog: acceptQueue }, listening.resolve);
    await listening.promise;
    server.removeListener('error', listening.reject);
    server.on('error', (error) => this.#events.failed(error));
    chmodSync(path, 0o777);
  }

  /** Sends one frame. A client that does not read its messages is disconnected when too many wait. */
  deliver(id: number, fields: FieldList): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || !connection.socket.writable) return;
    if (!connection.signedOn) this.#settle(connection);
    this.#deliverBytes(connection, this.#encode(fields));
  }

  /** News go to all clients one after the other: they are encoded once. */
  #encode(fields: FieldList): Uint8Array {
    if (this.#latest?.fields !== fields) this.#latest = { fields, bytes: encodeFrame(fields, this.#msgFmt) };
    return this.#latest.bytes;
  }

  setQueueLength(id: number, messages: number): void {
    const connection = this.#connections.get(id);
    if (connection !== undefined) connection.queueLength = Math.min(messages, longestQueue);
  }

  /** Lets what was sent arrive, then closes. */
  close(id: number): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    connection.closing = true;
    this.#forget(connection);
    connection.socket.end();
    // One that does not read its last words would keep the socket open for ever.
    const timer = setTimeout(() => connection.socket.destroy(), 1_000);
    connection.socket.once('close', () => clearTimeout(timer));
    connection.socket.resume();
  }

  /** Signed-on clients have to wait with what they send, or may go on. Who signs on meanwhile is served. */
  pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    for (const connection of [...this.#connections.values()]) {
      if (paused && connection.signedOn) connection.socket.pause();
      if (!paused) this.#read(connection);
    }
  }

  /** Messages that wait for a client that does not read; 0 for one that is gone. */
  queued(id: number): number {
    const connection = this.#connections.get(id);
    return connection === undefined ? 0 : this.#waitingOf(connection);
  }

  /** Closes everything at once: clients see the end of their connection. */
  async shutdown(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const connection of [...this.#connections.values()]) this.close(connection.id);
    if (server === null) return;
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    await closed.promise;
  }

  #accept(socket: Socket): void {
    // A client that goes away in the middle is told by `close`.
    socket.on('error', () => socket.destroy());
    const credentials = peerCredentials(socket);
    if (credentials === null) {
      socket.destroy();
      return;
    }
    const { uid } = credentials;
    const count = (this.#perUser.get(uid) ?? 0) + 1;
    if (uid !== 0 && count > maxConnectionsPerUser) {
      this.#events.refused(uid, `user ${uid} has ${maxConnectionsPerUser} client connections: one more was refused`);
      socket.destroy();
      return;
    }
    this.#perUser.set(uid, count);
    const id = this.#nextId++;
    const connection: Connection = {
      id,
      socket,
      reader: new FrameReader(),
      credentials,
      signedOn: false,
      queueLength: defaultQueueLength,
      writtenBytes: 0,
      waiting: [],
      closing: false,
      deferred: false,
      backlog: null,
      pressed: false,
      patience: setTimeout(() => this.#drop(connection, 'no sign-on in time'), signOnPatienceMs),
    };
    this.#connections.set(id, connection);
    socket.on('data', (chunk) => {
      if (connection.closing || typeof chunk === 'string') return;
      connection.reader.push(chunk);
      this.#read(connection);
    });
    socket.once('close', () => {
      if (this.#connections.has(id)) this.#drop(connection, 'EOF');
    });
    this.#events.connected(id, credentials);
  }

  #mayRead({ closing, deferred, backlog, signedOn }: Connection): boolean {
    return !closing && !deferred && !(signedOn && (this.#paused || backlog !== null));
  }

  #read(connection: Connection): void {
    const { id, reader, socket } = connection;
    for (let taken = 0; this.#mayRead(connection); taken++) {
      if (taken === framesPerTurn) {
        connection.deferred = true;
        socket.pause();
        setImmediate(() => {
          connection.deferred = false;
          this.#read(connection);
        });
        return;
      }
      const frame = reader.next();
      if (frame === null) {
        if (socket.isPaused()) socket.resume();
        return;
      }
      switch (frame.type) {
        case 'message':
          this.#events.frame(id, frame.fields);
          break;
        case 'unreadable':
          this.#events.unreadable(id);
          break;
        case 'broken':
          this.#events.refused(
            connection.credentials.uid,
            `client ${connection.credentials.pid}: ${frame.reason}: disconnected`,
          );
          this.#drop(connection, 'EOF');
          return;
      }
    }
  }

  /** Its first answer: from now on it is a client. */
  #settle(connection: Connection): void {
    connection.signedOn = true;
    if (connection.patience !== null) clearTimeout(connection.patience);
    connection.patience = null;
    if (this.#paused) connection.socket.pause();
  }

  #deliverBytes(connection: Connection, bytes: Uint8Array): void {
    const { socket } = connection;
    const waiting = this.#waitingOf(connection);
    if (waiting >= connection.queueLength || socket.writableLength > maxQueueBytes) {
      const { queueLength } = connection;
      this.#drop(
        connection,
        `send failed,farside_pid=${connection.credentials.pid}, sendq length=${waiting}(max is ${queueLength})`,
      );
      return;
    }
    connection.writtenBytes += bytes.length;
    socket.write(bytes, () => {
      if (socket.writableLength === 0) this.#relieve(connection);
    });
    if (socket.writableLength === 0) return;
    connection.waiting.push(connection.writtenBytes);
    this.#hold(connection);
  }

  /** It does not keep up with what it gets: what it sends would only bring it more. */
  #hold(connection: Connection): void {
    if (connection.backlog !== null || connection.pressed) return;
    connection.socket.pause();
    connection.backlog = setTimeout(() => {
      connection.backlog = null;
      connection.pressed = true;
      this.#read(connection);
    }, backlogPatienceMs);
  }

  #relieve(connection: Connection): void {
    connection.pressed = false;
    if (connection.backlog === null) return;
    clearTimeout(connection.backlog);
    connection.backlog = null;
    this.#read(connection);
  }

  #waitingOf(connection: Connection): number {
    const takenBytes = connection.writtenBytes - connection.socket.writableLength;
    const { waiting } = connection;
    let done = 0;
    while ((waiting[done] ?? Number.POSITIVE_INFINITY) <= takenBytes) done++;
    if (done > 0) waiting.splice(0, done);
    return waiting.length;
  }

  #drop(connection: Connection, info: string): void {
    if (!this.#connections.has(connection.id)) return;
    connection.closing = true;
    this.#forget(connection);
    connection.socket.destroy();
    this.#events.disconnected(connection.id, info);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection.id);
    if (connection.patience !== null) clearTimeout(connection.patience);
    if (connection.backlog !== null) clearTimeout(connection.backlog);
    const { uid } = connection.credentials;
    const count = (this.#perUser.get(uid) ?? 1) - 1;
    if (count === 0) this.#perUser.delete(uid);
    else this.#perUser.set(uid, count);
  }
}

/** How many files this process may have open. */
function descriptorLimit(): number {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
  return soft === undefined ? 1_024 : Number(soft);
}
