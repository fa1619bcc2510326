/** Fencing devices as real programs, run by a real guardian: agents, cluster-glue's `stonith`, and what becomes of those that hang. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FencingDevice } from '../../actors/fencing/device.ts';
import { fenceAgentDevice } from '../../actors/fencing/fence-agent.ts';
import { Fencer } from '../../actors/fencing/fencer.ts';
import { RETRY_MS } from '../../actors/fencing/fencing.core.ts';
import { stonithCommandDevice } from '../../actors/fencing/stonith-command.ts';
import { GuardianClient } from '../../actors/guardian/client.ts';
import { readFenceAgentLine } from '../../conf/fence-agent.ts';
import { ms, nodeName } from '../../runtime/units.ts';
import { eventually } from '../net/lab/wait.ts';

const n1 = nodeName('node1');
const n2 = nodeName('node2');
const secret = 'hunter2-of-the-test';
let dir = '';
let guardian: GuardianClient;

beforeAll(async () => {
  guardian = new GuardianClient({
    mode: 'off',
    environment: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    log: null,
    stopTimeoutMs: 5_000,
    addressGraceMs: 1_000,
    onWarning: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  await guardian.start();
});
afterAll(() => guardian.bye());
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'systole-fencing-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A fencer of node2 with its devices; what it does is written down. */
class Bench {
  readonly log: string[] = [];
  readonly fenced: string[] = [];
  readonly #retries: (() => void)[] = [];
  #skippedMs = 0;
  readonly fencer: Fencer;

