/**
 * Namespaces without names: each lives exactly as long as its first process, and that one dies with this program.
 *
 * Nothing is bound under /run/netns and nothing is mounted outside, so there is nothing to clean up after a crash.
 */

import { LabProcess } from './process.ts';
import { eventually } from './wait.ts';

/** A network namespace, perhaps with mount, UTS and PID namespaces around the same first process. */
export interface Namespace {
  /** Pid of the first process as this machine counts; in a host it is pid 1. */
  readonly initPid: number;
  /** The command line that enters only the network namespace; the program keeps its pid, files and processes are this machine's. */
  readonly enterNetwork: readonly string[];
  /** The command line that enters everything; forks, so start it with `forks: true`. */
  readonly enter: readonly string[];
  /** Kills the first process at once; with a PID namespace every process in it dies. */
  kill(): void;
  /** Waits until the first process is gone: with a PID namespace that proves that all its processes are gone. */
  gone(): Promise<void>;
}

/** A directory of this machine that a host sees elsewhere. */
export interface Bind {
  readonly source: string;
  readonly target: string;
}

const namespaceReadyMs = 10_000;

/** Makes a network namespace (for a switch). */
export async function bootNetworkNamespace(): Promise<Namespace> {
  const first = new LabProcess(['unshare', '--net', 'sh', '-c', 'echo "ready $$"; exec sleep infinity']);
  return ready(first);
}

/**
 * Boots a host: network, mount, UTS and PID namespace around one init process, which reaps what it inherits (SIGCHLD ignored).
 *
 * @param hostname  what `uname -n` says in it
 * @param binds     directories bound in it, in this order
 * @param startup   shell commands that run in it before it counts as booted
 */
export async function bootHostNamespace(hostname: string, binds: readonly Bind[], startup: string): Promise<Namespace> {
  // The shell opens /proc/self/stat itself, through this machine's /proc: the first field is its pid outside.
  const script = `set -e
    read -r outer _ </proc/self/stat
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys 2>/dev/null || echo "sysfs: still shows the outer interfaces" >&2
    hostname "$1"; shift
    while [ $# -gt 0 ]; do mount --bind "$1" "$2"; shift 2; done
    ${startup}
    echo "ready $outer"
    exec env --ignore-signal=CHLD sleep infinity`;
  const flags = ['--net', '--mount', '--uts', '--pid', '--fork', '--kill-child=KILL', '--propagation', 'private'];
  const bindWords = binds.flatMap((bind) => [bind.source, bind.target]);
  const first = new LabProcess(['unshare', ...flags, 'sh', '-c', script, 'init', hostname, ...bindWords]);
  return ready(first);
}

async function ready(first: LabProcess): Promise<Namespace> {
  const initPid = await eventually(
    () => {
      const match = /^ready (\d+)$/m.exec(first.stdout);
      if (match?.[1] !== undefined) return Number(match[1]);
      return first.running ? undefined : 0;
    },
    { what: `a new namespace (${first.argv[0]}: ${first.stderr.trim()})`, timeoutMs: namespaceReadyMs, intervalMs: 2 },
  );
  if (initPid === 0) throw new Error(`namespace did not start: ${first.stderr.trim() || first.stdout.trim()}`);
  first.unref();
  return {
    initPid,
    enterNetwork: ['nsenter', `--net=/proc/${initPid}/ns/net`, '--'],
    enter: ['nsenter', '--target', String(initPid), '--net', '--mount', '--uts', '--pid', '--'],
    kill: () => {
      if (first.running) process.kill(initPid, 'SIGKILL');
    },
    gone: async () => {
      first.ref();
      await first.exited;
    },
  };
}
