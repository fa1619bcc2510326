#!/usr/bin/env node
// A plugin in thirty lines: it says what happens to the cluster, and greets its partners on the other nodes.
//
// ha.cf, on all nodes:   respawn root /usr/local/lib/my-plugin/node_modules/.bin/node /usr/local/lib/my-plugin/plugin.mjs
//                        apiauth my-plugin uid=root
import process from 'node:process';
import { connect } from 'systole/client';

const client = await connect({ name: 'my-plugin', waitMs: Number.POSITIVE_INFINITY });
// The daemon stops us by SIGTERM: the loop below ends with the connection.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => client.close());

const events = client.events();
console.log(`on ${client.facts.node}, holding ${await client.resources()}`);
for (const node of await client.nodes()) console.log(`${node.name} is ${node.status}`);
client.send({ type: 'my-plugin-hello', fields: { text: `hello from ${client.facts.node}` } });

for await (const event of events) {
  switch (event.type) {
    case 'node':
      console.log(`${event.node} is now ${event.status}, and we hold ${await client.resources()}`);
      break;
    case 'link':
      console.log(`link ${event.link} to ${event.node} is ${event.status}`);
      break;
    case 'message':
      if (event.message.type === 'my-plugin-hello')
        console.log(`${event.message.from} says: ${event.message.fields.text}`);
      break;
    case 'connected':
      // The daemon was restarted: ask again for what matters.
      console.log(`connected again, holding ${await client.resources()}`);
      break;
  }
}
