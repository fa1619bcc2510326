import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { Fifo, Inbox, type Lane, mailboxLimits, makeLane } from './mailbox.ts';
import { type LaneEnd, type MailboxOptions, TALLY, type Tagged } from './protocol.ts';
import { Outbox } from './ref.ts';

interface Numbered extends Tagged {
  readonly n: number;
}

const open: Wire[] = [];
afterEach(() => {
  for (const wire of open.splice(0)) wire.end();
});

/** Both ends of casts in one thread; the receiver handles a message only when the test says so. */
class Wire {
  readonly tally = new Int32Array(TALLY.length);
  readonly outbox: Outbox;
  readonly arrived: number[] = [];
  readonly #options: MailboxOptions;
  readonly #unhandled: Lane[] = [];
  readonly #inbox: Inbox;
  #wake = (): void => undefined;

  constructor(options: MailboxOptions) {
    this.#options = options;
    this.outbox = new Outbox('receiver', options, this.tally);
    this.#inbox = new Inbox((lane, message) => {
      this.arrived.push((message as Numbered).n);
      this.#unhandled.push(lane);
      this.#wake();
    });
    open.push(this);
  }

  /** A new incarnation of the receiver comes up. */
  connect(): this {
    const lane = makeLane(mailboxLimits(this.#options).capacity);
    const { port1, port2 } = new MessageChannel();
    const sender: LaneEnd = { port: port1, lane };
    this.#inbox.accept({ from: 'sender', port: port2, lane });
    this.outbox.connect(sender);
    return this;
  }

  cast(n: number, type = 'status'): boolean {
    const message: Numbered = { type, n };
    return this.outbox.cast(message);
  }

  /** Waits until so many have arrived in all. */
  async arrivals(count: number): Promise<readonly number[]> {
    while (this.arrived.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.arrived;
  }

  /** The receiver handles all that has arrived. */
  handleAll(): void {
    for (const lane of this.#unhandled.splice(0)) lane.done();
  }

  counts(): object {
    const { dropped, refused, lost, held } = TALLY;
    return {
      dropped: this.tally[dropped],
      refused: this.tally[refused],
      lost: this.tally[lost],
      held: this.tally[held],
    };
  }

  end(): void {
    this.outbox.connect(null);
    this.#inbox.close();
  }
}

describe('a lane', () => {
  it('lets no more than its capacity be on its way, and goes on when there is room', async () => {
    const wire = new Wire({ capacity: 4, held: 100 }).connect();
    for (let n = 0; n < 20; n += 1) expect(wire.cast(n)).toBe(true);
    expect(await wire.arrivals(4)).toEqual([0, 1, 2, 3]);
    expect(wire.counts()).toMatchObject({ held: 16, dropped: 0 });
    for (let count = 8; count <= 20; count += 4) {
      wire.handleAll();
      await wire.arrivals(count);
    }
    expect(wire.arrived).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(wire.counts()).toEqual({ held: 0, dropped: 0, refused: 0, lost: 0 });
  });

  it('holds messages for a receiver that is down, and delivers them first when it comes', async () => {
    const wire = new Wire({ capacity: 10, held: 10 });
    expect(wire.outbox.up).toBe(false);
    wire.cast(1);
    wire.cast(2);
    wire.connect();
    wire.cast(3);
    expect(await wire.arrivals(3)).toEqual([1, 2, 3]);
  });

  it('counts as lost what was on its way to a receiver that went down', async () => {
    const wire = new Wire({ capacity: 10 }).connect();
    wire.cast(1);
    wire.cast(2);
    await wire.arrivals(2);
    wire.outbox.connect(null);
    expect(wire.counts()).toMatchObject({ lost: 2 });
    expect(wire.outbox.up).toBe(false);
  });

  it('does not lose room to a message that cannot be cloned', async () => {
    const wire = new Wire({ capacity: 1, held: 0 }).connect();
    const broken = { type: 'status', callback: (): void => undefined };
    expect(() => wire.outbox.cast(broken)).toThrow(/could not be cloned/);
    expect(wire.cast(1)).toBe(true);
    expect(await wire.arrivals(1)).toEqual([1]);
  });
});

describe('the overflow policy', () => {
  it('drop-oldest gives up the oldest waiting message of such a type', async () => {
    const wire = new Wire({ capacity: 10, held: 3, overflow: { control: 'fail' } });
    wire.cast(0, 'control');
    for (let n = 1; n <= 5; n += 1) expect(wire.cast(n)).toBe(true);
    wire.connect();
    expect(await wire.arrivals(3)).toEqual([0, 4, 5]);
    expect(wire.counts()).toMatchObject({ dropped: 3 });
  });

  it('drop-newest gives up the message itself', async () => {
    const wire = new Wire({ capacity: 10, held: 2, otherwise: 'drop-newest' });
    expect([1, 2, 3, 4].map((n) => wire.cast(n))).toEqual([true, true, false, false]);
    wire.connect();
    expect(await wire.arrivals(2)).toEqual([1, 2]);
    expect(wire.counts()).toMatchObject({ dropped: 2 });
  });

  it('fail throws', () => {
    const wire = new Wire({ held: 1, overflow: { control: 'fail' } });
    wire.cast(1, 'control');
    expect(() => wire.cast(2, 'control')).toThrow(expect.objectContaining({ code: 'HB_ACTOR_MAILBOX_FULL' }));
    expect(wire.counts()).toMatchObject({ refused: 1, dropped: 0, held: 1 });
  });

  it('drop-oldest finds nothing to give up with held 0', () => {
    const wire = new Wire({ held: 0 });
    expect(wire.cast(1)).toBe(false);
    expect(wire.counts()).toMatchObject({ dropped: 1 });
  });

  it.each([{ capacity: 0 }, { capacity: 1.5 }, { held: -1 }, { held: 2_000_000 }])('%o is out of range', (options) => {
    expect(() => mailboxLimits(options)).toThrow(expect.objectContaining({ code: 'HB_ACTOR_SPEC' }));
  });
});

describe('Fifo', () => {
  it('gives items in order, however it is filled and emptied', () => {
    const fifo = new Fifo<number>();
    const given: number[] = [];
    for (let n = 0; n < 1000; n += 1) {
      fifo.push(n);
      if (n % 3 === 0) given.push(fifo.shift() ?? -1);
    }
    expect(fifo.length).toBe(1000 - given.length);
    while (fifo.length > 0) given.push(fifo.shift() ?? -1);
    expect(given).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(fifo.shift()).toBeUndefined();
  });

  it('takes out the first that fits', () => {
    const fifo = new Fifo<number>();
    for (const n of [1, 2, 3, 4]) fifo.push(n);
    expect(fifo.removeFirst((n) => n % 2 === 0)).toBe(2);
    expect(fifo.removeFirst((n) => n === 1)).toBe(1);
    expect(fifo.removeFirst((n) => n === 9)).toBeUndefined();
    expect([fifo.shift(), fifo.shift(), fifo.length]).toEqual([3, 4, 0]);
  });
});
