/**
 * How much of what a user's programs do wrong is logged: enough to see it, too little to fill a disk. Pure.
 *
 * Each user has a budget of its own, so that a noisy one does not hide what another one tries.
 */

/** Complaints about one user's programs that are logged within one period. */
const linesPerPeriod = 20;
/** [ms] */
const periodMs = 60_000;
/** Users that are told apart at the same time; what further ones do wrong shares one budget. */
const maxUsers = 256;
const everybodyElse = -1;

interface Account {
  sinceMs: number;
  logged: number;
  left: number;
}

export class LogBudget {
  readonly #accounts = new Map<number, Account>();

  /**
   * Takes one complaint about a user.
   *
   * @param nowMs monotonic time
   * @returns whether to log it, and how many of the last period were not: to be told first
   */
  take(uid: number, nowMs: number): { readonly log: boolean; readonly leftOut: number; readonly isLast: boolean } {
    const account = this.#account(uid, nowMs);
    let leftOut = 0;
    if (nowMs - account.sinceMs >= periodMs) {
      leftOut = account.left;
      Object.assign(account, { sinceMs: nowMs, logged: 0, left: 0 });
    }
    if (account.logged >= linesPerPeriod) {
      account.left += 1;
      return { log: false, leftOut: 0, isLast: false };
    }
    account.logged += 1;
    return { log: true, leftOut, isLast: account.logged === linesPerPeriod };
  }

  #account(uid: number, nowMs: number): Account {
    const known = this.#accounts.get(uid);
    if (known !== undefined) return known;
    if (this.#accounts.size >= maxUsers) this.#forget(nowMs);
    const key = this.#accounts.size >= maxUsers ? everybodyElse : uid;
    const account = this.#accounts.get(key) ?? { sinceMs: nowMs, logged: 0, left: 0 };
    this.#accounts.set(key, account);
    return account;
  }

  /** Those who have been quiet for a period have a full budget again: as if they were new. */
  #forget(nowMs: number): void {
    for (const [uid, account] of this.#accounts)
      if (nowMs - account.sinceMs >= periodMs && account.left === 0) this.#accounts.delete(uid);
  }
}
