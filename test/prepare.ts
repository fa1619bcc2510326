/**
 * First step of `npm test`: installs what the network tests need, or says what that would be.
 *
 * As root with apt the missing Debian packages are installed. Otherwise the command to do so is printed and the network tests will skip
 * themselves; with CI=true that is a failure. Whether the system allows namespaces is checked here too, so that it is said once and early.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { labObstacle, missingPackages } from './net/lab/prerequisites.ts';

const aptGet = '/usr/bin/apt-get';

function say(line: string): void {
  process.stdout.write(`prepare: ${line}\n`);
}

/** Runs apt-get, its output on standard error; true when it succeeded. */
function apt(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(aptGet, args, { env, stdio: ['ignore', 2, 2] }).status === 0;
}

function installCommand(packages: readonly string[]): readonly string[] {
  return ['install', '-y', '-q', '--no-install-recommends', ...packages];
}

/**
 * Installs packages without letting them start their daemons: a test machine shall not become a cluster node.
 *
 * A fresh machine has no package lists, and old lists name versions that are gone, so the lists are always fetched first.
 */
function install(packages: readonly string[]): void {
  say(`installing ${packages.join(' ')}`);
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    if (!apt('update', '-q')) say('apt-get update failed; trying with the lists at hand');
    if (!apt(...installCommand(packages))) say('apt-get install failed');
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

const missing = missingPackages();
if (missing.length > 0) {
  if (process.getuid?.() === 0 && existsSync(aptGet)) install(missing);
  else say(`the network tests need more: sudo apt-get ${installCommand(missing).join(' ')}`);
}

const obstacle = labObstacle();
if (obstacle === null) {
  say('network tests can run');
} else {
  const inCi = process.env.CI === 'true';
  say(`network tests ${inCi ? 'cannot run, and in CI they must' : 'will be skipped'}: ${obstacle}`);
  if (inCi) process.exitCode = 1;
}
