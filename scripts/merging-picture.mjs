// One picture of docs/merging.md: what both had, what each made of it, what both have then. It draws plain values and knows
// nothing of merging: a list as cards, a text as a line with its bold words, a tree as an outline, a graph as boxes and arrows.

/** @typedef {import('joinery/core').TextRun} TextRun */
/** A document as it was seen: its plain value, and the texts in it with their marks. */
/** @typedef {{ value: Record<string, any>, texts: Record<string, TextRun[]> }} Seen */
/** @typedef {{ before: Seen, ada: Seen, ben: Seen, both: Seen }} Stages */
/** What is drawn in a panel, from its top left corner on. @typedef {{ svg: string, height: number }} Drawn */

const panelWidth = 224;
const padding = 14;
const gap = 44;
const line = 22;
const titleHeight = 30;

const style = `
    .panel { fill: #ffffff; stroke: #c9d1da; }
    .end { fill: #eef7f0; stroke: #8cc29b; }
    .title { font-weight: 600; fill: #57606a; font-size: 12px; }
    text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; font-size: 14px; fill: #1f2328; }
    .key { fill: #57606a; }
    .bold { font-weight: 800; }
    .card { fill: #f3f5f8; stroke: #c9d1da; }
    .arrow { stroke: #8a94a0; fill: none; stroke-width: 1.6; }
    .head { fill: #8a94a0; }
    @media (prefers-color-scheme: dark) {
      .panel { fill: #161b22; stroke: #3d444d; }
      .end { fill: #12261e; stroke: #2f6f46; }
      .title, .key { fill: #9198a1; }
      text { fill: #e6edf3; }
      .card { fill: #212830; stroke: #3d444d; }
      .arrow { stroke: #7d8590; }
      .head { fill: #7d8590; }
    }`;

