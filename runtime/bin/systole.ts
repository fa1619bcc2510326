/** The operator's command. Each subcommand is a function in `commands/`; this file is only the command line. */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { BenchDetectOptions } from './commands/bench.ts';
import { defaultDirectories, directoriesFrom } from './directories.ts';
import { parseDuration } from './duration.ts';
import { exitCode } from './exit-codes.ts';
import { processIo } from './io.ts';

const io = processIo();
const program = new Command('systole');

/** Commands are loaded when they are asked for: `status` in a loop should not pay for the configuration readers. */
type DirectoryOptions = { configDir?: string; stateDir?: string; runDir?: string };

const configDirOption = new Option(
  '--config-dir <dir>',
  `ha.cf, haresources and authkeys are here (default: ${defaultDirectories.configDir})`,
);
const stateDirOption = new Option(
  '--state-dir <dir>',
  `identity and generation (default: ${defaultDirectories.stateDir})`,
);
const runDirOption = new Option('--run-dir <dir>', `sockets and pid file (default: ${defaultDirectories.runDir})`);
const jsonOption = new Option('--json', 'print JSON');

function readVersion(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const text: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
      if (typeof text === 'object' && text !== null && 'version' in text) return String(text.version);
    } catch (error) {
      // One of the two places exists: the first in a checkout, the second in an installed package.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
  return 'unknown';
}

program
  .description('A cluster heartbeat: Linux-HA Heartbeat reborn. Two machines keep one service alive.')
  .version(readVersion())
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text) })
  .showHelpAfterError('(systole --help lists the commands, systole COMMAND --help its options)');

program
  .command('start')
  .description('run a node: in the background, or as this process with --foreground')
  .addOption(configDirOption)
  .addOption(stateDirOption)
  .addOption(runDirOption)
  .option('--foreground', 'do not detach: for service managers')
  .addOption(new Option('--log-format <format>', "Heartbeat's lines or JSON").choices(['text', 'json']).default('text'))
  .action(async (options: DirectoryOptions & { foreground?: boolean; logFormat: 'text' | 'json' }) => {
    const { runStart } = await import('./commands/start.ts');
    process.exitCode = await runStart(
      { ...directoriesFrom(options), foreground: options.foreground ?? false, logFormat: options.logFormat },
      io,
    );
  });

program
  .command('stop')
  .description('stop the node gracefully: it gives its resources up first')
  .addOption(runDirOption)
  .addOption(jsonOption)
  .addOption(
    new Option('--timeout <duration>', 'how long to wait until it is gone')
      .argParser(parseDuration)
      .default(600_000, '10m'),
  )
  .action(async (options: { runDir?: string; json?: boolean; timeout: number }) => {
    const { runStop } = await import('./commands/stop.ts');
    process.exitCode = await runStop(
      { runDir: directoriesFrom(options).runDir, json: options.json ?? false, timeoutMs: options.timeout },
      io,
    );
  });

program
  .command('reload')
  .description('read authkeys again, check ha.cf, without a change of state')
  .addOption(runDirOption)
  .addOption(jsonOption)
  .addOption(
    new Option('--timeout <duration>', 'how long to wait for the answer')
      .argParser(parseDuration)
      .default(30_000, '30s'),
  )
  .action(async (options: { runDir?: string; json?: boolean; timeout: number }) => {
    const { runReload } = await import('./commands/stop.ts');
    process.exitCode = await runReload(
      { runDir: directoriesFrom(options).runDir, json: options.json ?? false, timeoutMs: options.timeout },
      io,
    );
  });

program
  .command('check')
  .description('every error and warning of the configuration at once; 0 when the node would start')
  .addOption(configDirOption)
  .addOption(jsonOption)
  .option('--no-measure', 'do not measure whether the timers of this machine suit a short deadtime (a second)')
  .action(async (options: { configDir?: string; json?: boolean; measure: boolean }) => {
    const { runCheck } = await import('./commands/check.ts');
    const { configDir } = directoriesFrom(options);
    process.exitCode = await runCheck({ configDir, json: options.json ?? false, measure: options.measure }, io);
  });

program
  .command('status')
  .description('nodes, links and resources of the running node; 3 when it is not running')
  .addOption(runDirOption)
  .addOption(jsonOption)
  .option('--watch', 'print again every second')
  .action(async (options: { runDir?: string; json?: boolean; watch?: boolean }) => {
    const { runStatus } = await import('./commands/status.ts');
    process.exitCode = await runStatus(
      { runDir: directoriesFrom(options).runDir, json: options.json ?? false, watch: options.watch ?? false },
      io,
    );
  });

for (const [command, description] of [
  [
    'standby',
    'give resources to the other node: all of them, those that prefer it (foreign, failback) or our own (local)',
  ],
  ['takeover', 'get resources from the other node: all of them, our own (local, failback) or its own (foreign)'],
] as const)
  program
    .command(command)
    .description(description)
    .addArgument(new Argument('[set]', 'which').choices(['all', 'foreign', 'local', 'failback']).default('all'))
    .addOption(runDirOption)
    .addOption(jsonOption)
    .option('--wait', 'return when it is done, not when it has begun')
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the answer (default: 10s, with --wait 10m)').argParser(
        parseDuration,
      ),
    )
    .action(
      async (
        set: 'all' | 'foreign' | 'local' | 'failback',
        options: { runDir?: string; json?: boolean; wait?: boolean; timeout?: number },
      ) => {
        const { runHandover } = await import('./commands/standby.ts');
        const wait = options.wait ?? false;
        process.exitCode = await runHandover(
          {
            command,
            set,
            wait,
            runDir: directoriesFrom(options).runDir,
            json: options.json ?? false,
            timeoutMs: options.timeout ?? (wait ? 600_000 : 10_000),
          },
          io,
        );
      },
    );

