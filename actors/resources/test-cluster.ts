/**
 * Two resource cores in a simulated cluster: membership, network and engine are small models with seeded faults.
 *
 * The network keeps each direction's order and loses nothing while it is up (that is what membership's retransmission gives). A direction
 * that is cut holds its messages; when the receiver declares the sender dead they are lost for good.
 */
import type { FieldList } from '../../runtime/message/message.ts';
import { ms, type NodeName } from '../../runtime/units.ts';
import { initialFencing, nextDeadlineMs as nextFencingMs, step as stepFencing } from '../fencing/fencing.core.ts';
import type { FencingInput, FencingState, OperationOutcome } from '../fencing/types.ts';
import { initialResources, nextDeadlineMs, step } from './core.ts';
import { config, linesOf, messageFields, n1, n2, typeOf } from './test-bench.ts';
import type { GroupOutcome, Job, ResourcesConfig, ResourcesInput, ResourcesState } from './types.ts';

const DEADTIME_MS = 6_000;
/** The guardian of a killed node is done long before the deadtime is over. */
const GUARDIAN_MS = 500;

export type Which = 0 | 1;
const names: readonly [NodeName, NodeName] = [n1, n2];
const otherOf = (which: Which): Which => (which === 0 ? 1 : 0);

interface Happening {
  readonly atMs: number;
  readonly order: number;
  run(): void;
}

/** One life of one node. */
class Life {
  readonly which: Which;
  readonly core: ResourcesState;
  readonly queue: Job[] = [];
  readonly fencing: FencingState = initialFencing([{ id: 'switch', targets: null }]);
  alive = true;
  /** Told the core that communication is up. */
  up = false;
  released = false;
  working = false;

  constructor(which: Which, options: Partial<ResourcesConfig>) {
    this.which = which;
    this.core = initialResources(config({ ...options, self: names[which] }));
  }
}

export interface Faults {
  /** In [0, 1): delays and durations are drawn from it. */
  random(): number;
  /** Start failures: `node key`. */
  readonly broken: ReadonlySet<string>;
  /** Stop failures: `node key`. Only a reboot ends such a group, that is the end of the node's life. */
  readonly stubborn: ReadonlySet<string>;
  /**
   * Both nodes can switch each other off. Then a killed node is a hung one: what it ran goes on until it is shot or booted, and nothing may
   * ever run twice, cut or not. `refuses` is asked at each reset.
   */
  readonly fencing?: { refuses(): boolean };
}

export class TestCluster {
  nowMs = 0;
  /** Which node runs which group really, from the first moment of its start to the last of its stop. */
  readonly running: readonly [Set<string>, Set<string>] = [new Set(), new Set()];
  readonly lives: [Life | null, Life | null] = [null, null];
  /** `cut[0]`: what node 1 sends does not arrive. */
  readonly cut: [boolean, boolean] = [false, false];
  /** Moments at which a group ran twice although nothing had been cut, as `time key`. */
  readonly twice: string[] = [];
  readonly trace: string[] = [];
  readonly #happenings: Happening[] = [];
  readonly #options: Partial<ResourcesConfig>;
  readonly #faults: Faults;
  #order = 0;
  readonly #heldBack: [(() => void)[], (() => void)[]] = [[], []];
  readonly #lastArrivalMs: [number, number] = [0, 0];
  /** `lost[0]`: node 1 has declared node 2 dead. */
  readonly #lost: [boolean, boolean] = [true, true];
  readonly #silentSinceMs: [number, number] = [0, 0];

  constructor(options: Partial<ResourcesConfig>, faults: Faults) {
    this.#options = options;
    this.#faults = faults;
  }

