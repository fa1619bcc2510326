/**
 * The few shapes that the plots need, as SVG text.
 */

/** Distinguishable also without colour vision (Okabe and Ito), ourselves first. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#666666'] as const;

export const ink = '#444444';

/** The colour of the n-th peer. */
export function colourOf(index: number): string {
  return colours[index % colours.length] ?? ink;
}

export function escapeText(plain: string): string {
  return plain.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export function text(
  x: number,
  y: number,
  content: string,
  options: { readonly anchor?: 'start' | 'middle' | 'end'; readonly bold?: boolean; readonly fill?: string } = {},
): string {
  const weight = options.bold === true ? ' font-weight="bold"' : '';
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${options.anchor ?? 'start'}" fill="${options.fill ?? ink}"${weight}>${escapeText(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, stroke: string, width = 1): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${width}"/>`;
}

export function path(points: readonly (readonly [number, number])[], stroke: string): string {
  const d = points.map(([x, y], index) => `${index === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join(' ');
  return `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="1.8"/>`;
}

export function dot(x: number, y: number, fill: string, title: string, radius = 3): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${radius}" fill="${fill}" fill-opacity="0.75"><title>${escapeText(title)}</title></circle>`;
}

export function rect(x: number, y: number, width: number, height: number, fill: string, title: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(Math.max(0.5, width))}" height="${round(height)}" fill="${fill}"><title>${escapeText(title)}</title></rect>`;
}

export function picture(width: number, height: number, title: string, shapes: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${escapeText(title)}">
<rect width="${width}" height="${height}" fill="#ffffff"/>
${text(16, 22, title, { bold: true })}
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

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
