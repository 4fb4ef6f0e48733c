// Charts of lines over doubling amounts as SVG, readable on light and dark pages: panels in rows of two, both axes
// logarithmic, so that what grows in proportion is a straight line of one slope in each.

const columns = 2;
const width = 400;
const height = 250;
const left = 58;
const right = 12;
const top = 34;
const bottom = 40;
const legendHeight = 30;

/** Of the same order as the lines; told apart by dashes too. */
const strokes = [
  { light: '#0b57d0', dark: '#8ab4f8', dash: '' },
  { light: '#b3261e', dark: '#f2b8b5', dash: '6 3' },
  { light: '#146c2e', dark: '#6dd58c', dash: '2 3' },
  { light: '#7a4f01', dark: '#fdd663', dash: '9 3 2 3' },
  { light: '#6f3ac0', dark: '#d0a8ff', dash: '4 2' },
  { light: '#00696d', dark: '#67d6da', dash: '1 2' },
];

/**
 * @typedef {object} Panel
 * @property {string} title with the unit
 * @property {Record<string, readonly (readonly [amount: number, value: number])[]>} lines by library
 */

/**
 * @param {string} title what grows
 * @param {readonly Panel[]} panels
 * @returns {string} a document
 */
export function drawCharts(title, panels) {
  const names = [...new Set(panels.flatMap(({ lines }) => Object.keys(lines)))];
  const rows = Math.ceil(panels.length / columns);
  const below = rows * height;
  const [fullWidth, fullHeight] = [width * Math.min(columns, panels.length) + right, below + legendHeight + 18];
  const colours = (/** @type {'light' | 'dark'} */ theme) =>
    strokes.map((stroke, index) => `.l${index}{stroke:${stroke[theme]}}.d${index}{fill:${stroke[theme]}}`).join('');
  const dashes = strokes.map(({ dash }, index) => (dash === '' ? '' : `.l${index}{stroke-dasharray:${dash}}`)).join('');
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${fullWidth} ${fullHeight}" width="${fullWidth}" role="img" aria-label="${escaped(title)}">`,
    `<style>text{font:11px system-ui,sans-serif;fill:#1f1f1f}.h{font-weight:600}.g{stroke:#d0d0d0;stroke-width:1}.l{fill:none;stroke-width:2}${colours('light')}${dashes}@media(prefers-color-scheme:dark){text{fill:#e3e3e3}.g{stroke:#474747}${colours('dark')}}</style>`,
    ...panels.map((panel, index) =>
      drawPanel(panel, names, (index % columns) * width, Math.floor(index / columns) * height),
    ),
    `<text x="${left}" y="${below + 6}">${escaped(title)}</text>`,
    ...names.map((name, index) => {
      const x = left + index * 120;
      const y = below + 28;
      return `<path class="l l${index % strokes.length}" d="M${x} ${y - 4}h24"/><text x="${x + 30}" y="${y}">${escaped(name)}</text>`;
    }),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

/** @param {Panel} panel @param {readonly string[]} names @param {number} x @param {number} y */
function drawPanel({ title, lines }, names, x, y) {
  const points = Object.values(lines)
    .flat()
    .filter(([, value]) => value > 0);
  const amounts = points.map(([amount]) => amount);
  const values = points.map(([, value]) => value);
  const across = scale(Math.min(...amounts), Math.max(...amounts), left, width - right);
  const [lowest, highest] = [
    10 ** Math.floor(Math.log10(Math.min(...values))),
    10 ** Math.ceil(Math.log10(Math.max(...values))),
  ];
  const up = scale(lowest, highest === lowest ? lowest * 10 : highest, height - bottom, top);
  const parts = [`<g transform="translate(${x} ${y})">`, `<text class="h" x="${left}" y="16">${escaped(title)}</text>`];
  for (let tick = lowest; tick <= highest * 1.001; tick *= 10) {
    const at = round(up(tick));
    parts.push(`<path class="g" d="M${left} ${at}H${width - right}"/>`);
    parts.push(`<text x="${left - 6}" y="${at + 4}" text-anchor="end">${short(tick)}</text>`);
  }
  for (const amount of [...new Set(amounts)].sort((a, b) => a - b)) {
    parts.push(
      `<text x="${round(across(amount))}" y="${height - bottom + 16}" text-anchor="middle">${short(amount)}</text>`,
    );
  }
  for (const [name, line] of Object.entries(lines)) {
    const style = names.indexOf(name) % strokes.length;
    const shown = line
      .filter(([, value]) => value > 0)
      .map(([amount, value]) => [round(across(amount)), round(up(value))]);
    if (shown.length === 0) continue;
    parts.push(`<path class="l l${style}" d="M${shown.map((point) => point.join(' ')).join('L')}"/>`);
    parts.push(...shown.map(([cx, cy]) => `<circle class="d${style}" cx="${cx}" cy="${cy}" r="2.5"/>`));
  }
  parts.push('</g>');
  return parts.join('\n');
}

/** @param {number} low @param {number} high @param {number} from @param {number} to */
function scale(low, high, from, to) {
  const span = Math.log(high / low) || 1;
  return (/** @type {number} */ value) => from + ((to - from) * Math.log(value / low)) / span;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** @param {number} value */
function short(value) {
  if (value >= 1e6) return `${value / 1e6} M`;
  return value >= 1e3 ? `${value / 1e3} k` : String(Number(value.toPrecision(3)));
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