  constructor(devices: readonly FencingDevice[], timeoutMs = 20_000) {
    this.fencer = new Fencer({
      devices,
      partner: n1,
      timeoutMs,
      run: (command, limitMs, options) => guardian.run(command, limitMs, options),
      now: () => ms(performance.now() + this.#skippedMs),
      at: (_instantMs, fn) => {
        this.#retries.splice(0, 1, fn);
        return { cancel: () => this.#retries.splice(0) };
      },
      enqueue: (fn) => fn(),
      log: (severity, text) => this.log.push(`${severity}: ${text}`),
      event: () => undefined,
      tell: (node, result) => this.log.push(`stonith ${node} ${result}`),
      fenced: (node, by) => this.fenced.push(`${node} by ${by}`),
    });
  }

  fence(): void {
    this.fencer.take({ type: 'fence', node: n1, wasHeard: true });
  }

  /** The pause before the next try is over. */
  retry(): void {
    this.#skippedMs += RETRY_MS;
    for (const fn of this.#retries.splice(0)) fn();
  }

  async until(what: string): Promise<void> {
    await eventually(() => this.log.some((line) => line.includes(what)) || this.fenced.some((line) => line === what), {
      what: `${what} in ${this.log.join('\n')}`,
      timeoutMs: 20_000,
    });
  }
}

/** A fence agent that writes down what it was given and then does as told. */
function agent(behaviour: string, parameters = `ip=10.0.0.9 password=${secret}`): FencingDevice {
  const path = join(dir, 'fence_lab');
  writeFileSync(
    path,
    `#!/bin/sh\ntr '\\0' ' ' </proc/$$/cmdline >${dir}/cmdline\necho $$ >${dir}/pid\ncat >${dir}/input\n${behaviour}\n`,
  );
  chmodSync(path, 0o755);
  return fenceAgentDevice({ id: 'fence_lab', program: path, read: () => readFenceAgentLine(parameters) });
}

const written = (name: string): string => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '');

/** A corpse that nobody has fetched yet is not alive. */
function isAlive(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : '';
  return stat !== '' && !stat.includes(') Z ');
}

describe('a fence agent', () => {
  it('gets its parameters through standard input, where nobody else sees them', async () => {
    const bench = new Bench([agent('exit 0')]);
    bench.fence();
    await bench.until('node1 by device');
    expect(written('input')).toBe(
      `ip=10.0.0.9\npassword=${secret}\naction=reboot\nnodename=node1\nplug=node1\nport=node1\n`,
    );
    expect(written('cmdline')).not.toContain(secret);
    expect(bench.log).toEqual([
      'info: Resetting node node1 with [fence_lab]',
      'info: node node1 now reset.',
      `info: Managed STONITH node1 process ${written('pid').trim()} exited with return code 0.`,
      'stonith node1 OK',
    ]);
  });

  it('that fails is tried again; what it says is logged without its secrets', async () => {
    const bench = new Bench([
      agent(`[ -e ${dir}/works ] && exit 0; echo connecting; echo "login with ${secret} failed" >&2; exit 1`),
    ]);
    bench.fence();
    await bench.until('STONITH of node1 failed.  Retrying...');
    expect(bench.log).toContain('info: STONITH device [fence_lab]: login with *** failed');
    expect(bench.fenced).toEqual([]);
    writeFileSync(join(dir, 'works'), '');
    bench.retry();
    await bench.until('node1 by device');
  });

  it('that hangs is stopped when its time is over, and the next device is used', async () => {
    const hangs = agent('sleep 600');
    const other = join(dir, 'fence_other');
    writeFileSync(other, '#!/bin/sh\nexit 0\n');
    chmodSync(other, 0o755);
    const works = fenceAgentDevice({ id: 'fence_other', program: other, read: () => readFenceAgentLine('') });
    const bench = new Bench([hangs, works], 1_000);
    bench.fence();
    await bench.until('node1 by device');
    expect(bench.log).toContain('ERROR: STONITH device [fence_lab] was not done within 1000 ms and was stopped.');
    expect(bench.log).toContain('info: Resetting node node1 with [fence_other]');
    expect(isAlive(Number(written('pid')))).toBe(false);
  });

  it('is stopped at once when the node is heard again', async () => {
    const bench = new Bench([agent('sleep 600')]);
    bench.fence();
    await eventually(() => written('input') !== '', { what: 'the agent to run' });
    const pid = Number(written('pid'));
    bench.fencer.take({ type: 'cancel', why: 'returned' });
    await eventually(() => !isAlive(pid), { what: 'the end of the agent' });
    expect(bench.log.at(-1)).toBe('WARN: STONITH of node1 cancelled: node1 is heard again.');
    expect(bench.fenced).toEqual([]);
  });

  it("is stopped when the operator's word comes first", async () => {
    const bench = new Bench([agent('sleep 600')]);
    expect(bench.fencer.confirm('node1')).toMatchObject({ ok: false });
    bench.fence();
    await eventually(() => written('input') !== '', { what: 'the agent to run' });
    expect(bench.fencer.confirm('NODE1')).toMatchObject({ ok: true });
    expect(bench.fenced).toEqual(['node1 by operator']);
    await eventually(() => !isAlive(Number(written('pid'))), { what: 'the end of the agent' });
  });

  it('that is lost with a dying guardian has not fenced anybody', async () => {
    const bench = new Bench([agent(`[ -e ${dir}/works ] && exit 0; sleep 600`)]);
    bench.fence();
    await eventually(() => written('input') !== '', { what: 'the agent to run' });
    process.kill(guardian.pid ?? 0, 'SIGKILL');
    await bench.until('STONITH of node1 failed.  Retrying...');
    expect(bench.fenced).toEqual([]);
    await eventually(() => !isAlive(Number(written('pid'))), { what: 'the end of the agent' });
    writeFileSync(join(dir, 'works'), '');
    await eventually(() => guardian.pid !== undefined, { what: 'a new guardian' });
    bench.retry();
    await bench.until('node1 by device');
  });
});

describe.skipIf(!existsSync('/usr/sbin/fence_dummy'))('a real agent, fence_dummy', () => {
  const dummy = (type: string): FencingDevice =>
    fenceAgentDevice({
      id: 'fence_dummy',
      program: '/usr/sbin/fence_dummy',
      read: () => readFenceAgentLine(`type=${type} status_file=${dir}/state power_timeout=1`),
    });

  it('resets, and says how it is', async () => {
    const bench = new Bench([dummy('file')]);
    bench.fencer.take({ type: 'comm-up' });
    await bench.until('Managed STONITH-stat process');
    expect(bench.fencer.view().devices).toMatchObject([{ device: 'fence_dummy', status: 'ok' }]);
    bench.fence();
    await bench.until('node1 by device');
    expect(written('state').trim()).toBe('on');
  });

  it('fails', async () => {
    const bench = new Bench([dummy('fail')]);
    bench.fence();
    await bench.until('Host node1 not reset!');
    expect(bench.fenced).toEqual([]);
  });
});

const pluginDirectory = '/usr/lib/stonith/plugins/external';
const canStonith = process.getuid?.() === 0 && existsSync('/usr/sbin/stonith') && existsSync(pluginDirectory);

describe.skipIf(!canStonith)("cluster-glue's stonith command", () => {
  /** The real command, in a mount namespace of its own in which our plugin is installed. */
  function stonith(type: string, parameters: string): FencingDevice {
    const program = join(dir, 'stonith');
    const mounting = `mount --bind ${dir}/plugins ${pluginDirectory} && exec /usr/sbin/stonith "$@"`;
    writeFileSync(
      program,
      `#!/bin/sh\necho "$*" >>${dir}/cmdline\nexec unshare --mount --propagation private sh -c '${mounting}' stonith "$@"\n`,
    );
    chmodSync(program, 0o755);
    mkdirSync(join(dir, 'plugins'));
    writeFileSync(
      join(dir, 'plugins/lab'),
      `#!/bin/sh
case "$1" in
  getconfignames) echo "hostlist password"; exit 0 ;;
  gethosts) echo "$hostlist" | tr , ' '; exit 0 ;;
  getinfo-*) echo lab; exit 0 ;;
esac
echo "$* [$hostlist] [$password]" >>${dir}/calls
[ ! -e ${dir}/refuse ] || { echo "does not answer"; exit 1; }
exit 0
`,
    );
    chmodSync(join(dir, 'plugins/lab'), 0o755);
    return stonithCommandDevice({ id: type, type, file: null, parameters: () => parameters, nodes: [n1, n2], program });
  }

  it('runs external plugins, which get the parameters, and nobody else does', async () => {
    const bench = new Bench([stonith('external/lab', `node1,node2 ${secret} and more`)]);
    bench.fencer.take({ type: 'comm-up' });
    await bench.until('Managed STONITH-stat process');
    bench.fence();
    await bench.until('node1 by device');
    expect(written('calls').trim().split('\n')).toEqual([
      `status [node1,node2] [${secret} and more]`,
      `reset node1 [node1,node2] [${secret} and more]`,
    ]);
    expect(written('cmdline').trim().split('\n')).toEqual([
      '-s -t external/lab -F /dev/stdin -S',
      '-s -t external/lab -F /dev/stdin -T reset node1',
    ]);
  });

  it('tells a plugin that refuses, and one that works again', async () => {
    const bench = new Bench([stonith('external/lab', `node1,node2 ${secret}`)]);
    writeFileSync(join(dir, 'refuse'), '');
    bench.fence();
    await bench.until('Host node1 not reset!');
    expect(bench.log).toContain('stonith node1 bad');
    rmSync(join(dir, 'refuse'));
    bench.retry();
    await bench.until('node1 by device');
  });

  it('has a device that does nothing, and none of an unknown type', async () => {
    const bench = new Bench([stonith('null', 'node1 node2')]);
    bench.fence();
    await bench.until('node1 by device');
    rmSync(join(dir, 'plugins'), { recursive: true });
    const unknown = new Bench([stonith('no-such-type', 'node1')]);
    unknown.fence();
    await unknown.until('Host node1 not reset!');
    expect(unknown.fenced).toEqual([]);
  });
});
