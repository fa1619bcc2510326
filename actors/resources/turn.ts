/**
 * One step of the core in progress: the state, the time, and the effects so far, with the few things that every part does.
 */

import type { Severity } from '../../runtime/log.ts';
import type { FieldList } from '../../runtime/message/message.ts';
import { type Ms, ms } from '../../runtime/units.ts';
import type { Happening } from '../events.ts';
import { groupsOf, keysOf } from './groups.ts';
import { type Holding, includes, type Kind, kindsOf, minus, plus, type ResourceSet } from './holdings.ts';
import { resourceMessage } from './messages.ts';
import type { Job, ResourcesEffect, ResourcesState, Why } from './types.ts';

/** How long the other node may stay silent about its stability before we settle without it [ms]: Heartbeat's constant. */
export const SETTLE_MS = 10_000;

export class Turn {
  readonly state: ResourcesState;
  readonly nowMs: Ms;
  readonly effects: ResourcesEffect[] = [];
  /** A standby exchange, either side of it, came to its good end in this turn. */
  exchangeDone = false;

  constructor(state: ResourcesState, nowMs: Ms) {
    this.state = state;
    this.nowMs = nowMs;
  }

  get legacy(): boolean {
    return this.state.config.autoFailback === 'legacy';
  }

  /** @param delayMs from now [ms, >= 0] */
  in(delayMs: number): Ms {
    return ms(this.nowMs + delayMs);
  }

  send(fields: FieldList): void {
    this.effects.push({ type: 'send', fields });
  }

  log(severity: Severity, text: string): void {
    this.effects.push({ type: 'log', severity, text });
  }

  /** A line of one of Heartbeat's scripts: `script(default)[pid]: text`, the severity is part of the text. */
  script(script: string, text: string): void {
    const severity = text.startsWith('ERROR') || text.startsWith('CRIT') ? 'ERROR' : 'info';
    this.effects.push({ type: 'log', severity, text, tag: `${script}(default)` });
  }

  event(happening: Happening): void {
    this.effects.push({ type: 'event', happening, atMs: this.nowMs });
  }

  /** Tells everybody what we claim. Legacy clusters do not report. */
  report(options: { readonly stable?: boolean; readonly info?: string; readonly asked?: ResourceSet } = {}): void {
    if (this.legacy) return;
    const stable = options.stable ?? this.isStable;
    this.state.told = { holding: this.state.claims, stable };
    this.send(resourceMessage(this.state.claims, stable, options.info, options.asked));
  }

  /** Nothing of ours is under way that the other node should wait for. Groups being started do not count: they are claimed already. */
  get isStable(): boolean {
    const { phase, jobs, crippled } = this.state;
    if (phase !== 'stable' || crippled) return false;
    for (const job of jobs.values()) if (job.verb === 'release' && job.why !== 'verify-idle') return false;
    return true;
  }

  /** Something runs that a graceful stop has to wait for. */
  get isBusy(): boolean {
    for (const job of this.state.jobs.values()) if (job.why !== 'verify-idle') return true;
    return false;
  }

  /** Claims a set and has it started; the claim stands from now on, before anything runs. */
  acquire(set: Holding, why: Why): Job {
    this.state.claims = plus(this.state.claims, set);
    return this.acquireKeys(keysOf(this.state.groups, set), why);
  }

  acquireKeys(keys: readonly string[], why: Why): Job {
    const job = this.#job('acquire', keys, why);
    for (const key of keys) {
      const group = this.state.groups.get(key);
      if (group === undefined) continue;
      if (group.activity !== 'held') group.activity = 'claimed';
      group.job = job.id;
    }
    return job;
  }

  /** Drops the claim on a set and has it stopped; the groups may run until the job is done. */
  release(set: Holding, why: Why): Job {
    this.state.claims = minus(this.state.claims, set);
    return this.releaseKeys(keysOf(this.state.groups, set), why);
  }

  releaseKeys(keys: readonly string[], why: Why): Job {
    const job = this.#job('release', keys, why);
    for (const key of keys) {
      const group = this.state.groups.get(key);
      if (group === undefined) continue;
      if (why !== 'verify-idle' && group.activity !== 'stuck') group.activity = 'releasing';
      group.job = job.id;
    }
    return job;
  }

  /** Has a held group put right in place: what does not run is started again, with what stands on it. */
  restart(key: string): Job {
    const job = this.#job('restart', [key], 'monitor');
    const group = this.state.groups.get(key);
    if (group !== undefined) group.job = job.id;
    return job;
  }

  probe(keys: readonly string[], why: Why): Job {
    return this.#job('probe', keys, why);
  }

  /** True when every group of the set runs here completely. */
  holdsReally(set: Holding): boolean {
    return groupsOf(this.state.groups, set).every((group) => group.activity === 'held');
  }

  hasGroups(kind: Kind): boolean {
    return groupsOf(this.state.groups, kind).length > 0;
  }

  /** Half of the initial acquisition is done; the word tells by which event. */
  workDone(part: 'local' | 'foreign', word: string): void {
    const { work } = this.state;
    work[part] = true;
    if (work.told || !work.local || !work.foreign) return;
    work.told = true;
    this.log('info', `Initial resource acquisition complete (${word})`);
  }

  /** Makes the claims follow the truth: a kind of which nothing runs, starts or is stuck is not claimed. */
  correctClaims(): void {
    for (const kind of kindsOf('all')) {
      const groups = groupsOf(this.state.groups, kind);
      if (groups.some((group) => group.activity === 'stuck')) this.state.claims = plus(this.state.claims, kind);
      else if (groups.length > 0 && includes(this.state.claims, kind)) {
        const any = groups.some((group) => group.activity === 'claimed' || group.activity === 'held');
        if (!any) this.state.claims = minus(this.state.claims, kind);
      }
    }
  }

  #job(verb: Job['verb'], keys: readonly string[], why: Why): Job {
    const job: Job = { id: this.state.nextJob++, verb, why, keys };
    this.state.jobs.set(job.id, job);
    this.effects.push({ type: verb, job: job.id, keys, why });
    return job;
  }
}
