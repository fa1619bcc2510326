#!/usr/bin/env node
// Sends what happens to the cluster to a StatsD server: a gauge for each node and link (1 up, 0 dead), counters for changes.
//
// ha.cf:   respawn nobody /usr/local/lib/my-plugin/node_modules/.bin/node /usr/local/lib/my-plugin/statsd.mjs 10.0.0.5 8125 systole
//          apiauth statsd uid=nobody
import { createSocket } from 'node:dgram';
import process from 'node:process';
import { connect } from 'systole/client';

const [host = '127.0.0.1', port = '8125', prefix = 'systole'] = process.argv.slice(2);
const everyMs = 10_000;
const socket = createSocket('udp4');
// StatsD is fire and forget: a server that is away costs numbers, not the plugin.
socket.on('error', () => undefined);
const client = await connect({ name: 'statsd', waitMs: Number.POSITIVE_INFINITY });
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => client.close());

const events = client.events();
await gauges();
// A gauge that is not repeated looks like one that is gone.
const timer = setInterval(() => gauges().catch((error) => console.error(error.message)), everyMs);

for await (const event of events) {
  if (event.type === 'node') count(`node.${safe(event.node)}.${event.status}`);
  if (event.type === 'link') count(`link.${safe(event.node)}.${safe(event.link)}.${event.status}`);
  if (event.type === 'disconnected') count('daemon.gone');
  else if (client.connected) await gauges();
}
clearInterval(timer);
socket.close();

async function gauges() {
  if (!client.connected) return;
  const nodes = await client.nodes();
  const lines = nodes.map(({ name, status }) => `${prefix}.node.${safe(name)}.up:${isUp(status) ? 1 : 0}|g`);
  for (const { name } of nodes)
    for (const link of await client.links(name))
      lines.push(`${prefix}.link.${safe(name)}.${safe(link.name)}.up:${link.status === 'up' ? 1 : 0}|g`);
  const held = await client.resources();
  for (const set of ['none', 'local', 'foreign', 'all', 'transition'])
    lines.push(`${prefix}.holding.${set}:${set === held ? 1 : 0}|g`);
  send(lines.join('\n'));
}

function isUp(status) {
  return status === 'up' || status === 'active' || status === 'ping';
}

function count(name) {
  send(`${prefix}.${name}:1|c`);
}

/** Dots and colons have a meaning of their own there. */
function safe(name) {
  return name.replace(/[^A-Za-z0-9_-]/g, '_');
}

function send(text) {
  socket.send(text, Number(port), host);
}
