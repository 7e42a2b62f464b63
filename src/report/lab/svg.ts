/** A drawing with its size in pixels; `body` is SVG markup. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly body: string;
}

/** Colours that differ for every kind of colour vision, and on paper by lightness. */
export const COLORS = {
  needless: '#d55e00',
  unavoidable: '#0072b2',
  saved: '#7fbfe6',
  lost: '#e6a323',
  rule: '#c8c8c8',
  ink: '#222222',
  faint: '#767676',
} as const;

export const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** A coordinate with at most two decimals. */
export const at = (value: number): string => String(Math.round(value * 100) / 100);

export const rect = (x: number, y: number, width: number, height: number, fill: string, title?: string): string => {
  const open = `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${fill}"`;
  return title === undefined ? `${open}/>` : `${open}><title>${escapeXml(title)}</title></rect>`;
};

export interface LabelStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly size?: number;
  readonly color?: string;
  readonly bold?: boolean;
}

export function label(x: number, y: number, text: string, style: LabelStyle = {}): string {
  const { anchor = 'start', size = 11, color = COLORS.ink, bold = false } = style;
  const weight = bold ? ' font-weight="600"' : '';
  return `<text x="${at(x)}" y="${at(y)}" font-size="${size}" text-anchor="${anchor}" fill="${color}"${weight}>${escapeXml(text)}</text>`;
}

export const line = (x1: number, y1: number, x2: number, y2: number, color: string, width = 1): string =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${color}" stroke-width="${width}"/>`;

export const polyline = (points: readonly (readonly [number, number])[], color: string, width: number): string =>
  `<polyline points="${points.map(([x, y]) => `${at(x)},${at(y)}`).join(' ')}" fill="none" stroke="${color}" stroke-width="${width}"/>`;

/** Drawings one below the other. */
export function stack(drawings: readonly Drawing[], gap = 24): Drawing {
  let y = 0;
  let body = '';
  for (const drawing of drawings) {
    body += `<g transform="translate(0 ${at(y)})">${drawing.body}</g>\n`;
    y += drawing.height + gap;
  }
  const width = drawings.reduce((max, drawing) => Math.max(max, drawing.width), 0);
  return { width, height: Math.max(0, y - gap), body };
}

/** A whole SVG file or an element for a page. `name` is read out in place of the picture. */
export function svgDocument({ width, height, body }: Drawing, name: string): string {
  const pad = 12;
  const [w, h] = [at(width + 2 * pad), at(height + 2 * pad)];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="${-pad} ${-pad} ${w} ${h}" role="img" ` +
    `aria-label="${escapeXml(name)}" font-family="system-ui, sans-serif">\n` +
    `<rect x="${-pad}" y="${-pad}" width="${w}" height="${h}" fill="#ffffff"/>\n${body}</svg>\n`
  );
}
