#!/usr/bin/env node
// Runs every executable of a directory for every change in the cluster: one at a time, in the order of their names and of the events, each
// with a time limit. A hook gets the event as arguments (`node node2 dead`) and as JSON on standard input.
//
// ha.cf:   respawn root /usr/local/lib/my-plugin/node_modules/.bin/node /usr/local/lib/my-plugin/notify-hooks.mjs /etc/ha.d/notify.d 10
//          apiauth notify-hooks uid=root
import { spawn } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { connect } from 'systole/client';

const [directory = '/etc/ha.d/notify.d', limit = '10'] = process.argv.slice(2);
const limitMs = Number(limit) * 1000;
const client = await connect({ name: 'notify-hooks', waitMs: Number.POSITIVE_INFINITY });
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => client.close());

// Events count from here on.
const events = client.events();
console.log(`notify-hooks: runs what is in ${directory}`);
for await (const event of events) {
  const args = argumentsOf(event);
  // Read each time: a new hook counts at once.
  if (args !== null) for (const hook of hooks()) await run(hook, args, event);
}

function argumentsOf(event) {
  switch (event.type) {
    case 'node':
      return ['node', event.node, event.status];
    case 'link':
      return ['link', event.node, event.link, event.status];
    case 'message':
      return event.message.type === 'resource'
        ? ['resources', event.message.from, event.message.fields.rsc_hold ?? '']
        : null;
    default:
      return null;
  }
}

function hooks() {
  try {
    return readdirSync(directory)
      .toSorted()
      .map((name) => join(directory, name))
      .filter(isExecutable);
  } catch (error) {
    console.error(`no hooks: ${error.message}`);
    return [];
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function run(hook, args, event) {
  return new Promise((resolve) => {
    // Its own process group, so that the limit ends everything that it has started.
    const child = spawn(hook, args, { detached: true, stdio: ['pipe', 'inherit', 'inherit'] });
    const timer = setTimeout(() => {
      console.error(`${hook}: not finished after ${limit} s: killed`);
      process.kill(-child.pid, 'SIGKILL');
    }, limitMs);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    child.once('error', (error) => {
      console.error(`${hook}: ${error.message}`);
      done();
    });
    child.once('exit', (code, signal) => {
      if (code !== 0) console.error(`${hook} ${args.join(' ')}: ${signal ?? `exit code ${code}`}`);
      done();
    });
    // A hook that does not read its input is none of our business.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify(event));
  });
}