/** @param {string} title @param {Stages} stages */
export function drawStory(title, stages) {
  const all = [stages.before, stages.ada, stages.ben, stages.both];
  // With one thing in the document its key says nothing.
  const isNamed = all.some(({ value }) => Object.keys(value).length > 1);
  const [before, ada, ben, both] = all.map((seen) => drawDocument(seen, isNamed));
  if (!before || !ada || !ben || !both) throw new Error('expected four stages of a story');
  const heightOf = (/** @type {Drawn} */ drawn) => titleHeight + drawn.height + padding;
  const apart = heightOf(ada) + 24 + heightOf(ben);
  const height = Math.max(heightOf(before), apart, heightOf(both)) + 2;
  const middle = height / 2;
  const top = (height - apart) / 2;
  const columns = [1, panelWidth + gap, 2 * (panelWidth + gap)].map((x, at) => x + (at === 0 ? 0 : 1));
  const [left = 0, centre = 0, right = 0] = columns;
  const adaMiddle = top + heightOf(ada) / 2;
  const benMiddle = top + heightOf(ada) + 24 + heightOf(ben) / 2;
  const width = right + panelWidth + 1;
  const parts = [
    panel('Before', before, left, middle - heightOf(before) / 2, 'panel'),
    panel('Ada, offline', ada, centre, top, 'panel'),
    panel('Ben, offline', ben, centre, top + heightOf(ada) + 24, 'panel'),
    panel('Both, afterwards', both, right, middle - heightOf(both) / 2, 'panel end'),
    arrow(left + panelWidth, middle, centre, adaMiddle),
    arrow(left + panelWidth, middle, centre, benMiddle),
    arrow(centre + panelWidth, adaMiddle, right, middle),
    arrow(centre + panelWidth, benMiddle, right, middle),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img"`,
    `  width="${width}" height="${round(height)}" viewBox="0 0 ${width} ${round(height)}">`,
    `  <title>${escapeText(title)}</title>`,
    `  <style>${style}\n  </style>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** @param {string} title @param {Drawn} drawn @param {number} x @param {number} y @param {string} kind */
function panel(title, drawn, x, y, kind) {
  const height = titleHeight + drawn.height + padding;
  return [
    `  <g transform="translate(${round(x)} ${round(y)})">`,
    `    <rect class="${kind}" width="${panelWidth}" height="${round(height)}" rx="8"/>`,
    `    <text class="title" x="${padding}" y="20">${escapeText(title)}</text>`,
    `    <g transform="translate(${padding} ${titleHeight})">${drawn.svg}</g>`,
    '  </g>',
  ].join('\n');
}

/** @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
function arrow(x1, y1, x2, y2) {
  const [from, to] = [x1 + 4, x2 - 4];
  const bend = (from + to) / 2;
  const [a, b] = [round(y1), round(y2)];
  return [
    `  <path class="arrow" d="M${from} ${a} C${bend} ${a} ${bend} ${b} ${to - 6} ${b}"/>`,
    `  <path class="head" d="M${to} ${b} l-8 -4 v8 z"/>`,
  ].join('\n');
}

/** Key by key. @param {Seen} seen @param {boolean} isNamed @returns {Drawn} */
function drawDocument({ value, texts }, isNamed) {
  const keys = Object.keys(value);
  if (keys.length === 0) return { svg: label(0, 16, '(empty)', 'key'), height: line };
  const drawn = keys.map((key) => drawValue(isNamed ? key : '', value[key], texts[key]));
  let y = 0;
  const parts = drawn.map(({ svg, height }) => {
    const part = `<g transform="translate(0 ${y})">${svg}</g>`;
    y += height + 4;
    return part;
  });
  return { svg: parts.join(''), height: y - 4 };
}

/** @param {string} key @param {any} value @param {TextRun[] | undefined} text @returns {Drawn} */
function drawValue(key, value, text) {
  const name = key === '' ? '' : `<tspan class="key">${escapeText(key)}: </tspan>`;
  if (text !== undefined) return drawText(name, key.length, text);
  if (isTree(value)) return drawTree(value);
  if (Array.isArray(value)) return drawCards(value);
  if (value instanceof Object && 'edges' in value) return drawGraph(value);
  return { svg: `<text y="16">${name}${escapeText(String(value))}</text>`, height: line };
}

/** @param {any} value */
function isTree(value) {
  return (
    Array.isArray(value) && value.length > 0 && value.every((node) => node instanceof Object && 'children' in node)
  );
}

/**
 * Broken between words, about as many letters as a panel is wide.
 * @param {string} name @param {number} nameLength @param {TextRun[]} runs @returns {Drawn}
 */
function drawText(name, nameLength, runs) {
  const most = 27;
  let [used, lines] = [nameLength === 0 ? 0 : nameLength + 2, 1];
  let svg = '';
  for (const { insert, attributes } of runs) {
    for (const word of String(insert).split(/(?<= )/)) {
      let place = '';
      if (used > 0 && used + word.trimEnd().length > most) {
        place = ` x="0" dy="${line}"`;
        [used, lines] = [0, lines + 1];
      }
      used += word.length;
      svg += `<tspan${place}${attributes?.bold === true ? ' class="bold"' : ''}>${escapeText(word)}</tspan>`;
    }
  }
  return { svg: `<text y="16" xml:space="preserve">${name}${svg}</text>`, height: lines * line };
}

/** @param {readonly unknown[]} values @returns {Drawn} */
function drawCards(values) {
  if (values.length === 0) return { svg: label(0, 16, '(none)', 'key'), height: line };
  const cards = values.map((value, at) => card(at * 30, panelWidth - 2 * padding, 26, String(value)));
  return { svg: cards.join(''), height: values.length * 30 - 4 };
}

/** @typedef {{ data: { title?: string }, children: readonly Node[] }} Node */

/** @param {readonly Node[]} nodes @returns {Drawn} */
function drawTree(nodes) {
  let [svg, row] = ['', 0];
  const open = nodes.map((node) => ({ node, depth: 0 })).reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next;
    svg += label(depth * 22, row * line + 16, `${depth > 0 ? '└ ' : ''}${node.data.title ?? ''}`);
    row += 1;
    open.push(...[...node.children].reverse().map((child) => ({ node: child, depth: depth + 1 })));
  }
  return { svg, height: row * line };
}

/** @typedef {{ nodes: readonly { id: string, data: { title?: string } }[], edges: readonly { from: string, to: string }[] }} Graph */

/** Boxes below each other, arrows on their right. @param {Graph} graph @returns {Drawn} */
function drawGraph({ nodes, edges }) {
  const [boxWidth, step] = [96, 40];
  const rowOf = new Map(nodes.map(({ id }, row) => [id, row]));
  const boxes = nodes.map(({ data }, row) => card(row * step, boxWidth, 28, data.title ?? ''));
  const arrows = edges.map(({ from, to }, at) => {
    const [a, b] = [rowOf.get(from) ?? 0, rowOf.get(to) ?? 0];
    // Apart from each other, where several begin or end at one box.
    const [y1, y2] = [a * step + 10 + (at % 3) * 4, b * step + 10 + (at % 3) * 4];
    const bend = boxWidth + 26 + at * 20;
    const way = `M${boxWidth} ${y1} C${bend} ${y1} ${bend} ${y2} ${boxWidth + 8} ${y2}`;
    return `<path class="arrow" d="${way}"/><path class="head" d="M${boxWidth + 1} ${y2} l8 -4 v8 z"/>`;
  });
  return { svg: [...boxes, ...arrows].join(''), height: nodes.length * step - 12 };
}

/** @param {number} y @param {number} width @param {number} height @param {string} text */
function card(y, width, height, text) {
  return `<rect class="card" y="${y}" width="${width}" height="${height}" rx="5"/>${label(10, y + height / 2 + 5, text)}`;
}

/** @param {number} x @param {number} y @param {string} text @param {string} [kind] */
function label(x, y, text, kind) {
  return `<text${x === 0 ? '' : ` x="${x}"`} y="${y}"${kind === undefined ? '' : ` class="${kind}"`}>${escapeText(text)}</text>`;
}

/** @param {string} text */
function escapeText(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 2) / 2;
}
