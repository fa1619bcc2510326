/** The fault matrix, in its order. */
import { deathScenarios } from './death.ts';
import { hostScenarios } from './host.ts';
import { leaveScenarios, simultaneousStart } from './leave.ts';
import { networkScenarios } from './network.ts';
import type { Scenario } from './scenario.ts';

/** @param starts how often scenario 9 starts both nodes */
export function matrix(starts: number): readonly Scenario[] {
  const all = [...leaveScenarios, ...networkScenarios, ...deathScenarios, ...hostScenarios, simultaneousStart(starts)];
  return all.toSorted((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
}
