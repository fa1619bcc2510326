/**
 * The plots: overhead against keepalive, the spread of each setting, and the takeover in time.
 */
import { groupTitle } from './markdown.core.ts';
import { shortNumber, spreadOf } from './statistics.core.ts';
import { figures, type Group, type Summary, trialsOf } from './summary.core.ts';
import {
  between,
  decades,
  grid,
  line,
  linearTicks,
  logScale,
  lookOf,
  marker,
  path,
  picture,
  rect,
  text,
} from './svg.core.ts';

export interface Plot {
  /** File name without its ending. */
  readonly name: string;
  readonly svg: string;
}

/** Nothing is faster than this on any machine; zero and less have no place on a logarithmic axis [ms]. */
const leastMs = 0.01;
const faint = '#f0f0f0';
const width = 820;

export function plotsOf(summary: Summary): readonly Plot[] {
  return summary.groups
    .filter((group) => trialsOf(summary, group).length > 0)
    .flatMap((group) => {
      const suffix = summary.groups.length === 1 ? '' : `-${group.medium}-${group.load}`;
      const takeover = takeoverPlot(summary, group);
      return [
        { name: `overhead${suffix}`, svg: overheadPlot(summary, group) },
        { name: `spread${suffix}`, svg: spreadPlot(summary, group) },
        ...(takeover === null ? [] : [{ name: `takeover${suffix}`, svg: takeover }]),
      ];
    });
}

/** Powers of ten as people write them: `0.01`, `1`, `1000`. */
function tickText(value: number): string {
  return String(Number(value.toPrecision(3)));
}

const dashes = ['', '6 3', '2 3', '8 3 2 3'] as const;

/** Median against the keepalive time, a whisker up to p90; one line for each multiple of it that the dead time is. */
function overheadPlot(summary: Summary, group: Group): string {
  const [height, left, right, top, bottom] = [440, 76, 200, 48, 62];
  const timings = summary.timings.map((timing) => {
    const [keepaliveMs = 1, deadtimeMs = 1] = timing.split('/').map(Number);
    return { timing, keepaliveMs, factor: deadtimeMs / keepaliveMs };
  });
  const keepalives = [...new Set(timings.map((timing) => timing.keepaliveMs))];
  const factors = [...new Set(timings.map((timing) => timing.factor))];
  const peers = summary.peers.filter((peer) => figures(trialsOf(summary, { ...group, peer }), 'overheadMs').length > 0);
  const spreads = peers.flatMap((peer) =>
    timings.flatMap(({ timing }) => {
      const spread = spreadOf(figures(trialsOf(summary, { ...group, peer, timing }), 'overheadMs'));
      return spread === null ? [] : [spread.median, spread.p90];
    }),
  );
  const ticks = decades(spreads, leastMs);
  const x = logScale([Math.min(...keepalives), Math.max(...keepalives)], [left + 40, width - right - 40]);
  const y = logScale([ticks[0] ?? leastMs, ticks.at(-1) ?? 1], [height - bottom, top]);
  const shapes = [
    ...between(ticks).map((tick) => line(left, y(tick), width - right, y(tick), faint)),
    ...ticks.flatMap((tick) => [
      line(left, y(tick), width - right, y(tick), grid),
      text(left - 8, y(tick) + 4, tickText(tick), { anchor: 'end' }),
    ]),
    ...keepalives.flatMap((keepaliveMs) => [
      line(x(keepaliveMs), height - bottom, x(keepaliveMs), height - bottom + 5, '#888888'),
      text(x(keepaliveMs), height - bottom + 19, String(keepaliveMs), { anchor: 'middle' }),
    ]),
    text((left + width - right) / 2, height - 14, 'keepalive [ms]', { anchor: 'middle' }),
    text(22, (top + height - bottom) / 2, 'decision after the deadline [ms]', { anchor: 'middle', upright: true }),
  ];
  for (const peer of peers) {
    const index = summary.peers.indexOf(peer);
    const look = lookOf(index);
    // Side by side, so that equal ones do not hide each other.
    const aside = (peers.indexOf(peer) - (peers.length - 1) / 2) * 7;
    for (const [number, factor] of factors.entries()) {
      const points = timings.flatMap(({ timing, keepaliveMs, factor: own }) => {
        const spread = spreadOf(figures(trialsOf(summary, { ...group, peer, timing }), 'overheadMs'));
        return spread === null || own !== factor ? [] : [{ spread, at: x(keepaliveMs) + aside, timing }];
      });
      const dash = dashes[number % dashes.length] ?? '';
      shapes.push(
        ...points.map(({ spread, at, timing }) =>
          line(at, y(spread.median), at, y(spread.p90), look.colour, {
            width: 1.5,
            title: `${peer} ${timing}: p90 ${shortNumber(spread.p90)} ms`,
          }),
        ),
        ...points.map(({ spread, at }) => line(at - 3, y(spread.p90), at + 3, y(spread.p90), look.colour)),
      );
      if (points.length > 1)
        shapes.push(
          path(
            points.map(({ spread, at }) => [at, y(spread.median)]),
            look.colour,
            dash,
          ),
        );
      shapes.push(
        ...points.map(({ spread, at, timing }) =>
          marker(at, y(spread.median), look, `${peer} ${timing}: median ${shortNumber(spread.median)} ms`, 5),
        ),
      );
    }
  }
  const legendX = width - right + 24;
  shapes.push(
    ...peers.flatMap((peer, index) => [
      marker(legendX, top + 12 + 20 * index, lookOf(summary.peers.indexOf(peer)), peer, 5),
      text(legendX + 14, top + 16 + 20 * index, peer),
    ]),
    ...(factors.length < 2
      ? [text(legendX - 6, top + 32 + 20 * peers.length, `deadtime = ${shortFactor(factors[0] ?? 0)} × keepalive`)]
      : factors.flatMap((factor, index) => {
          const at = top + 28 + 20 * (peers.length + index);
          return [
            path(
              [
                [legendX - 6, at],
                [legendX + 30, at],
              ],
              '#555555',
              dashes[index % dashes.length],
            ),
            text(legendX + 38, at + 4, `deadtime ${shortFactor(factor)} ×`),
          ];
        })),
  );
  return picture(width, height, `Overhead: median, whisker to p90 (${groupTitle(group)})`, shapes);
}