  /** Boots a node; communication is up when the other one is heard, or dead. */
  start(which: Which): void {
    if (this.lives[which] !== null) return;
    const life = new Life(which, this.#options);
    this.lives[which] = life;
    if (this.#faults.fencing !== undefined) this.running[which].clear();
    this.#lost[which] = false;
    this.#silentSinceMs[which] = this.nowMs;
    this.#note(which, 'starts');
    this.#after(1_000, () => this.#comeUp(life));
  }

  /** Kills a node; its guardian stops what it ran. */
  kill(which: Which): void {
    const life = this.lives[which];
    if (life === null) return;
    this.#note(which, 'is killed');
    this.#end(life);
    if (this.#faults.fencing === undefined) this.#after(GUARDIAN_MS, () => this.running[which].clear());
  }

  /** Switches a node off, as its neighbour does by a device. */
  shoot(which: Which): void {
    const life = this.lives[which];
    this.#note(which, 'is switched off');
    this.running[which].clear();
    if (life !== null) this.#end(life);
  }

  /** An operator switches a node off that is being fenced, and says so. */
  confirm(which: Which): void {
    const life = this.lives[otherOf(which)];
    if (life?.fencing.pending?.node !== names[which]) return;
    this.shoot(which);
    this.#fence(life, { type: 'confirm', node: names[which] });
  }

  stop(which: Which): void {
    const life = this.lives[which];
    if (life !== null) this.#feed(life, { type: 'give-up-all' });
  }

  ask(which: Which, type: 'standby' | 'takeover', set: 'all' | 'local' | 'foreign'): void {
    const life = this.lives[which];
    if (life?.up === true) this.#feed(life, { type, set });
  }

  /** The node's monitor finds that a resource of the group does not run; the rest of the group still does. */
  fail(which: Which, key: string): void {
    const life = this.lives[which];
    if (life === null || !life.up || !this.running[which].has(key)) return;
    this.#feed(life, { type: 'resource-failed', key, resource: key });
  }

  /** Cuts or heals what one node sends. */
  setCut(from: Which, cut: boolean): void {
    if (this.cut[from] === cut) return;
    this.cut[from] = cut;
    this.#note(from, cut ? 'cannot be heard' : 'can be heard again');
    if (cut) this.#silentSinceMs[otherOf(from)] = this.nowMs;
    else this.#heal(from);
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs;
    for (let steps = 0; ; steps++) {
      if (steps > 100_000) throw new Error(`the cluster does not come to rest:\n${this.trace.slice(-40).join('\n')}`);
      const next = this.#next(untilMs);
      if (next === null) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      this.#watch();
    }
    this.nowMs = untilMs;
  }

  #next(untilMs: number): Happening | null {
    let first: Happening | null = null;
    const consider = (candidate: Happening): void => {
      if (
        first === null ||
        candidate.atMs < first.atMs ||
        (candidate.atMs === first.atMs && candidate.order < first.order)
      )
        first = candidate;
    };
    for (const happening of this.#happenings) consider(happening);
    for (const which of [0, 1] as const) {
      const life = this.lives[which];
      if (life === null) continue;
      const due = nextDeadlineMs(life.core);
      if (due !== null)
        consider({
          atMs: Math.max(due, this.nowMs),
          order: Number.MAX_SAFE_INTEGER,
          run: () => this.#feed(life, { type: 'timer' }),
        });
      const retryMs = nextFencingMs(life.fencing);
      if (retryMs !== null)
        consider({
          atMs: Math.max(retryMs, this.nowMs),
          order: Number.MAX_SAFE_INTEGER,
          run: () => this.#fence(life, { type: 'timer' }),
        });
      if (life.up && !this.#lost[which] && this.#isSilent(otherOf(which))) {
        consider({
          atMs: Math.max(this.#silentSinceMs[which] + DEADTIME_MS, this.nowMs),
          order: Number.MAX_SAFE_INTEGER,
          run: () => this.#declareDead(life),
        });
      }
    }
    const chosen = first as Happening | null;
    if (chosen === null || chosen.atMs > untilMs) return null;
    const index = this.#happenings.indexOf(chosen);
    if (index >= 0) this.#happenings.splice(index, 1);
    return chosen;
  }

  /** Nothing of this node reaches the other one. */
  #isSilent(which: Which): boolean {
    return this.lives[which] === null || this.cut[which];
  }

  #watch(): void {
    if (this.#faults.fencing === undefined && (this.cut[0] || this.cut[1])) return;
    for (const key of this.running[0])
      if (this.running[1].has(key)) this.twice.push(`${Math.round(this.nowMs)} ${key}`);
  }

  #comeUp(life: Life): void {
    if (!life.alive) return;
    const { which } = life;
    const silent = this.#isSilent(otherOf(which));
    // Coming up takes both directions: the other one has to answer.
    if ((silent || this.cut[which]) && this.nowMs - this.#silentSinceMs[which] < 2 * DEADTIME_MS) {
      this.#after(250, () => this.#comeUp(life));
      return;
    }
    life.up = true;
    this.#lost[which] = silent;
    if (silent) this.#heldBack[otherOf(which)].length = 0;
    this.#deliver(life, () => this.#onHeard(which, true));
    this.#feed(life, { type: 'comm-up', deadNodes: silent ? [names[otherOf(which)]] : [] });
    this.#send(life, messageFields('starting'));
  }

  #declareDead(life: Life): void {
    const { which } = life;
    this.#lost[which] = true;
    this.#heldBack[otherOf(which)].length = 0;
    const silentMs = ms(DEADTIME_MS);
    this.#feed(life, {
      type: 'node-dead',
      node: names[otherOf(which)],
      nodeType: 'normal',
      wasHeard: true,
      silentMs,
      limitMs: silentMs,
      decidedMs: ms(this.nowMs),
    });
  }

  /** The other node hears this one again (`restarted`: in a new life). */
  #onHeard(which: Which, restarted: boolean): void {
    const listener = this.lives[otherOf(which)];
    const wasLost = this.#lost[otherOf(which)];
    this.#lost[otherOf(which)] = false;
    if (listener?.up !== true) return;
    const node = names[which];
    if (restarted) {
      this.#feed(listener, { type: 'node-restarted', node });
      this.#feed(listener, {
        type: 'node-status',
        node,
        nodeType: 'normal',
        status: 'up',
        previous: wasLost ? 'dead' : 'active',
      });
    } else if (wasLost) {
      this.#feed(listener, { type: 'partition-healed', node });
      this.#feed(listener, { type: 'node-status', node, nodeType: 'normal', status: 'active', previous: 'dead' });
    }
  }

  #heal(from: Which): void {
    if (this.lives[from]?.up === true) this.#onHeard(from, false);
    for (const deliver of this.#heldBack[from].splice(0)) deliver();
  }

  #end(life: Life): void {
    life.alive = false;
    life.queue.length = 0;
    this.lives[life.which] = null;
    this.#silentSinceMs[otherOf(life.which)] = this.nowMs;
    this.#heldBack[life.which].length = 0;
  }

  #feed(life: Life, input: ResourcesInput): void {
    if (!life.alive) return;
    const effects = step(life.core, input, ms(this.nowMs));
    for (const line of linesOf(effects)) this.#note(life.which, line);
    for (const effect of effects) {
      if (effect.type === 'send') this.#send(life, effect.fields);
      else if (
        effect.type === 'acquire' ||
        effect.type === 'release' ||
        effect.type === 'probe' ||
        effect.type === 'restart'
      ) {
        this.#submit(life, { id: effect.job, verb: effect.type, why: effect.why, keys: effect.keys });
      } else if (effect.type === 'fence') this.#fence(life, effect);
      else if (effect.type === 'cancel-fencing') this.#fence(life, { type: 'cancel', why: effect.why });
      else if (effect.type === 'released') {
        this.#after(1_000, () => {
          if (!life.alive) return;
          this.#note(life.which, 'is gone');
          this.#end(life);
          this.running[life.which].clear();
        });
      }
    }
  }

  #fence(life: Life, input: FencingInput): void {
    if (!life.alive) return;
    for (const effect of stepFencing(life.fencing, input, ms(this.nowMs))) {
      this.#note(life.which, `fencing: ${JSON.stringify(effect)}`);
      // A reset that is broken off may have come to its point all the same.
      if (effect.type === 'abort' && this.#faults.random() < 0.3) this.shoot(otherOf(life.which));
      else if (effect.type === 'run') this.#reset(life, effect.operation);
      else if (effect.type === 'fenced') this.#feed(life, effect);
    }
  }

  #reset(life: Life, operation: number): void {
    const wanted = (): boolean => life.alive && life.fencing.pending?.running?.operation === operation;
    this.#after(100 + this.#faults.random() * 4_000, () => {
      if (!wanted()) return;
      const refused = this.#faults.fencing?.refuses() === true;
      if (!refused) this.shoot(otherOf(life.which));
      const outcome: OperationOutcome = {
        verdict: refused ? 'failed' : 'ok',
        exitCode: refused ? 5 : 0,
        pid: 1,
        remark: '',
        timedOutMs: null,
      };
      // The device takes its time to say so.
      this.#after(this.#faults.random() * 500, () => this.#fence(life, { type: 'ended', operation, outcome }));
    });
  }

  #send(life: Life, fields: FieldList): void {
    const { which } = life;
    this.#after(0, () => this.#feed(life, { type: 'message', from: names[which], own: true, fields }));
    this.#deliver(life, () => {
      const listener = this.lives[otherOf(which)];
      if (listener === null || (!listener.up && typeOf(fields) !== '')) return;
      this.#feed(listener, { type: 'message', from: names[which], own: false, fields });
    });
  }

  #deliver(life: Life, arrive: () => void): void {
    const { which } = life;
    const atMs = Math.max(this.nowMs + 1 + this.#faults.random() * 400, this.#lastArrivalMs[which]);
    this.#lastArrivalMs[which] = atMs;
    this.#at(atMs, () => {
      if (this.cut[which]) this.#heldBack[which].push(arrive);
      else arrive();
    });
  }

  #submit(life: Life, job: Job): void {
    life.queue.push(job);
    if (life.working) return;
    life.working = true;
    this.#nextJob(life);
  }

  #nextJob(life: Life): void {
    const job = life.queue[0];
    if (job === undefined || !life.alive) {
      life.working = false;
      return;
    }
    this.#nextGroup(life, job, [...job.keys], []);
  }

  #nextGroup(life: Life, job: Job, keys: string[], outcomes: GroupOutcome[]): void {
    if (!life.alive) return;
    const key = keys.shift();
    if (key === undefined) {
      life.queue.shift();
      this.#feed(life, { type: 'job-done', job: job.id, outcomes });
      this.#nextJob(life);
      return;
    }
    const running = this.running[life.which];
    const starts = job.verb === 'acquire' || job.verb === 'restart';
    const opposite = starts ? 'release' : job.why === 'verify-idle' ? 'acquire' : null;
    const superseded = life.queue.some((later) => later !== job && later.verb === opposite && later.keys.includes(key));
    const wasHeld = running.has(key);
    if (superseded || (job.verb === 'release' && !wasHeld)) {
      outcomes.push(superseded ? { key, result: 'skipped' } : { key, result: 'released', wasHeld: false });
      this.#after(0, () => this.#nextGroup(life, job, keys, outcomes));
      return;
    }
    if (starts) running.add(key);
    this.#after(10 + this.#faults.random() * 2_000, () => {
      if (!life.alive) return;
      const fails = starts && this.#faults.broken.has(`${names[life.which]} ${key}`);
      const stuck = (job.verb === 'release' || fails) && this.#faults.stubborn.has(`${names[life.which]} ${key}`);
      if (!stuck && (job.verb === 'release' || fails)) running.delete(key);
      if (stuck) outcomes.push({ key, result: 'stuck', resource: key });
      else if (fails) outcomes.push({ key, result: 'failed', resource: key });
      else if (starts || (job.verb === 'probe' && wasHeld)) outcomes.push({ key, result: 'held' });
      else outcomes.push({ key, result: 'released', wasHeld });
      this.#nextGroup(life, job, keys, outcomes);
    });
  }

  #after(delayMs: number, run: () => void): void {
    this.#at(this.nowMs + delayMs, run);
  }

  #at(atMs: number, run: () => void): void {
    this.#happenings.push({ atMs, order: this.#order++, run });
  }

  #note(which: Which, line: string): void {
    this.trace.push(`${(this.nowMs / 1_000).toFixed(3)} ${names[which]} ${line}`);
  }
}
