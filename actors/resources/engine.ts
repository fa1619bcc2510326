/**
 * The engine: runs the jobs of the core, one group after another, and tells what really became of each.
 *
 * A group starts left to right and stops right to left. Before a start the script is asked for its status, and what runs is left alone. What
 * may run here is never forgotten: it counts as running until a stop succeeded or a status denied it.
 */

import type { GroupSpec, ResourceSpec } from '../../conf/settings.ts';
import type { AgentAction, AgentResult, AheadResult, StartAhead, Verdict } from '../../plugins/agents/agent.ts';
import { commandLine, commandOf, isFinal, textVerdict, verdictOf } from '../../plugins/agents/programs.ts';
import type { Severity } from '../../runtime/log.ts';
import type { Happening } from '../events.ts';
import type { HeldResource } from '../guardian/protocol.ts';
import type { Target } from './locate.ts';
import type { GroupCheck } from './monitor.ts';
import { type FailedAction, OperationHistory, type ResourceRecord } from './record.ts';
import type { GroupOutcome, Job, ResourcesInput } from './types.ts';

/** Tries of a failing stop after the first one: `HA_STOPRETRYMAX` of the original. */
const STOP_RETRIES = 10;
/** A stop that hangs costs the whole resource timeout each time, so it is tried less often. */
const STOP_RETRIES_AFTER_TIMEOUT = 1;
/** How many lines of a failed operation's output are logged as errors; those before them, as all of a good one, at debug level. */
const SHOWN_LINES = 20;
/** Pause before a stop is tried again [ms], as the original. */
const STOP_PAUSE_MS = 1_000;
/** Addresses that are set in one go, at most: what is told of them must find room in the guardian's pipe. */
const AHEAD_MAX = 128;
/** The same at the beginning of a job: the first address does not wait until a hundred are prepared. Most groups have no more. */
const AHEAD_FIRST = 8;

/** The result of an operation; `lost` when it is unknown what became of it because the process that ran it died. */
export interface OperationResult extends AgentResult {
  readonly lost?: boolean;
}

export interface EngineOptions {
  readonly groups: readonly GroupSpec[];
  /** What stands behind a resource; asked anew for each operation, since scripts may be installed while we run. */
  locate(resource: ResourceSpec): Target;
  /** Runs one operation; never rejects for what a script does. */
  run(target: Exclude<Target, { kind: 'missing' }>, action: AgentAction): Promise<OperationResult>;
  /** The same for a status that is asked for over and over: nothing of it is logged. */
  look(target: Exclude<Target, { kind: 'missing' }>): Promise<OperationResult>;
  /**
   * How addresses of one script that are to be started one after another can be set in one go; null, or without it: one by one. Status, hold
   * and start of each are the same as with `run`, but for all of them together.
   */
  ahead?(targets: readonly AddressTarget[]): StartAhead | null;
  /** Told before resources are started, so that they are released when this process dies; resolves when that is certain, no promise: it is. */
  hold(...resources: readonly HeldResource[]): Promise<void> | undefined;
  /** Goes the way of `hold` without effect. */
  rehearseHold?(...resources: readonly HeldResource[]): void;
  /** Told after a resource is stopped for certain. */
  drop(id: string): void;
  /** `tag` is a script's tag, as `ResourceManager(default)`; without it the line is the daemon's own. */
  log(severity: Severity, text: string, tag?: string): void;
  event(happening: Happening): void;
  done(input: Extract<ResourcesInput, { type: 'job-done' }>): void;
  /** The engine has a defect of its own, or an agent has: nothing more is run. */
  failed(error: Error): void;
  /** @param delayMs [ms] */
  pause(delayMs: number): Promise<void>;
}

type AddressTarget = Extract<Target, { kind: 'address' }>;

interface PlanAhead {
  readonly members: readonly Member[];
  /** For the guardian, before. */
  readonly held: readonly HeldResource[];
  carryOut(): readonly AheadResult[] | null;
}

/** What is known of one resource: `no` only after a successful stop or a status that denied it. */
type Knowledge = 'yes' | 'no' | 'unknown';

interface Member {
  readonly id: string;
  readonly resource: ResourceSpec;
  readonly record: OperationHistory;
  runs: Knowledge;
}

