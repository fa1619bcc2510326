/** Devices of ha.cf as programs: what is run, where the parameters go, what the exit codes mean. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StonithSpec } from '../../conf/settings.ts';
import type { AgentResult } from '../../plugins/agents/agent.ts';
import { nodeName } from '../../runtime/units.ts';
import type { DeviceCommand, FencingDevice } from './device.ts';
import { devicesOf } from './devices.ts';

const n1 = nodeName('node1');
const nodes = [
  { name: n1, type: 'normal' as const },
  { name: nodeName('node2'), type: 'normal' as const },
];
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'systole-devices-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const spec = (host: string | null, type: string, parameters: string, line = 7): StonithSpec => ({
  host,
  type,
  parameters,
  place: { file: 'ha.cf', line, column: 1 },
});

function deviceOf(one: StonithSpec): FencingDevice {
  const [device] = devicesOf([one], nodes);
  if (device === undefined) throw new Error('no device');
  return device;
}

function commandOf(device: FencingDevice, ...[action, node]: Parameters<FencingDevice['command']>): DeviceCommand {
  const command = device.command(action, node);
  if ('problem' in command) throw new Error(command.problem);
  return command;
}

const ended = (exitCode: number, timedOut = false): AgentResult => ({ exitCode, output: '', timedOut, durationMs: 1 });

describe("cluster-glue's devices", () => {
  it('get the parameters of their line through standard input', () => {
    const device = deviceOf(spec('*', 'external/ipmi', 'node1 10.0.0.9 admin hunter2 lan'));
    const reset = commandOf(device, 'reset', n1);
    expect(reset.args.slice(3)).toEqual(['-s', '-t', 'external/ipmi', '-F', '/dev/stdin', '-T', 'reset', 'node1']);
    expect(reset.input).toBe('node1 10.0.0.9 admin hunter2 lan\n');
    expect(reset.args.join(' ')).not.toContain('hunter2');
    expect(commandOf(device, 'status', n1).args.slice(3)).toEqual([
      '-s',
      '-t',
      'external/ipmi',
      '-F',
      '/dev/stdin',
      '-S',
    ]);
    expect(device.conceal('login admin with hunter2 at node1 failed')).toBe('login *** with *** at node1 failed');
    expect(device.targets).toBeNull();
  });

  it('read a parameter file themselves', () => {
    const file = join(dir, 'parameters');
    writeFileSync(file, 'node1 hunter2\n');
    const device = deviceOf(spec(null, 'external/ipmi', file));
    expect(commandOf(device, 'reset', n1)).toMatchObject({
      args: ['-s', '-t', 'external/ipmi', '-F', file, '-T', 'reset', 'node1'],
      input: '',
    });
    expect(device.conceal('hunter2?')).toBe('***?');
  });

  it.each([
    [0, 'ok', 'ok'],
    [1, 'failed', 'failed'],
    [4, 'bad-host', 'failed'],
    [5, 'failed', 'failed'],
    [8, 'failed', 'failed'],
    [127, 'failed', 'failed'],
  ] as const)('exit code %i: reset %s, status %s', (code, reset, status) => {
    const device = deviceOf(spec('*', 'null', 'node1'));
    expect(device.verdict('reset', ended(code))).toBe(reset);
    expect(device.verdict('status', ended(code))).toBe(status);
    expect(device.verdict('reset', ended(code, true))).toBe('failed');
  });

  it('wait for a human only when they are one', () => {
    expect(deviceOf(spec('*', 'meatware', 'node1')).waitsForHuman).toBe(true);
    expect(deviceOf(spec('*', 'null', 'node1')).waitsForHuman).toBe(false);
  });
});

describe('fence agents', () => {
  const agent = (): string => {
    const path = join(dir, 'fence_lab');
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, 0o755);
    return path;
  };
  const inputOf = (parameters: string): string =>
    commandOf(deviceOf(spec('*', agent(), parameters)), 'reset', n1).input;

  it('get lines of name=value on standard input and nothing in the command line', () => {
    const path = agent();
    const device = deviceOf(spec('*', path, 'ip=10.0.0.9 username=admin password="hunter 2" ssl=1'));
    expect(commandOf(device, 'reset', n1)).toEqual({
      path,
      args: [],
      input:
        'ip=10.0.0.9\nusername=admin\npassword=hunter 2\nssl=1\naction=reboot\nnodename=node1\nplug=node1\nport=node1\n',
    });
    expect(commandOf(device, 'status', n1).input).toContain('action=monitor\n');
    expect(device.conceal('hunter 2 is wrong for admin')).toBe('*** is wrong for ***');
  });

  it.each([
    ['pcmk_host_map=node1:4;node2:5', 'action=reboot\nnodename=node1\nplug=4\nport=4\n'],
    ['pcmk_host_map=node2:5 plug=9', 'plug=9\naction=reboot\nnodename=node1\n'],
    ['pcmk_reboot_action=off plug=9', 'plug=9\naction=off\nnodename=node1\n'],
    ['action=metadata option=off x=1', 'x=1\naction=reboot\nnodename=node1\nplug=node1\nport=node1\n'],
    ['', 'action=reboot\nnodename=node1\nplug=node1\nport=node1\n'],
  ])('%s', (parameters, input) => {
    expect(inputOf(parameters)).toBe(input);
  });

  it('say whom they reset', () => {
    const targets = (parameters: string) => deviceOf(spec('*', agent(), parameters)).targets;
    expect(targets('ip=1')).toBeNull();
    expect(targets('pcmk_host_list=Node1,node2')).toEqual(['node1', 'node2']);
    expect(targets('pcmk_host_list="node3 node4" pcmk_host_map=NODE1:4')).toEqual(['node3', 'node4', 'node1']);
  });

  it('read their file anew for each operation, and say so when they cannot', () => {
    const file = join(dir, 'parameters');
    writeFileSync(file, '# a switch\nip=10.0.0.9\npassword= hunter 2\n');
    const device = deviceOf(spec(null, agent(), file));
    expect(commandOf(device, 'reset', n1).input).toContain('ip=10.0.0.9\npassword= hunter 2\naction');
    writeFileSync(file, 'password=new\n');
    expect(commandOf(device, 'reset', n1).input).toContain('password=new\n');
    writeFileSync(file, 'secret\n');
    expect(device.command('reset', n1)).toEqual({ problem: 'line 1 is not NAME=VALUE' });
    rmSync(file);
    expect(device.command('reset', n1)).toEqual({ problem: 'its parameter file cannot be read' });
  });

  it('cannot be used when they are not installed', () => {
    expect(deviceOf(spec('*', join(dir, 'fence_gone'), '')).command('reset', n1)).toEqual({
      problem: 'the agent is not installed',
    });
  });

  it.each([
    [0, 'ok', 'ok'],
    [1, 'failed', 'failed'],
    // For a reset, that the outlet is off is no word that it was switched off by us.
    [2, 'failed', 'ok'],
  ] as const)('exit code %i: reset %s, status %s', (code, reset, status) => {
    const device = deviceOf(spec('*', agent(), ''));
    expect(device.verdict('reset', ended(code))).toBe(reset);
    expect(device.verdict('status', ended(code))).toBe(status);
  });
});

it('names devices by their type, with the line where two have the same', () => {
  const ids = devicesOf([spec('*', 'null', 'a', 3), spec('*', 'ssh', 'a', 4), spec('node2', 'null', 'b', 9)], nodes);
  expect(ids.map(({ id }) => id)).toEqual(['null (line 3)', 'ssh', 'null (line 9)']);
});
