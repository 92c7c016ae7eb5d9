// A program for people: as expressions, as a graph, and line by line with types.

import { h, section, svg } from "/console/dom.js";

const INFIX = {
  add: "+", subtract: "-", multiply: "×", divide: "/", less: "<", less_equal: "≤", greater: ">", greater_equal: "≥",
  equal: "=", not_equal: "≠", and: "and", or: "or", xor: "xor", floor_divide: "//", remainder: "%", power: "^",
};
/** Names that need no quotation marks. */
const WORD = /^[\w./-]+$/;
/** Expressions longer than this get a name of their own. */
const LONG = 90;
/** Graphs with more nodes are not drawn: nobody reads them. */
const MOST_NODES = 160;

/** All three, in a section. */
export function program(job) {
  const main = job.graph.filter((node) => node.block === undefined);
  const bodies = Map.groupBy(job.graph.filter((node) => node.block !== undefined), (node) => node.block);
  const outputs = job.releases.length > 0 ? job.releases : outputsOf(job);
  const drawn = main.length <= MOST_NODES
    ? h("figure", { class: "scroll graph", tabindex: "0", role: "region", "aria-label": "The program as a graph" }, graph(main, outputs))
    : h("p", { class: "note" }, `The graph has ${main.length} nodes and is not drawn.`);
  return section("Program",
    h("pre", { class: "formula", tabindex: "0", "aria-label": "The program as expressions" }, expressions(main, outputs).join("\n")),
    [...bodies].map(([block, nodes]) => h("p", { class: "note" }, `A loop repeats a body of ${nodes.length} nodes (block ${block}); the lines below have it.`)),
    h("details", { open: true, data: { key: "graph" } }, h("summary", { data: { key: "graph-summary" } }, "As a graph"), drawn),
    h("details", { data: { key: "lines" } }, h("summary", { data: { key: "lines-summary" } }, `Line by line, with types and ranges (${job.program.length} lines)`),
      h("pre", { class: "scroll", tabindex: "0" }, job.program.join("\n"))),
    h("p", { class: "note" }, "Digest, as policies name it under query.programs: ", h("code", {}, job.code)));
}

/** The outputs where the release is not derived yet: from the program's last lines. */
function outputsOf(job) {
  const lines = job.program.map((line) => /^release "(.*)" = %(\d+) to /.exec(line)).filter(Boolean);
  return lines.map(([, output, node]) => ({ output, node: Number(node) }));
}

