/** Lines over load as SVG: one panel per curve. */

export interface Panel {
  readonly title: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

const WIDTH = 300;
const HEIGHT = 200;
const MARGIN = { left: 44, right: 14, top: 42, bottom: 30 };
const COLOURS = ['#d1495b', '#8d99ae', '#00798c', '#edae49', '#66a182', '#6a4c93', '#2e4057'];

/** Panels in a row over one legend. `yName` stands above the first. */
export function renderPlot(panels: readonly Panel[], xName: string, yName: string): string {
  const names = panels[0]?.lines.map(({ name }) => name) ?? [];
  const width = panels.length * WIDTH;
  const body = panels.map((panel, index) => `<g transform="translate(${index * WIDTH} 0)">${renderPanel(panel, xName)}</g>`).join('\n');
  const legend = names.map((name, index) => {
    const x = MARGIN.left + index * 110;
    return `<line x1="${x}" x2="${x + 18}" y1="${HEIGHT + 12}" y2="${HEIGHT + 12}" stroke="${colour(index)}" stroke-width="${index === 0 ? 3 : 1.5}"/><text x="${x + 22}" y="${HEIGHT + 16}">${name}</text>`;
  }).join('');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT + 28}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
<text x="4" y="12" font-weight="bold">${yName}</text>
${body}
${legend}
</svg>
`;
}

function renderPanel({ title, lines }: Panel, xName: string): string {
  const xs = lines.flatMap(({ points }) => points.map(([x]) => x));
  const ys = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const maxX = Math.max(...xs);
  const maxY = Math.max(...ys) * 1.05;
  const x = (value: number): number => MARGIN.left + (value / maxX) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number): number => HEIGHT - MARGIN.bottom - (value / maxY) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const ticks = steps(maxY, 0.5).map((value) => `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/><text x="${MARGIN.left - 4}" y="${y(value) + 4}" text-anchor="end">${value}</text>`).join('');
  const marks = steps(maxX, 1).map((value) => `<text x="${x(value)}" y="${HEIGHT - MARGIN.bottom + 13}" text-anchor="middle">${value}</text>`).join('');
  // Ours last, on top of the others.
  const drawn = lines.map(({ points }, index) => `<polyline fill="none" stroke="${colour(index)}" stroke-width="${index === 0 ? 3 : 1.5}" points="${points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ')}"/>`).reverse().join('');
  return `<text x="${WIDTH / 2}" y="${MARGIN.top - 10}" text-anchor="middle">${title}</text>${ticks}${marks}<text x="${WIDTH / 2}" y="${HEIGHT - 4}" text-anchor="middle">${xName}</text>${drawn}`;
}

function steps(largest: number, step: number): number[] {
  return Array.from({ length: Math.floor(largest / step) + 1 }, (_, index) => index * step);
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}
