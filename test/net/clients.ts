/**
 * Two clusters side by side for tests of clients: in one node1 is the original, in the other it is Systole; node2 is the original in both.
 */
import { Lab } from './lab/lab.ts';
import type { ExecResult } from './lab/process.ts';
import { eventually } from './lab/wait.ts';

const haCf = `debugfile /var/log/ha-debug
logfile /var/log/ha-log
keepalive 500ms
deadtime 4
warntime 2
initdead 10
auto_failback on
bcast eth0 eth1
ping 10.77.0.254
apiauth sdktest uid=root
apiauth dopd uid=hacluster gid=haclient
node node1
node node2
`;
const haresources = 'node1 service::web\nnode2 service::db\n';
/** Two clusters start, or move their resources, on a busy machine [ms]. */
export const startMs = 90_000;

/** A cluster whose node2 is the original, and whose node1 is what is tested. */
async function cluster(kind: 'original' | 'systole'): Promise<Lab> {
  const lab = await Lab.create({ networks: ['net0', 'net1'] });
  try {
    for (const host of lab.hosts) host.configure({ haCf, haresources });
    const node1 = lab.host('node1');
    if (kind === 'systole') node1.startSystole();
    else await node1.startHeartbeat();
    await lab.host('node2').startHeartbeat();
    await holding(lab, 'local', 'local');
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

interface Pair extends AsyncDisposable {
  readonly original: Lab;
  readonly ours: Lab;
}

export async function bothClusters(): Promise<Pair> {
  const made = await Promise.allSettled([cluster('original'), cluster('systole')]);
  const labs = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const [original, ours] = labs;
  const close = async (): Promise<void> => {
    await Promise.all(labs.map((lab) => lab.close()));
  };
  if (original !== undefined && ours !== undefined) return { original, ours, [Symbol.asyncDispose]: close };
  await close();
  throw made.find((result) => result.status === 'rejected')?.reason;
}

/** Waits until both nodes hold what they should. */
export async function holding(lab: Lab, ...expected: readonly [string, string]): Promise<void> {
  await eventually(
    async () => {
      const held = await Promise.all(lab.hosts.map((host) => host.clStatus('rscstatus')));
      return held.every(({ answer }, index) => answer === expected[index]);
    },
    { what: `node1 to hold ${expected[0]}, node2 ${expected[1]}`, timeoutMs: startMs, intervalMs: 200 },
  );
}

/** What a program printed and how it ended, without what is of the moment: times and process numbers. */
export function timeless({ code, stdout, stderr }: ExecResult): {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
} {
  const words = (text: string): string =>
    text
      .replace(/\w{3} \d\d \d\d:\d\d:\d\d /g, '')
      .replace(/\[\d+\]/g, '[PID]')
      .replace(/\bpid \d+/g, 'pid PID');
  return { code, stdout: words(stdout), stderr: words(stderr) };
}