/** One line an output, and one before it for each value that has a name or is long and used again. */
function expressions(nodes, outputs) {
  const uses = new Map();
  nodes.flatMap((node) => node.inputs).forEach((id) => uses.set(id, (uses.get(id) ?? 0) + 1));
  const [lines, known, taken] = [[], new Map(), new Set(nodes.map((node) => node.detail))];
  const text = (id) => {
    if (known.has(id)) return known.get(id);
    const node = nodes[id];
    let written = node ? expression(node, text) : `%${id}`;
    const shared = (uses.get(id) ?? 0) > 1 && /[ (]/.test(written);
    if (node && (shared || written.length > LONG)) {
      // A program's own name for a value, unless it could be taken for something else.
      const name = node.name && WORD.test(node.name) && !taken.has(node.name) ? node.name : `v${id}`;
      taken.add(name);
      lines.push(`${name} := ${written}`);
      written = name;
    }
    known.set(id, written);
    return written;
  };
  // Values in the order of the program, so that no expression is nested deeper than one step.
  nodes.forEach((node) => text(node.id));
  const releases = outputs.map((output) => `release ${quoted(output.output)} = ${text(output.node)}`);
  return [...lines, ...releases];
}

function expression(node, text) {
  const [first, second, third] = node.inputs.map(text);
  const operation = node.operation;
  if (operation === "load" || operation === "column") return quoted(node.detail);
  if (operation === "join") return `${first} joined with ${second} on ${quoted(node.detail)}`;
  if (operation === "constant" || operation === "full") return node.detail;
  if (INFIX[operation]) return `(${first} ${INFIX[operation]} ${second})`;
  if (operation === "where") return `(if ${first} then ${second} else ${third})`;
  if (["sum", "mean", "count", "min", "max"].includes(operation) && second) return `${operation}(${first} where ${second})`;
  const inside = node.inputs.map(text).join(", ");
  return node.detail ? `${operation}(${inside}; ${node.detail})` : `${operation}(${inside})`;
}

/** A name from a program or a table: with marks where it could be taken for more than a name. */
const quoted = (name) => (WORD.test(name) ? name : JSON.stringify(name));

/** What a node is, in a box. Constants stand in the boxes of what reads them. */
function label(node, nodes) {
  const constants = node.inputs.map((id) => nodes[id]).filter((input) => input?.operation === "constant");
  const operand = constants.length > 0 ? ` ${constants.map((one) => one.detail).join(", ")}` : "";
  const operation = (INFIX[node.operation] ?? node.operation) + operand;
  const detail = node.detail || node.name || "";
  return [operation, detail === operation ? "" : detail];
}

/** Layers from the datasets on the left to the outputs on the right. */
function graph(nodes, outputs) {
  const shown = nodes.filter((node) => node.operation !== "constant");
  const boxes = new Map(shown.map((node) => [`n${node.id}`, {
    lines: label(node, nodes),
    kind: node.operation === "load" ? "data" : "step",
    inputs: node.inputs.filter((id) => nodes[id] && nodes[id].operation !== "constant").map((id) => `n${id}`),
  }]));
  outputs.forEach((output, place) => boxes.set(`o${place}`, {
    lines: ["release", output.output], kind: "release", inputs: [`n${output.node}`].filter((id) => boxes.has(id)),
  }));
  const layers = layered(boxes);
  const [width, height, across, down] = [138, 44, 30, 18];
  const tallest = Math.max(...layers.map((layer) => layer.length));
  layers.forEach((layer, column) => layer.forEach((box, row) => {
    box.x = 8 + column * (width + across);
    box.y = 8 + (row + (tallest - layer.length) / 2) * (height + down);
  }));
  const edges = [...boxes.values()].flatMap((box) => box.inputs.map((id) => {
    const from = boxes.get(id);
    const [x1, y1, x2, y2] = [from.x + width, from.y + height / 2, box.x, box.y + height / 2];
    const bend = Math.max(30, (x2 - x1) / 2);
    return svg("path", { class: "edge", d: `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2} ${y2}` });
  }));
  const total = [16 + layers.length * (width + across) - across, 16 + tallest * (height + down) - down];
  return svg("svg", { width: total[0], height: total[1], viewBox: `0 0 ${total.join(" ")}`, role: "img", "aria-label": "Nodes of the program; the expressions above say the same" },
    edges, [...boxes.values()].map((box) => draw(box, width, height)));
}

function draw(box, width, height) {
  const [first, second] = box.lines;
  const fit = (text) => (text.length > 19 ? `${text.slice(0, 18)}…` : text);
  return svg("g", { class: `box ${box.kind}`, transform: `translate(${box.x} ${box.y})` },
    svg("title", {}, box.lines.filter(Boolean).join(" ")),
    svg("rect", { width, height, rx: 6 }),
    svg("text", { x: width / 2, y: second ? 18 : 27, class: "operation" }, fit(first)),
    second ? svg("text", { x: width / 2, y: 34, class: "detail" }, fit(second)) : null);
}

/** Boxes by the longest way from a source, each layer in the order that keeps edges short. */
function layered(boxes) {
  const depth = new Map();
  // Programs list their nodes behind what these read.
  for (const [id, box] of boxes) depth.set(id, Math.max(-1, ...box.inputs.map((input) => depth.get(input) ?? -1)) + 1);
  const last = Math.max(...depth.values());
  for (const [id, box] of boxes) if (box.kind === "release") depth.set(id, last);
  const layers = Array.from({ length: last + 1 }, () => []);
  for (const [id, box] of boxes) layers[depth.get(id)].push(box);
  for (const layer of layers) {
    const middle = (box) => {
      const rows = box.inputs.map((id) => boxes.get(id).row ?? 0);
      return rows.length === 0 ? 0 : rows.reduce((a, b) => a + b, 0) / rows.length;
    };
    layer.sort((a, b) => middle(a) - middle(b));
    layer.forEach((box, row) => (box.row = row - layer.length / 2));
  }
  return layers;
}
