/**
 * The fault matrix: every scenario with Systole and the real Heartbeat 3.0.6 in both roles, judged by the laboratory's referee.
 *
 *     node bench/faults.bench.ts [--starts 50] [--parallel 1] [--only 4,7-node1-mute] [--pairings real–real] [--record FILE] [--speed] [--json]
 *
 * Needs root and the laboratory's packages. Prints Markdown, or JSON with `--json`. With `--record` each play is a line of that file, and
 * what is in it already is not played again: a long run can be continued, and `--only none` shows what there is. `--speed` measures how fast an
 * address moves as well (bench/faults/speed.ts).
 */
import { parseArgs } from 'node:util';
import { matrix } from '../test/net/faults/index.ts';
import { type PairingName, pairings } from '../test/net/faults/scenario.ts';
import { playScenario } from '../test/net/faults/stage.ts';
import { labObstacle } from '../test/net/lab/prerequisites.ts';
import { times } from '../test/net/pair.ts';
import { appendRecord, type PlayRecord, readRecords } from './faults/records.ts';
import { measureSpeed, type Speed } from './faults/speed.ts';
import { faultNotes, faultTable } from './faults/table.core.ts';

const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '50' },
    parallel: { type: 'string', default: '1' },
    only: { type: 'string' },
    pairings: { type: 'string' },
    record: { type: 'string' },
    speed: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

const obstacle = labObstacle();
if (obstacle !== null) {
  process.stderr.write(`the fault matrix cannot run here: ${obstacle}\n`);
  process.exit(1);
}

const say = (line: string): boolean => process.stderr.write(`${line}\n`);

function isPairing(name: string): name is PairingName {
  return name in pairings;
}

const wantedPairings = (values.pairings?.split(',') ?? Object.keys(pairings)).map((name) => {
  if (!isPairing(name)) throw new Error(`no pairing ${name}: ${Object.keys(pairings).join(', ')}`);
  return name;
});
const records: PlayRecord[] = values.record === undefined ? [] : [...readRecords(values.record)];
const only = values.only?.split(',');
const plays = matrix(Number(values.starts))
  .filter(({ id }) => only === undefined || only.some((prefix) => id === prefix || id.startsWith(`${prefix}-`)))
  .flatMap((scenario) => wantedPairings.map((pairing) => ({ scenario, pairing })))
  .filter(
    ({ scenario, pairing }) => !records.some((record) => record.scenario === scenario.id && record.pairing === pairing),
  );
const total = plays.length;

/** Takes one play after the other until none is left. A play that breaks is told and recorded, and the next one goes on. */
async function lane(): Promise<void> {
  for (let next = plays.shift(); next !== undefined; next = plays.shift()) {
    const { scenario, pairing } = next;
    say(`${total - plays.length}/${total} ${scenario.id}, ${pairing}`);
    const record: PlayRecord = await playScenario(scenario, pairing).then(
      (play) => ({
        ...play,
        notes: [...play.notes],
        complaints: [...play.complaints],
        phases: play.phases.map((phase) => ({
          ...phase,
          owners: Object.fromEntries(Object.entries(phase.owners).map(([name, hosts]) => [name, [...hosts]])),
        })),
      }),
      (error: unknown) => {
        say(String(error));
        const failed = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
        return { scenario: scenario.id, title: scenario.title, pairing, phases: [], notes: [], complaints: [], failed };
      },
    );
    records.push(record);
    if (values.record !== undefined) appendRecord(values.record, record);
  }
}

await Promise.all(Array.from({ length: Number(values.parallel) }, lane));
const speeds: Speed[] = [];
if (values.speed) {
  for (const program of ['systole', 'heartbeat'] as const) {
    const tell = (speed: Speed): void => {
      speeds.push(speed);
      say(JSON.stringify(speed));
    };
    // On a busy machine the real one's scripts may need longer for a hundred addresses than anybody waits.
    await measureSpeed(program, tell).catch((error: unknown) => say(String(error)));
  }
}

if (values.json) process.stdout.write(`${JSON.stringify({ times, plays: records, speeds }, null, 2)}\n`);
else {
  const rows = speeds.map(
    ({ program, group, fromDecisionMs, fromScriptMs, spreadMs }) =>
      `| ${group} | ${program === 'systole' ? 'Systole' : '3.0.6, IPaddr2'} | ${[fromDecisionMs, fromScriptMs, spreadMs]
        .map((figure) => (figure === null ? '–' : figure.toFixed(0)))
        .join(' | ')} |`,
  );
  process.stdout.write(
    [
      `keepalive ${times.keepaliveMs} ms, deadtime ${times.deadtimeMs} ms, initdead ${times.initdeadMs} ms; cells: overlap / outage / client [ms]`,
      faultTable(records),
      faultNotes(records),
      ...(rows.length === 0
        ? []
        : [
            [
              '| group | program | decision to last address | last script to address | first to last address |',
              '| --- | --- | --- | --- | --- |',
              ...rows,
            ].join('\n'),
          ]),
      '',
    ].join('\n\n'),
  );
}
