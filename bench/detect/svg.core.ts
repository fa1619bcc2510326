/**
 * The few shapes that the plots need, as SVG text.
 */

/** Distinguishable also without colour vision (Okabe and Ito); the last resort is grey. */
const colours = ['#666666', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'] as const;

export const ink = '#333333';
export const grid = '#dddddd';

/** The look of the n-th peer: a colour, and a shape for those who see none. */
export interface Look {
  readonly colour: string;
  readonly shape: number;
}

export function lookOf(index: number): Look {
  return { colour: colours[index % colours.length] ?? ink, shape: index };
}

export function escapeText(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export function text(
  x: number,
  y: number,
  content: string,
  options: {
    readonly anchor?: 'start' | 'middle' | 'end';
    readonly bold?: boolean;
    readonly size?: number;
    /** Written upwards. */
    readonly upright?: boolean;
  } = {},
): string {
  const weight = options.bold === true ? ' font-weight="bold"' : '';
  const size = options.size === undefined ? '' : ` font-size="${options.size}"`;
  const turn = options.upright === true ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : '';
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${options.anchor ?? 'start'}" fill="${ink}"${weight}${size}${turn}>${escapeText(content)}</text>`;
}

export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  stroke: string,
  options: { readonly width?: number; readonly title?: string } = {},
): string {
  const title = options.title === undefined ? '' : `<title>${escapeText(options.title)}</title>`;
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${options.width ?? 1}">${title}</line>`;
}

/** @param dash as in stroke-dasharray; empty: a full line */
export function path(points: readonly (readonly [number, number])[], stroke: string, dash = ''): string {
  const d = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join(' ');
  return `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="1.8"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>`;
}

/** One value. Circle, square, triangle, diamond, triangle downwards, cross, plus. */
export function marker(x: number, y: number, look: Look, title: string, size = 4): string {
  const at = (points: readonly (readonly [number, number])[]): string =>
    points.map(([dx, dy]) => `${round(x + dx * size)},${round(y + dy * size)}`).join(' ');
  const polygon = (points: readonly (readonly [number, number])[]): string =>
    `<polygon points="${at(points)}" ${fill}>${told}</polygon>`;
  const strokes = (d: string): string =>
    `<path d="${d}" stroke="${look.colour}" stroke-width="${round(size / 2)}" fill="none">${told}</path>`;
  const told = `<title>${escapeText(title)}</title>`;
  const fill = `fill="${look.colour}" fill-opacity="0.75"`;
  const [left, right, up, down] = [x - size, x + size, y - size, y + size].map(round);
  switch (look.shape % 7) {
    case 1:
      return polygon([
        [-0.9, -0.9],
        [0.9, -0.9],
        [0.9, 0.9],
        [-0.9, 0.9],
      ]);
    case 2:
      return polygon([
        [0, -1.2],
        [1.1, 0.9],
        [-1.1, 0.9],
      ]);
    case 3:
      return polygon([
        [0, -1.3],
        [1.3, 0],
        [0, 1.3],
        [-1.3, 0],
      ]);
    case 4:
      return polygon([
        [0, 1.2],
        [1.1, -0.9],
        [-1.1, -0.9],
      ]);
    case 5:
      return strokes(`M${left} ${up}L${right} ${down}M${left} ${down}L${right} ${up}`);
    case 6:
      return strokes(`M${left} ${round(y)}L${right} ${round(y)}M${round(x)} ${up}L${round(x)} ${down}`);
    default:
      return `<circle cx="${round(x)}" cy="${round(y)}" r="${size}" ${fill}>${told}</circle>`;
  }
}

export function rect(x: number, y: number, width: number, height: number, fill: string, title: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0.5, width))}" height="${round(height)}" fill="${fill}"><title>${escapeText(title)}</title></rect>`;
}

export function picture(width: number, height: number, title: string, shapes: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${round(height)}" width="${width}" height="${round(height)}" font-family="sans-serif" font-size="12" role="img" aria-label="${escapeText(title)}">
<rect width="${width}" height="${round(height)}" fill="#ffffff"/>
${text(16, 22, title, { bold: true, size: 14 })}
${shapes.join('\n')}
</svg>
`;
}

/** Maps a range of values to a range of places, by the logarithm; what lies outside is put on the edge. */
export function logScale(
  domain: readonly [number, number],
  range: readonly [number, number],
): (value: number) => number {
  const [low, high] = [Math.log(domain[0]), Math.log(domain[1])];
  return (value) => {
    const part = (Math.log(Math.min(domain[1], Math.max(domain[0], value))) - low) / (high - low || 1);
    return range[0] + part * (range[1] - range[0]);
  };
}

/** Powers of ten that enclose values; at least one decade. */
export function decades(values: readonly number[], least: number): readonly number[] {
  const positive = values.map((value) => Math.max(least, value));
  const low = Math.floor(Math.log10(Math.min(...positive, 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive, least))));
  return Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
}

/** 2 to 9 times each of the decades but the last: the lighter lines of a logarithmic axis. */
export function between(ticks: readonly number[]): readonly number[] {
  return ticks.slice(0, -1).flatMap((tick) => [2, 3, 4, 5, 6, 7, 8, 9].map((factor) => factor * tick));
}

/** Round steps from 0 that cover a value with at most `count` intervals. */
export function linearTicks(highest: number, count: number): readonly number[] {
  const rough = Math.max(highest, 1e-6) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, index) => index * step);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
