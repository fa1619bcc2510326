/** The demo's two nodes: their directories, their processes, and the way to end them so that nothing is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { adminRequest } from '../admin-client.ts';
import { daemonCommand } from '../commands/start.ts';
import { adminSocketPath } from '../directories.ts';

/** A node of the demo: its files and, while it runs, its process. */
export interface DemoNode {
  readonly name: string;
  readonly dir: string;
  readonly runDir: string;
  process: ChildProcess | null;
}

export interface DemoCluster {
  readonly dir: string;
  readonly servicePort: number;
  readonly nodes: readonly DemoNode[];
  start(node: DemoNode): void;
  /** Ends everything that was started and removes the files. */
  close(): Promise<void>;
}

/** The demo's node names and loopback addresses; the first one is the preferred owner of the service. */
const members = [
  { name: 'alpha', address: '127.0.0.1', peer: '127.0.0.2' },
  { name: 'beta', address: '127.0.0.2', peer: '127.0.0.1' },
] as const;

/** A UDP port that is free on every loopback address. It is closed again, so another program could take it: the daemon would say so. */
async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.once('error', reject);
  socket.bind(0, '127.0.0.1', () => resolve(socket.address().port));
  return await promise.finally(() => socket.close());
}

async function freeTcpPort(): Promise<number> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    resolve(typeof address === 'object' && address !== null ? address.port : 0);
  });
  return await promise.finally(() => server.close());
}

/** The folder of sample files, from a checkout and from an installed package alike. */
async function samplesDir(): Promise<string> {
  for (const base of ['../../../conf/samples/demo', '../../../../conf/samples/demo']) {
    const dir = fileURLToPath(new URL(base, import.meta.url));
    if (
      await readFile(join(dir, 'ha.cf')).then(
        () => true,
        () => false,
      )
    )
      return dir;
  }
  throw new Error('the sample files of the demo (conf/samples/demo) are missing from this installation');
}

/** Writes both nodes' configuration into a new temporary directory; nothing is started yet. */
export async function createDemoCluster(
  onExit: (node: DemoNode, code: number | null, signal: string | null) => void,
): Promise<DemoCluster> {
  const samples = await samplesDir();
  const [port, servicePort] = [await freeUdpPort(), await freeTcpPort()];
  const dir = await mkdtemp(join(tmpdir(), 'systole-demo-'));
  const key = randomBytes(16).toString('hex');
  const runtime = join(dir, 'node');
  await symlink(process.execPath, runtime);
  const nodes: DemoNode[] = [];
  for (const member of members) {
    const nodeDir = join(dir, member.name);
    const configDir = join(nodeDir, 'ha.d');
    await mkdir(join(nodeDir, 'state'), { recursive: true });
    await mkdir(join(nodeDir, 'run'), { recursive: true });
    await cp(samples, configDir, { recursive: true });
    await chmod(join(configDir, 'resource.d', 'web'), 0o755);
    const words: Readonly<Record<string, string>> = {
      DIR: nodeDir,
      PORT: String(port),
      ADDRESS: member.address,
      PEER: member.peer,
      SERVICE_PORT: String(servicePort),
      KEY: key,
      NODE: runtime,
    };
    for (const file of ['ha.cf', 'haresources', 'authkeys']) {
      const text = await readFile(join(configDir, file), 'utf8');
      const filled = text.replaceAll(/@([A-Z_]+)@/g, (word, name: string) => words[name] ?? word);
      // Removed first: the samples may be read-only, and so would be their copies.
      await rm(join(configDir, file));
      await writeFile(join(configDir, file), filled, { mode: file === 'authkeys' ? 0o600 : 0o644 });
    }
    await writeFile(join(configDir, 'nodeinfo'), `${member.name}\n`);
    nodes.push({ name: member.name, dir: nodeDir, runDir: join(nodeDir, 'run'), process: null });
  }
  const start = (node: DemoNode): void => {
    const command = daemonCommand({
      configDir: join(node.dir, 'ha.d'),
      stateDir: join(node.dir, 'state'),
      runDir: node.runDir,
      foreground: true,
      logFormat: 'text',
    });
    // A session of its own: Ctrl-C in the terminal reaches the demo alone, which then stops its nodes in order.
    const child = spawn(command.file, command.args, {
      env: command.env,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    node.process = child;
    let lastWords = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      lastWords = (lastWords + chunk.toString()).slice(-4_000);
    });
    child.once('exit', (code, signal) => {
      node.process = null;
      if (code !== 0 && code !== null) process.stderr.write(lastWords);
      onExit(node, code, signal);
    });
  };
  return {
    dir,
    servicePort,
    nodes,
    start,
    close: async () => {
      await Promise.all(nodes.map((node) => stopNode(node)));
      await rm(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/** Graceful stop with a deadline, then the hard way; a killed node's guardian gets time to release what the node held. */
async function stopNode(node: DemoNode): Promise<void> {
  const child = node.process;
  if (child !== null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await Promise.race([gone, delay(8_000, undefined, { ref: false })]);
    if (node.process !== null) {
      child.kill('SIGKILL');
      await gone;
    }
  }
  // Nothing may still write into the directory that is about to go.
  for (let tries = 0; tries < 50 && (await guardianLives(node)); tries++) await delay(100);
}

async function guardianLives(node: DemoNode): Promise<boolean> {
  const text = await readFile(join(node.dir, 'state', 'guardian.lock'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!Number.isInteger(pid) || pid <= 1) return false;
  const cmdline = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return cmdline.includes('guardian');
}

/** Waits until a node answers on its admin socket. @returns false when its process ended first or the deadline passed */
export async function waitUntilUp(node: DemoNode, deadlineMs: number): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end && node.process !== null) {
    const answer = await adminRequest(adminSocketPath(node.runDir), 'status', {}, 1_000);
    if (answer.kind === 'result') return true;
    await delay(20);
  }
  return false;
}