function shortFactor(factor: number): string {
  return String(Math.round(factor * 10) / 10);
}

/** Every single trial, and a stroke at the median. */
function spreadPlot(summary: Summary, group: Group): string {
  const [left, right, rowHeight, top] = [160, 60, 20, 62];
  const all = figures(trialsOf(summary, group), 'overheadMs');
  const ticks = decades(all, leastMs);
  const x = logScale([ticks[0] ?? leastMs, ticks.at(-1) ?? 1], [left, width - right]);
  const rows: string[] = [];
  let y = top;
  for (const timing of summary.timings) {
    const peers = summary.peers.flatMap((peer, index) => {
      const values = figures(trialsOf(summary, { ...group, peer, timing }), 'overheadMs');
      const spread = spreadOf(values);
      return spread === null ? [] : [{ peer, look: lookOf(index), values, spread }];
    });
    if (peers.length === 0) continue;
    y += 18;
    rows.push(text(16, y + 4, `${timing} ms`, { bold: true }));
    for (const { peer, look, values, spread } of peers) {
      y += rowHeight;
      rows.push(
        text(left - 12, y + 4, peer, { anchor: 'end' }),
        line(left, y, width - right, y, grid),
        ...values.map((value) => marker(x(value), y, look, `${peer} ${timing}: ${shortNumber(value)} ms`)),
        line(x(spread.median), y - 8, x(spread.median), y + 8, '#000000', {
          width: 2,
          title: `${peer} ${timing}: median ${shortNumber(spread.median)} ms of ${spread.count}`,
        }),
        text(width - right + 8, y + 4, shortNumber(spread.median)),
      );
    }
    y += 10;
  }
  const bottom = y + 10;
  const axis = [
    ...between(ticks).map((tick) => line(x(tick), top, x(tick), bottom, faint)),
    ...ticks.flatMap((tick) => [
      line(x(tick), top, x(tick), bottom, grid),
      text(x(tick), bottom + 16, tickText(tick), { anchor: 'middle' }),
      text(x(tick), top - 6, tickText(tick), { anchor: 'middle' }),
    ]),
    text((left + width - right) / 2, bottom + 36, `decision after the deadline [ms]; ${leastMs} or less at the edge`, {
      anchor: 'middle',
    }),
    text(width - right + 8, top - 22, 'median'),
  ];
  return picture(width, bottom + 48, `Overhead: every trial (${groupTitle(group)})`, [...axis, ...rows]);
}

