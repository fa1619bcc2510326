/**
 * The plots: overhead against keepalive, the spread of each setting, and the takeover in time.
 */
import { shortNumber, spreadOf } from './statistics.core.ts';
import { figures, type Summary, trialsOf } from './summary.core.ts';
import { colourOf, decades, dot, ink, line, logScale, path, picture, rect, text } from './svg.core.ts';

export interface Plot {
  /** File name without its ending. */
  readonly name: string;
  readonly svg: string;
}

/** Nothing is faster than this on any machine; zero and less have no place on a logarithmic axis [ms]. */
const leastMs = 0.01;
const grid = '#dddddd';

export function plotsOf(summary: Summary): readonly Plot[] {
  return summary.loads
    .filter((load) => trialsOf(summary, { load }).length > 0)
    .flatMap((load) => {
      const suffix = summary.loads.length === 1 ? '' : `-${load}`;
      return [
        { name: `overhead${suffix}`, svg: overheadPlot(summary, load) },
        { name: `spread${suffix}`, svg: spreadPlot(summary, load) },
        { name: `takeover${suffix}`, svg: takeoverPlot(summary, load) },
      ];
    });
}

function legend(peers: readonly string[], x: number, y: number): string[] {
  return peers.flatMap((peer, index) => [
    dot(x, y + 18 * index - 4, colourOf(index), peer, 5),
    text(x + 10, y + 18 * index, peer),
  ]);
}

/** Median (line) and p90 (small dot) of the overhead against the keepalive time. */
function overheadPlot(summary: Summary, load: string): string {
  const [width, height, left, right, top, bottom] = [760, 400, 60, 170, 40, 50];
  const keepalives = summary.timings.map((timing) => Number(timing.split('/')[0]));
  const all = figures(trialsOf(summary, { load }), 'overheadMs');
  const ticks = decades(all, leastMs);
  const x = logScale([Math.min(...keepalives), Math.max(...keepalives)], [left + 20, width - right - 20]);
  const y = logScale([ticks[0] ?? leastMs, ticks.at(-1) ?? 1], [height - bottom, top]);
  const shapes = [
    ...ticks.flatMap((tick) => [
      line(left, y(tick), width - right, y(tick), grid),
      text(left - 8, y(tick) + 4, shortNumber(tick), { anchor: 'end' }),
    ]),
    ...summary.timings.map((timing, index) =>
      text(x(keepalives[index] ?? 1), height - bottom + 18, timing, { anchor: 'middle' }),
    ),
    text((left + width - right) / 2, height - 10, 'keepalive / deadtime [ms]', { anchor: 'middle' }),
    ...summary.peers.flatMap((peer, index) => {
      const points = summary.timings.flatMap((timing, at) => {
        const spread = spreadOf(figures(trialsOf(summary, { peer, timing, load }), 'overheadMs'));
        return spread === null ? [] : [{ spread, x: x(keepalives[at] ?? 1), timing }];
      });
      return [
        path(
          points.map((point) => [point.x, y(point.spread.median)]),
          colourOf(index),
        ),
        ...points.flatMap(({ spread, x: at, timing }) => [
          dot(at, y(spread.median), colourOf(index), `${peer} ${timing}: median ${shortNumber(spread.median)} ms`, 4),
          dot(at, y(spread.p90), colourOf(index), `${peer} ${timing}: p90 ${shortNumber(spread.p90)} ms`, 2),
        ]),
      ];
    }),
    ...legend(summary.peers, width - right + 20, top + 20),
  ];
  return picture(width, height, `Decision after the deadline, ${load}: median, small dots p90 [ms]`, shapes);
}

/** Every single trial. */
function spreadPlot(summary: Summary, load: string): string {
  const [width, left, right, rowHeight, top] = [760, 150, 30, 20, 50];
  const all = figures(trialsOf(summary, { load }), 'overheadMs');
  const ticks = decades(all, leastMs);
  const x = logScale([ticks[0] ?? leastMs, ticks.at(-1) ?? 1], [left, width - right]);
  const shapes: string[] = [];
  let y = top;
  for (const timing of summary.timings) {
    shapes.push(text(16, y + 14, timing, { bold: true }));
    for (const [index, peer] of summary.peers.entries()) {
      const values = figures(trialsOf(summary, { peer, timing, load }), 'overheadMs');
      if (values.length === 0) continue;
      y += rowHeight;
      shapes.push(text(left - 10, y + 4, peer, { anchor: 'end' }), line(left, y, width - right, y, grid));
      shapes.push(
        ...values.map((value) => dot(x(value), y, colourOf(index), `${peer} ${timing}: ${shortNumber(value)} ms`)),
      );
    }
    y += rowHeight + 10;
  }
  const axis = ticks.flatMap((tick) => [
    line(x(tick), top - 8, x(tick), y, grid),
    text(x(tick), y + 16, shortNumber(tick), { anchor: 'middle' }),
  ]);
  return picture(width, y + 30, `Decision after the deadline, every trial, ${load} [ms]`, [...axis, ...shapes]);
}

const phases = [
  { name: 'silence to decision', fill: '#bbbbbb' },
  { name: 'decision to address', fill: '#0072b2' },
  { name: 'address to announcement', fill: '#e69f00' },
] as const;

/** From the fault to the announced address, medians of kill and freeze, one block a timing. */
function takeoverPlot(summary: Summary, load: string): string {
  const [width, left, right, rowHeight, top] = [760, 150, 90, 20, 70];
  const shapes: string[] = phases.flatMap(({ name, fill }, index) => [
    rect(left + 190 * index, 34, 12, 12, fill, name),
    text(left + 190 * index + 18, 44, name),
  ]);
  let y = top;
  for (const timing of summary.timings) {
    const rows = summary.peers.flatMap((peer) => {
      const trials = trialsOf(summary, { peer, timing, load }).filter((trial) => trial.fault !== 'cut');
      const [detection, address, announced] = (['detectionMs', 'addressMs', 'announcedMs'] as const).map(
        (name) => spreadOf(figures(trials, name))?.median,
      );
      return detection === undefined || address === undefined
        ? []
        : [{ peer, detection, address, announced: Math.max(address, announced ?? address) }];
    });
    if (rows.length === 0) continue;
    const longest = Math.max(...rows.map((row) => row.detection + row.announced));
    const scale = (width - left - right) / longest;
    shapes.push(text(16, y + 4, timing, { bold: true }));
    for (const { peer, detection, address, announced } of rows) {
      y += rowHeight;
      const parts = [detection, address, announced - address];
      let x = left;
      shapes.push(text(left - 10, y + 4, peer, { anchor: 'end' }));
      for (const [index, part] of parts.entries()) {
        const phase = phases[index];
        if (phase !== undefined)
          shapes.push(rect(x, y - 7, part * scale, 14, phase.fill, `${peer}: ${phase.name} ${shortNumber(part)} ms`));
        x += part * scale;
      }
      shapes.push(text(x + 6, y + 4, `${shortNumber(detection + address)} ms`, { fill: ink }));
    }
    y += rowHeight + 12;
  }
  return picture(width, y + 10, `From the fault to the address, ${load}: medians of kill and freeze [ms]`, shapes);
}
