#!/usr/bin/env node
// A tiebreaker: as the first resource of a group it refuses to start where no ping node answers. When the link between the nodes is cut, the
// side that has lost the network does not take over; the group stays with, or goes to, the side that the network still sees.
//
// haresources:   node1 quorum 10.0.0.10 web
// ha.cf:         ping 10.0.0.1                     (something that both nodes can lose only with their network)
//
// It stays where `systole/client` is installed. The name in haresources is a script of two lines, executable, /etc/ha.d/resource.d/quorum:
//                #!/bin/sh
//                exec /usr/local/lib/my-plugin/node_modules/.bin/node /usr/local/lib/my-plugin/quorum.mjs "$@"
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { connect } from 'systole/client';

// Empty after a reboot, as it must be.
const mark = process.env.QUORUM_MARK ?? '/run/heartbeat/quorum';

switch (process.argv.at(-1)) {
  case 'start':
    if (await seesNetwork()) writeFileSync(mark, '');
    else {
      console.error('no ping node answers: resources are not taken here');
      process.exitCode = 1;
    }
    break;
  case 'stop':
    rmSync(mark, { force: true });
    break;
  case 'status':
    console.log(existsSync(mark) ? 'running' : 'stopped');
    break;
  default:
    console.error('usage: quorum start|stop|status');
    process.exitCode = 2;
}

async function seesNetwork() {
  let client;
  try {
    client = await connect({ waitMs: 2_000 });
    return (await client.nodes()).some((node) => node.status === 'ping');
  } catch (error) {
    // A node that cannot be asked is no reason to take anything.
    console.error(error.message);
    return false;
  } finally {
    client?.close();
  }
}
