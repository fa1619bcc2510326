import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AgentResult } from '../../plugins/agents/agent.ts';
import { Inventory } from './inventory.core.ts';
import type { HeldResource } from './protocol.ts';
import { releaseHeld } from './release.ts';

const address: HeldResource = {
  kind: 'address',
  id: 'g 0',
  word: '10.0.0.1',
  script: 'IPaddr',
  path: '/r/IPaddr',
  args: ['10.0.0.1'],
};
const script = (name: string): HeldResource => ({ kind: 'script', id: name, word: name, path: `/r/${name}`, args: [] });
const ok: AgentResult = { exitCode: 0, output: '', timedOut: false, durationMs: 1 };

function inventory(...resources: readonly HeldResource[]): Inventory {
  const held = new Inventory();
  for (const resource of resources) held.hold(resource);
  return held;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('Inventory', () => {
  it('releases last started first; what is held again keeps its place', () => {
    const held = inventory(address, script('disk'), script('web'));
    held.hold(script('disk'));
    held.drop('never held');
    expect(held.releaseOrder().map((resource) => resource.word)).toEqual(['web', 'disk', '10.0.0.1']);
  });
});

describe('releaseHeld', () => {
  async function release(
    held: Inventory,
    answer: (word: string) => Promise<AgentResult>,
  ): Promise<{ calls: string[]; stuck: readonly string[] }> {
    const calls: string[] = [];
    const stop = ({ word }: HeldResource): Promise<AgentResult> => {
      calls.push(`${Date.now() - startMs} ${word}`);
      return answer(word);
    };
    const startMs = Date.now();
    const done = releaseHeld(held.releaseOrder(), {
      stopScript: stop,
      stopAddress: stop,
      log: () => undefined,
      addressGraceMs: 1_000,
    });
    await vi.advanceTimersByTimeAsync(120_000);
    return { calls, stuck: await done };
  }

  it('goes in reverse order when everything works', async () => {
    const { calls, stuck } = await release(inventory(address, script('disk'), script('web')), () =>
      Promise.resolve(ok),
    );
    expect(calls).toEqual(['0 web', '0 disk', '0 10.0.0.1']);
    expect(stuck).toEqual([]);
  });

  it('takes the address down after a second when a service hangs, and goes on after the time limit', async () => {
    const hang = (word: string): Promise<AgentResult> =>
      word === 'web'
        ? new Promise((resolve) => setTimeout(() => resolve({ ...ok, timedOut: true }), 60_000))
        : Promise.resolve(ok);
    const { calls, stuck } = await release(inventory(address, script('disk'), script('web')), hang);
    expect(calls).toEqual(['0 web', '1000 10.0.0.1', '60000 disk']);
    expect(stuck).toEqual(['web']);
  });

  it('tries a failing stop three times', async () => {
    const { calls, stuck } = await release(inventory(script('web')), () => Promise.resolve({ ...ok, exitCode: 1 }));
    expect(calls).toEqual(['0 web', '1000 web', '2000 web']);
    expect(stuck).toEqual(['web']);
  });
});