program
  .command('fence-confirm')
  .description('say that a node which is being fenced is switched off: its resources are taken on your word alone')
  .argument('<node>', 'the node that is switched off')
  .addOption(runDirOption)
  .addOption(jsonOption)
  .option('--yes', 'do not ask: you have made sure that the node is switched off')
  .addOption(
    new Option('--timeout <duration>', 'how long to wait for the answer')
      .argParser(parseDuration)
      .default(10_000, '10s'),
  )
  .action(async (node: string, options: { runDir?: string; json?: boolean; yes?: boolean; timeout: number }) => {
    const { runFenceConfirm } = await import('./commands/fence-confirm.ts');
    process.exitCode = await runFenceConfirm(
      {
        node,
        yes: options.yes ?? false,
        runDir: directoriesFrom(options).runDir,
        json: options.json ?? false,
        timeoutMs: options.timeout,
        ask: process.stdin.isTTY ? askLine : null,
      },
      io,
    );
  });

const decodeHelp = `
A message that a node would not accept is followed by the reason: its signature does not fit, its key is not in
authkeys, its generation or number is past, it went to another port, a field is missing. What is no message at all
is an error with the place of the first wrong byte. Generations and numbers are judged over the whole capture.

Exit codes: 0 every packet that counts is a heartbeat message, whatever a node would make of it; 1 some are not, the
file cannot be read to its end, or there is none; 2 wrong usage.`;

program
  .command('decode')
  .description('one line per heartbeat packet of a capture: format, type, fields, signature verdict')
  .argument('<file>', 'a pcap or pcapng file, or what was heard on a serial line')
  .option('--authkeys <file>', 'keys to check the signatures with')
  .option('--port <port>', 'the heartbeat port: messages to other ports are then called so', parsePort)
  .addOption(jsonOption)
  .addHelpText('after', decodeHelp)
  .action(async (file: string, options: { authkeys?: string; port?: number; json?: boolean }) => {
    const { runDecode } = await import('./decode.ts');
    process.exitCode = await runDecode(
      { file, authkeysFile: options.authkeys ?? null, json: options.json ?? false, port: options.port ?? null },
      io,
    );
  });

program
  .command('demo')
  .description('a whole cluster on this machine, without root: see a failover')
  .option(
    '--kill-after <duration>',
    'kill the serving node by itself, this long after the service first answered',
    parseDuration,
  )
  .option('--exit-after-failover', 'end then: 0 only if the service answered again from the other node')
  .addOption(jsonOption)
  .action(async (options: { killAfter?: number; exitAfterFailover?: boolean; json?: boolean }) => {
    const { runDemo } = await import('./commands/demo.ts');
    const exitAfterFailover = options.exitAfterFailover ?? false;
    // Without --kill-after nobody would ever kill the node that --exit-after-failover waits for.
    const killAfterMs = options.killAfter ?? (exitAfterFailover ? 5_000 : null);
    process.exitCode = await runDemo({ killAfterMs, exitAfterFailover, json: options.json ?? false }, io);
  });

const bench = program.command('bench').description('measure this machine (in a checkout only)');

bench
  .command('detect')
  .description(
    'how long after its deadline a death is found, and how soon the address is there, beside other programs: in namespaces as root, else on loopback',
  )
  .option('--timings <list>', 'keepalive/deadtime in ms (default: 5/15,10/30,20/60,100/300)')
  .option('--faults <list>', 'kill, cut, freeze (default: all)')
  .option('--loads <list>', 'idle, busy (default: idle)')
  .option('--media <list>', 'ucast, bcast, mcast (default: ucast)')
  .option(
    '--peers <list>',
    'floor, systole, keepalived-vrrp, keepalived-bfd, bird-bfd, heartbeat-3.0.6 (default: all that are installed)',
  )
  .option('--trials <count>', 'of each fault in each setting and round (default: 5)')
  .option('--rounds <count>', 'do everything so many times (default: 1)')
  .option(
    '--soak <seconds>',
    'leave each pair alone for so long: false deaths, CPU, jitter; 0: not at all (default: 10)',
  )
  .option('--no-realtime', 'ordinary scheduling for all')
  .option('--loopback', 'the reduced form, also as root', false)
  .option('--out <dir>', 'records.jsonl, report.md, report.html and plots go there')
  .option(
    '--compare <file>',
    'repeat the run of which these are the records; 1 if a ratio to the floor is worse by 30 %',
  )
  .option('--json', 'print the records, one a line', false)
  .action(async (options: BenchDetectOptions) => {
    const { runBenchDetect } = await import('./commands/bench.ts');
    process.exitCode = await runBenchDetect(options, io);
  });

/** Asks on the terminal; the question goes to standard error, where the warning is. An end of input is an empty line. */
async function askLine(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    return await Promise.race([lines.question(question), ended]);
  } finally {
    lines.close();
  }
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('a port is a number from 1 to 65535');
  return port;
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end with 0, everything else is a wrong command line.
    process.exitCode = error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  } else if (error instanceof Error && 'syscall' in error) {
    // The machine refused something that no command foresees: its own words say what and where.
    io.err(`systole: ${error.message}\n`);
    process.exitCode = exitCode.general;
  } else throw error;
}
