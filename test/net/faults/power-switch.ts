/**
 * A fencing device for the lab: a plugin of cluster-glue's `stonith` command that has the lab cut a host's power.
 */
import type { Host } from '../lab/host.ts';
import { eventually } from '../lab/wait.ts';

const pluginDirectory = '/usr/lib/stonith/plugins/external';
/** What the plugin leaves in its own host (`calls`, `request.NODE`), and what it finds there (`refuse`, `done.NODE`). */
export const switchFolder = '/var/log/switch';
/** A parameter of the device that nobody may tell. */
export const switchPassword = 'hunter2-of-the-lab';

/** The line of ha.cf that makes the device usable. */
export const switchLine = `stonith_host * external/lab node1,node2 ${switchPassword}`;

/**
 * `reset` leaves a request and waits until the power is off. While `refuse` exists it fails at once. Every call is written down with its time.
 */
const plugin = `#!/bin/sh
case "$1" in
  getconfignames) echo "hostlist password"; exit 0 ;;
  gethosts) echo "$hostlist" | tr , ' '; exit 0 ;;
  getinfo-*) echo "lab switch"; exit 0 ;;
  status) exit 0 ;;
  reset)
    echo "$(date +%s%3N) $2 [$password]" >>${switchFolder}/calls
    [ ! -e ${switchFolder}/refuse ] || { echo "lab switch does not answer"; exit 1; }
    : >${switchFolder}/request.$2
    for try in $(seq 6000); do
      [ ! -e ${switchFolder}/done.$2 ] || exit 0
      sleep 0.01
    done
    exit 1 ;;
esac
exit 1
`;

/** Wires a host's device to the power of the others. */
export async function giveSwitch(host: Host): Promise<void> {
  host.writeFile(`${switchFolder}/plugins/lab`, plugin, 0o755);
  await host.run(['mount', '--bind', `${switchFolder}/plugins`, pluginDirectory]);
}

/** Cuts the power of `target` as soon as the device of `host` is asked to, unless it is off already. */
export async function obeySwitch(host: Host, target: Host, timeoutMs: number): Promise<void> {
  const request = `${switchFolder}/request.${target.name}`;
  await eventually(() => host.exists(request), {
    what: `a reset of ${target.name} by ${host.name}`,
    timeoutMs,
    intervalMs: 2,
  });
  if (target.poweredOn) await target.powerOff();
  host.writeFile(`${switchFolder}/done.${target.name}`, '');
}
