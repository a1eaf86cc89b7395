// test/bench/plot.ts — the benchmark's ratios as an SVG: a bar per row on a logarithmic axis, a tick where it must end.

export interface Bar { readonly what: string; readonly ratio: number; readonly must?: number | undefined }

const WIDTH = 760, LEFT = 190, RIGHT = 60, TOP = 58, STEP = 20;
const LOW = 0.05, HIGH = 3;
const GRID = [0.05, 0.1, 0.2, 0.5, 1, 2];

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

export function plot(title: string, subtitle: string, bars: readonly Bar[]): string {
  const height = TOP + bars.length * STEP + 30;
  const x = (ratio: number): number => LEFT + (Math.log(Math.min(Math.max(ratio, LOW), HIGH) / LOW) / Math.log(HIGH / LOW)) * (WIDTH - LEFT - RIGHT);
  const lines: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="20" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    `<text x="12" y="38" fill="#555">${escaped(subtitle)}</text>`,
  ];
  for (const at of GRID) {
    lines.push(`<line x1="${x(at).toFixed(1)}" x2="${x(at).toFixed(1)}" y1="${TOP - 6}" y2="${height - 24}" stroke="${at === 1 ? "#000" : "#ddd"}"/>`);
    lines.push(`<text x="${x(at).toFixed(1)}" y="${height - 8}" text-anchor="middle" fill="#555">${at}</text>`);
  }
  bars.forEach(({ what, ratio, must }, i) => {
    const y = TOP + i * STEP;
    const good = ratio <= (must ?? 1);
    lines.push(`<text x="${LEFT - 8}" y="${y + 12}" text-anchor="end">${escaped(what)}</text>`);
    lines.push(`<rect x="${LEFT}" y="${y + 2}" width="${Math.max(0, x(ratio) - LEFT).toFixed(1)}" height="${STEP - 6}" fill="${good ? "#3a7" : "#c53"}"/>`);
    if (must !== undefined) lines.push(`<line x1="${x(must).toFixed(1)}" x2="${x(must).toFixed(1)}" y1="${y}" y2="${y + STEP - 2}" stroke="#000" stroke-width="2"/>`);
    lines.push(`<text x="${(x(ratio) + 5).toFixed(1)}" y="${y + 12}">${ratio.toFixed(2)}</text>`);
  });
  lines.push("</svg>");
  return `${lines.join("\n")}\n`;
}