export class ResourceEngine {
  readonly #options: EngineOptions;
  readonly #members = new Map<string, readonly Member[]>();
  readonly #specs = new Map<string, GroupSpec>();
  readonly #queue: Job[] = [];
  /** Addresses that were set together with one before them, until it is their turn. */
  readonly #ahead = new Map<Member, AheadResult>();
  /** Whether the job that runs has set some in this way. */
  #aheadBegun = false;
  /** The last job that began with a group. */
  readonly #begun = new Map<string, number>();
  #working = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    for (const spec of options.groups) {
      if (this.#specs.has(spec.key)) continue;
      this.#specs.set(spec.key, spec);
      this.#members.set(
        spec.key,
        spec.resources.map((resource, index) => ({
          id: `${spec.key} ${index}`,
          resource,
          record: new OperationHistory(resource.word),
          runs: 'unknown',
        })),
      );
    }
  }

  /** Queues a job; `done` is called once for each, in the order of submission. */
  submit(job: Job): void {
    this.#queue.push(job);
    if (this.#working) return;
    this.#working = true;
    this.#work().catch((error: unknown) =>
      this.#options.failed(error instanceof Error ? error : new Error(String(error))),
    );
  }

  /**
   * Plans what a takeover would begin with, without effect: the ways to it are then in the processor's caches, for those very resources. The first
   * group that does not run here stands for all.
   */
  rehearse(): void {
    for (const [key, members] of this.#members) {
      if (members.some(({ runs }) => runs === 'yes')) continue;
      const plan = this.#planAhead(
        members,
        0,
        [...this.#members.keys()].slice([...this.#members.keys()].indexOf(key) + 1),
      );
      if (plan !== null) this.#options.rehearseHold?.(...plan.held);
      return;
    }
  }

  /** What each resource of a group has done so far, and does now. @param limitMs of one operation [ms] */
  records(key: string, limitMs: number): readonly ResourceRecord[] {
    return (this.#members.get(key) ?? []).map((member) => member.record.view(limitMs));
  }

  /**
   * The monitor's question: does everything of a held group run? It is asked beside the jobs, which never wait for it; null when the group is
   * not held, or a job came in between.
   */
  async check(key: string): Promise<GroupCheck> {
    const members = this.#members.get(key) ?? [];
    const begun = this.#begun.get(key);
    const current = (): boolean => this.#begun.get(key) === begun && !this.#queue.some((job) => job.keys.includes(key));
    if (members.length === 0 || members.some((member) => member.runs !== 'yes')) return null;
    let found: GroupCheck = { result: 'held' };
    for (const { resource, record } of members) {
      if (!current()) return null;
      const target = this.#options.locate(resource);
      const verdict = target.kind === 'missing' ? 'unsure' : judge(target, await this.#options.look(target));
      if (verdict === 'not-held') found = { result: 'failed', resource: resource.word };
      // A script that says nothing and exits 0 is the LSB's way to say that all is well.
      else if (verdict === 'unsure') found = { result: 'unsure', resource: resource.word };
      if (found.result !== 'failed') continue;
      record.fail('status', 'it does not run any more');
      break;
    }
    return current() ? found : null;
  }

  async #work(): Promise<void> {
    for (let job = this.#queue[0]; job !== undefined; job = this.#queue[0]) {
      const outcomes: GroupOutcome[] = [];
      for (const key of job.keys) outcomes.push(await this.#runGroup(job, key));
      // Of groups that were not begun with after all: what waits behind stops them.
      this.#ahead.clear();
      this.#aheadBegun = false;
      this.#queue.shift();
      this.#options.done({ type: 'job-done', job: job.id, outcomes });
    }
    // In one go with the last look at the queue, so that no job is left lying.
    this.#working = false;
  }

  async #runGroup(job: Job, key: string): Promise<GroupOutcome> {
    const spec = this.#specs.get(key);
    const members = this.#members.get(key);
    if (spec === undefined || members === undefined) return { key, result: 'released', wasHeld: false };
    if (this.#isSuperseded(job, key)) return { key, result: 'skipped' };
    this.#begun.set(key, job.id);
    switch (job.verb) {
      case 'acquire':
        if (job.why === 'takeover') this.#script('mach_down', 'info', `info: Taking over resource group ${key}`);
        return await this.#acquire(job, spec, members);
      case 'restart':
        return await this.#restart(spec, members);
      case 'release':
        return await this.#release(spec, members, job.why === 'verify-idle');
      case 'probe':
        return (await this.#allHeld(members)) ? { key, result: 'held' } : { key, result: 'released', wasHeld: false };
    }
  }

  /** A start is pointless when a stop waits behind it, and so is the search for what should not run when it is to be started. */
  #isSuperseded(job: Job, key: string): boolean {
    const opposite =
      job.verb === 'acquire' || job.verb === 'restart' ? 'release' : job.why === 'verify-idle' ? 'acquire' : null;
    return (
      opposite !== null &&
      this.#queue.some((later) => later !== job && later.verb === opposite && later.keys.includes(key))
    );
  }

  async #acquire(job: Job, spec: GroupSpec, members: readonly Member[]): Promise<GroupOutcome> {
    this.#manager('info', `info: Acquiring resource group: ${spec.owner} ${wordsOf(spec)}`);
    const later = job.keys.slice(job.keys.indexOf(spec.key) + 1).filter((key) => !this.#isSuperseded(job, key));
    return await this.#startAll(spec, members, members, later);
  }

  /**
   * @param needed what is started; when one of it cannot be, the whole group is stopped
   * @param later groups that are acquired right after this one
   */
  async #startAll(
    spec: GroupSpec,
    members: readonly Member[],
    needed: readonly Member[],
    later: readonly string[] = [],
  ): Promise<GroupOutcome> {
    this.#options.event({ event: 'group.starting', group: spec.key });
    for (const [index, member] of needed.entries()) {
      if (!this.#ahead.has(member)) {
        const told = this.#startAhead(needed, index, later);
        if (told !== undefined) await told;
      }
      const starts = await this.#start(member);
      this.#ahead.delete(member);
      if (starts) continue;
      // Set in one go with the one that failed: said before they are stopped.
      for (const other of needed.slice(index + 1)) {
        if (!this.#ahead.has(other)) continue;
        await this.#start(other);
        this.#ahead.delete(other);
      }
      const { word } = member.resource;
      this.#manager('CRIT', `CRIT: Giving up resources due to failure of ${word}`);
      const released = await this.#release(spec, members, false);
      if (released.result === 'stuck') return released;
      this.#options.event({ event: 'group.failed', group: spec.key });
      return { key: spec.key, result: 'failed', resource: word };
    }
    this.#options.event({ event: 'group.started', group: spec.key });
    return { key: spec.key, result: 'held' };
  }

  /** Puts a held group right: stops what stands on the first resource that does not run, that one included, and starts it all again. */
  async #restart(spec: GroupSpec, members: readonly Member[]): Promise<GroupOutcome> {
    let first = 0;
    for (; first < members.length; first++) {
      const member = members[first];
      if (member !== undefined && (await this.#status(member)) === 'not-held') break;
    }
    const broken = members.slice(first);
    if (broken.length === 0) return { key: spec.key, result: 'held' };
    this.#manager(
      'info',
      `info: Restarting in resource group: ${spec.owner} ${broken.map((one) => one.resource.word).join(' ')}`,
    );
    this.#options.event({ event: 'group.stopping', group: spec.key });
    for (const member of broken.toReversed()) {
      if (await this.#stop(member)) continue;
      this.#options.event({ event: 'group.stuck', group: spec.key });
      return { key: spec.key, result: 'stuck', resource: member.resource.word };
    }
    return await this.#startAll(spec, members, broken);
  }

  /**
   * Sets addresses that follow one another, in this group and in those after it, in one go. What else comes between two of them is started between
   * them: then they are set one after the other.
   *
   * @returns a promise when the guardian is slow to hear of them: they are started one by one when it is kept
   */
  #startAhead(needed: readonly Member[], index: number, later: readonly string[]): Promise<void> | undefined {
    const plan = this.#planAhead(needed, index, later);
    if (plan === null) return undefined;
    for (const member of plan.members) member.runs = 'yes';
    this.#aheadBegun = true;
    const told = this.#options.hold(...plan.held);
    if (told !== undefined) return told;
    for (const [place, result] of (plan.carryOut() ?? []).entries()) {
      const member = plan.members[place];
      if (member !== undefined) this.#ahead.set(member, result);
    }
    return undefined;
  }

  /** The addresses that can be set in one go now; null: none. */
  #planAhead(needed: readonly Member[], index: number, later: readonly string[]): PlanAhead | null {
    const script = needed[index]?.resource.script;
    const limit = this.#aheadBegun ? AHEAD_MAX : AHEAD_FIRST;
    const found: { readonly member: Member; readonly target: AddressTarget }[] = [];
    for (const member of this.#following(needed, index, later)) {
      // Asked first: to locate a script costs system calls.
      if (found.length === limit || member.resource.script !== script) break;
      const target = this.#options.locate(member.resource);
      if (target.kind !== 'address') break;
      found.push({ member, target });
    }
    const plan = found.length === 0 ? null : (this.#options.ahead?.(found.map(({ target }) => target)) ?? null);
    if (plan === null || plan.count === 0) return null;
    const planned = found.slice(0, plan.count);
    return {
      members: planned.map(({ member }) => member),
      held: planned.map(({ member, target }) => heldResource(member, target)),
      carryOut: plan.carryOut,
    };
  }

  *#following(needed: readonly Member[], index: number, later: readonly string[]): Generator<Member> {
    yield* needed.slice(index);
    for (const key of later) yield* this.#members.get(key) ?? [];
  }

  /** @returns false when the resource does not run */
  async #start(member: Member): Promise<boolean> {
    const { resource } = member;
    if ((await this.#status(member)) === 'held') {
      await this.#hold(member);
      return true;
    }
    const target = this.#options.locate(resource);
    if (target.kind === 'missing') {
      this.#cannotLocate(member, 'start', target);
      return false;
    }
    await this.#hold(member);
    let result = await this.#operate(member, target, 'start');
    if (result.lost === true && (await this.#status(member)) !== 'held')
      result = await this.#operate(member, target, 'start');
    else if (result.lost === true) return true;
    if (result.exitCode === 0 && !result.timedOut) return true;
    this.#complain(member, 'start', target.path, result);
    return false;
  }

  /** @param quietly nothing should run: say so when something does */
  async #release(spec: GroupSpec, members: readonly Member[], quietly: boolean): Promise<GroupOutcome> {
    const toStop: Member[] = [];
    for (const member of members.toReversed()) {
      if (member.runs === 'unknown') {
        const verdict = await this.#status(member);
        if (verdict === 'not-held') this.#gone(member);
        else if (!quietly || verdict === 'held') toStop.push(member);
      } else if (member.runs === 'yes') toStop.push(member);
    }
    if (toStop.length === 0) return { key: spec.key, result: 'released', wasHeld: false };
    if (quietly) {
      for (const { resource } of toStop) {
        this.#options.log('CRIT', `Resource ${resource.word} is active, and should not be!`);
      }
      this.#options.log('CRIT', 'Non-idle resources can affect data integrity!');
    }
    this.#manager('info', `info: Releasing resource group: ${spec.owner} ${wordsOf(spec)}`);
    this.#options.event({ event: 'group.stopping', group: spec.key });
    let stuck: string | null = null;
    for (const member of toStop) if (!(await this.#stop(member))) stuck ??= member.resource.word;
    this.#options.event({ event: stuck === null ? 'group.stopped' : 'group.stuck', group: spec.key });
    return stuck === null
      ? { key: spec.key, result: 'released', wasHeld: true }
      : { key: spec.key, result: 'stuck', resource: stuck };
  }

  /** @returns false when the resource may still run after everything was tried */
  async #stop(member: Member): Promise<boolean> {
    const { word } = member.resource;
    const target = this.#options.locate(member.resource);
    if (target.kind === 'missing') {
      this.#cannotLocate(member, 'stop', target);
      this.#manager('CRIT', 'CRIT: Resource STOP failure. Reboot required!');
      return false;
    }
    for (let tries = 0; ; tries++) {
      const result = await this.#operate(member, target, 'stop');
      if (result.exitCode === 0 && !result.timedOut && result.lost !== true) {
        this.#gone(member);
        return true;
      }
      this.#complain(member, 'stop', target.path, result);
      if (target.kind === 'script' && !result.timedOut && isFinal(target, result)) break;
      if (tries >= (result.timedOut ? STOP_RETRIES_AFTER_TIMEOUT : STOP_RETRIES)) break;
      await this.#options.pause(STOP_PAUSE_MS);
      this.#manager('info', `info: Retrying failed stop operation [${word}]`);
    }
    if ((await this.#status(member)) === 'not-held') {
      this.#manager('ERROR', `ERROR: Resource script for ${word} probably not LSB-compliant.`);
      this.#manager('WARN', `WARN: it (${word}) MUST succeed on a stop when already stopped`);
      this.#manager('WARN', 'WARN: Machine reboot narrowly avoided!');
      this.#gone(member);
      return true;
    }
    this.#manager('CRIT', 'CRIT: Resource STOP failure. Reboot required!');
    return false;
  }

  async #status(member: Member): Promise<Verdict> {
    const target = this.#options.locate(member.resource);
    if (target.kind === 'missing') return 'not-held';
    const ahead = this.#ahead.get(member);
    if (ahead !== undefined) return textVerdict(ahead.status());
    const ask = (): Promise<OperationResult> =>
      member.record.during('status', () => this.#options.run(target, 'status'));
    const first = await ask();
    const result = first.lost === true ? await ask() : first;
    if (result.lost === true) return 'perhaps';
    return target.kind === 'address' ? textVerdict(result) : verdictOf(target, result);
  }

  #cannotLocate(
    { record }: Member,
    action: FailedAction,
    { script, reason }: Extract<Target, { kind: 'missing' }>,
  ): void {
    record.fail(action, reason);
    this.#manager('ERROR', `ERROR: Cannot locate resource script ${script}`);
    this.#manager('ERROR', `ERROR: ${reason}`);
  }

  async #allHeld(members: readonly Member[]): Promise<boolean> {
    for (const member of members) if ((await this.#status(member)) !== 'held') return false;
    for (const member of members) await this.#hold(member);
    return true;
  }

  async #operate(
    member: Member,
    target: Exclude<Target, { kind: 'missing' }>,
    action: 'start' | 'stop',
  ): Promise<OperationResult> {
    const { record, resource } = member;
    const command =
      target.kind === 'address' ? [target.path, ...target.args, action].join(' ') : commandLine(target, action);
    this.#manager('info', `info: Running ${command}`);
    const ahead = action === 'start' ? this.#ahead.get(member) : undefined;
    const result = ahead?.start() ?? (await record.during(action, () => this.#options.run(target, action)));
    const lines = result.output.split('\n').filter((line) => line.trim() !== '');
    const failed = result.exitCode !== 0 || result.timedOut;
    for (const [index, line] of lines.entries()) {
      // What a script said last before it failed is what an operator looks for first.
      if (failed && index >= lines.length - SHOWN_LINES)
        this.#options.log('ERROR', `${resource.word} ${action}: ${line.trimEnd()}`);
      else this.#options.log('debug', line.trimEnd());
    }
    return result;
  }

  #complain({ record }: Member, action: FailedAction, path: string, result: OperationResult): void {
    const reason = result.timedOut
      ? `${path} did not finish within ${Math.round(result.durationMs)} ms and was killed`
      : result.lost === true
        ? `${path} was interrupted: ${result.output}`
        : `Return code ${result.exitCode} from ${path}`;
    record.fail(action, reason);
    this.#manager('ERROR', `ERROR: ${reason}`);
  }

  async #hold(member: Member): Promise<void> {
    if (this.#ahead.has(member)) return;
    member.runs = 'yes';
    const target = this.#options.locate(member.resource);
    if (target.kind === 'missing') return;
    await this.#options.hold(heldResource(member, target));
  }

  #gone(member: Member): void {
    member.runs = 'no';
    this.#options.drop(member.id);
  }

  #manager(severity: Severity, text: string): void {
    this.#script('ResourceManager', severity, text);
  }

  #script(script: string, severity: Severity, text: string): void {
    this.#options.log(severity, text, `${script}(default)`);
  }
}

/** As {@link verdictOf}, but `unsure` only where the agent could not tell; a silent success is a yes when the resource was started before. */
function judge(target: Exclude<Target, { kind: 'missing' }>, result: OperationResult): 'held' | 'not-held' | 'unsure' {
  const verdict = target.kind === 'address' ? textVerdict(result) : verdictOf(target, result);
  if (verdict !== 'perhaps') return result.lost === true ? 'unsure' : verdict;
  return result.exitCode === 0 && !result.timedOut && result.lost !== true ? 'held' : 'unsure';
}

/** What the guardian needs to stop it without us. */
function heldResource({ id, resource }: Member, target: Exclude<Target, { kind: 'missing' }>): HeldResource {
  const { word } = resource;
  return target.kind === 'address'
    ? { id, word, ...target }
    : { kind: 'script', id, word, ...commandOf(target, 'stop') };
}

function wordsOf(spec: GroupSpec): string {
  return spec.resources.map((resource) => resource.word).join(' ');
}