const phases = {
  detection: { name: 'fault to decision', fill: '#bbbbbb' },
  address: { name: 'decision to address', fill: '#0072b2' },
  announced: { name: 'address to ARP', fill: '#e69f00' },
} as const;

/**
 * From the fault to the announced address, medians of kill and freeze: the detection to scale on the left, and what comes after the decision, far
 * shorter for most, on a logarithmic axis on the right. Null when nobody took an address.
 */
function takeoverPlot(summary: Summary, group: Group): string | null {
  const [left, middle, right, rowHeight, top] = [160, 470, 70, 20, 78];
  const blocks = summary.timings.flatMap((timing) => {
    const rows = summary.peers.flatMap((peer) => {
      const trials = trialsOf(summary, { ...group, peer, timing }).filter((trial) => trial.fault !== 'cut');
      const [detection, address, announced] = (['detectionMs', 'addressMs', 'announcedMs'] as const).map(
        (name) => spreadOf(figures(trials, name))?.median,
      );
      return detection === undefined || address === undefined ? [] : [{ peer, detection, address, announced }];
    });
    return rows.length === 0 ? [] : [{ timing, rows }];
  });
  if (blocks.length === 0) return null;
  const after = blocks.flatMap(({ rows }) => rows.flatMap((row) => [row.address, row.announced ?? row.address]));
  const ticks = decades(after, leastMs);
  const xAfter = logScale([ticks[0] ?? leastMs, ticks.at(-1) ?? 1], [middle + 20, width - right]);
  const zero = xAfter(ticks[0] ?? leastMs);
  const shapes: string[] = [];
  let y = top;
  for (const { timing, rows } of blocks) {
    const steps = linearTicks(Math.max(...rows.map((row) => row.detection)), 4);
    const x = (value: number): number => left + ((middle - 70 - left) * value) / (steps.at(-1) ?? 1);
    shapes.push(text(16, y + 4, `${timing} ms`, { bold: true }));
    const firstRow = y + rowHeight - 10;
    const lastRow = firstRow + rowHeight * rows.length;
    for (const step of steps)
      shapes.push(
        line(x(step), firstRow, x(step), lastRow, grid),
        text(x(step), lastRow + 13, tickText(step), { anchor: 'middle', size: 10 }),
      );
    for (const tick of ticks)
      shapes.push(
        line(xAfter(tick), firstRow, xAfter(tick), lastRow, grid),
        text(xAfter(tick), lastRow + 13, tickText(tick), { anchor: 'middle', size: 10 }),
      );
    for (const { peer, detection, address, announced } of rows) {
      y += rowHeight;
      const told = (phase: keyof typeof phases, value: number): string =>
        `${peer} ${timing}: ${phases[phase].name} ${shortNumber(value)} ms`;
      shapes.push(
        text(left - 12, y + 4, peer, { anchor: 'end' }),
        rect(left, y - 7, x(detection) - left, 14, phases.detection.fill, told('detection', detection)),
        text(x(detection) + 5, y + 4, shortNumber(detection)),
        rect(zero, y - 7, xAfter(address) - zero, 14, phases.address.fill, told('address', address)),
      );
      const end = announced !== undefined && announced > address ? announced : address;
      if (end > address)
        shapes.push(
          rect(
            xAfter(address),
            y - 7,
            xAfter(end) - xAfter(address),
            14,
            phases.announced.fill,
            told('announced', end - address),
          ),
        );
      shapes.push(text(xAfter(end) + 5, y + 4, shortNumber(address)));
    }
    y += rowHeight + 22;
  }
  const bottom = y - 8;
  const legend = Object.values(phases).flatMap(({ name, fill }, index) => [
    rect(left + 170 * index, 36, 12, 12, fill, name),
    text(left + 170 * index + 18, 46, name),
  ]);
  const axes = [
    text((left + middle - 70) / 2, 68, 'detection [ms]', { anchor: 'middle', size: 11 }),
    text((zero + width - right) / 2, 68, 'after the decision [ms], logarithmic', { anchor: 'middle', size: 11 }),
  ];
  return picture(width, bottom + 16, `Takeover: medians of kill and freeze (${groupTitle(group)})`, [
    ...legend,
    ...axes,
    ...shapes,
  ]);
}
