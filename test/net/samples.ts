/**
 * The configurations of conf/samples as clusters of a lab. They are adapted mechanically, word for word: addresses, device files and times;
 * every directive stays as it is written, those of which nothing happens yet included.
 */
import { readFileSync } from 'node:fs';
import type { ClusterPlan } from './cluster.ts';
import { times } from './cluster.ts';
import type { Host } from './lab/host.ts';
import type { Lab } from './lab/lab.ts';

/** A word of the sample and what stands for it; it must occur. */
type Substitution = readonly [word: RegExp, replacement: string];

interface Sample {
  readonly directory: string;
  /** The first one is the preferred owner. */
  readonly hosts: readonly [string, string];
  readonly networks: readonly string[];
  readonly resources: readonly string[];
  /** Scripts of the group that become stand-in services. */
  readonly services: readonly string[];
  readonly substitutions: (peer: Host, lab: Lab, device: string) => readonly Substitution[];
}

const shortTimes: readonly Substitution[] = [
  [/^keepalive 2$/gm, `keepalive ${times.keepaliveMs}ms`],
  [/^warntime 10$/gm, `warntime ${times.deadtimeMs / 2}ms`],
  [/^deadtime [36]0$/gm, `deadtime ${times.deadtimeMs}ms`],
  [/^initdead 120$/gm, `initdead ${times.initdeadMs}ms`],
];

export const samples: readonly Sample[] = [
  {
    directory: 'two-node',
    hosts: ['test7', 'test8'],
    networks: ['net0'],
    resources: ['10.77.0.109', 'service:http'],
    services: ['http'],
    substitutions: (_peer, lab) => [
      [/172\.18\.3\.208/g, lab.network('net0').pingAddress],
      [/172\.18\.3\.209/g, '10.77.0.109'],
    ],
  },
  {
    directory: 'getting-started',
    hosts: ['linuxha1.linux-ha.org', 'linuxha2.linux-ha.org'],
    networks: ['net0', 'net1'],
    resources: ['10.77.0.103', 'service:httpd', 'service:smb'],
    services: ['httpd', 'smb'],
    substitutions: (_peer, lab, device) => [
      [/\/dev\/ttyS0/g, device],
      [/ping1\.linux-ha\.org/g, lab.network('net0').pingAddress],
      [/ping2\.linux-ha\.org/g, lab.network('net1').pingAddress],
      [/192\.168\.85\.3/g, '10.77.0.103'],
    ],
  },
  {
    directory: 'web-and-disk',
    hosts: ['node1', 'node2'],
    networks: ['net0', 'net1'],
    resources: ['10.77.0.120', 'service:Filesystem'],
    services: ['Filesystem'],
    substitutions: (peer, lab) => [
      [/192\.168\.60\.132/g, peer.attachment('net0').address],
      [/192\.168\.60\.1$/gm, lab.network('net0').pingAddress],
      [/192\.168\.60\.200/g, '10.77.0.120'],
    ],
  },
];

/** Any script name as a stand-in service of that name; the action is its last argument. */
const standIn = `#!/bin/sh
for action; do :; done
exec /etc/ha.d/resource.d/service "\${0##*/}" "$action"
`;

/** @param devices a serial device for each host, in their order */
export function samplePlan(sample: Sample, devices: readonly string[]): ClusterPlan {
  const read = (file: string): string =>
    readFileSync(new URL(`../../conf/samples/${sample.directory}/${file}`, import.meta.url), 'utf8');
  return {
    hosts: sample.hosts,
    networks: sample.networks,
    resources: sample.resources,
    configure: (host, lab) => {
      const peer = lab.hosts.find((other) => other !== host);
      if (peer === undefined) throw new Error('a cluster of one');
      const all = [...shortTimes, ...sample.substitutions(peer, lab, devices[host.number - 1] ?? '')];
      const [haCf, haresources] = substitute([read('ha.cf'), read('haresources')], all);
      return {
        haCf: haCf ?? '',
        haresources: haresources ?? '',
        authkeys: read('authkeys'),
        scripts: Object.fromEntries(sample.services.map((name) => [name, standIn])),
      };
    },
  };
}

/** @throws Error when a word occurs in none of the texts: then the sample has changed, and the adaption must */
function substitute(texts: readonly string[], substitutions: readonly Substitution[]): readonly string[] {
  for (const [word] of substitutions) {
    if (!texts.some((text) => text.search(word) >= 0)) throw new Error(`${word} does not occur in the sample`);
  }
  return texts.map((text) =>
    substitutions.reduce((adapted, [word, replacement]) => adapted.replace(word, replacement), text),
  );
}
