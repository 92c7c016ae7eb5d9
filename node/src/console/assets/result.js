// The released values of a job, as tables and as files.

import { count, h, save, table } from "/console/dom.js";

/** More cells than these are in the files only. */
const SHOWN_CELLS = 2000;

const text = (cell) => (cell.status === "released" ? cell.value : cell.status);
const cell = (one) => ({ text: text(one), class: one.status === "released" ? "number" : "note" });

/** Scalars together, each array on its own. */
export function resultTable(result) {
  const scalars = result.outputs.filter((output) => output.shape.length === 0);
  const arrays = result.outputs.filter((output) => output.shape.length > 0);
  return [
    scalars.length > 0 ? h("div", { class: "narrow" }, table("Result", ["Output", { text: "Value", class: "number" }, "Type"], scalars.map((output) => [output.name, cell(output.cells[0]), output.element]))) : null,
    arrays.map((output) => [h("h3", {}, output.name, h("span", { class: "note" }, ` ${output.element}, ${output.shape.join(" × ")}`)), array(output)]),
    result.outputs.some((output) => output.cells.some((one) => one.status === "suppressed"))
      ? h("p", { class: "note" }, "Suppressed: fewer rows stand behind it than a policy demands.") : null,
  ].flat(Infinity).reduce((all, one) => (one && all.append(one), all), h("div"));
}

/** The last axis runs across, all others down with their places. */
function array(output) {
  const across = output.shape.length === 1 ? 1 : output.shape.at(-1);
  const down = output.shape.length === 1 ? output.shape : output.shape.slice(0, -1);
  const rows = Math.min(Math.ceil(output.cells.length / Math.max(across, 1)), Math.ceil(SHOWN_CELLS / Math.max(across, 1)));
  const header = ["Place", ...Array.from({ length: across }, (_, column) => ({ text: across === 1 ? "Value" : String(column), class: "number" }))];
  const body = Array.from({ length: rows }, (_, row) => [place(row, down), ...output.cells.slice(row * across, (row + 1) * across).map(cell)]);
  const more = output.cells.length - rows * across;
  return [table(output.name, header, body), more > 0 ? h("p", { class: "note" }, `${count(more)} more cells are in the files.`) : null];
}

function place(row, shape) {
  const places = [];
  for (const size of [...shape].reverse()) {
    places.unshift(row % size);
    row = Math.floor(row / size);
  }
  return places.join(", ");
}

/** A line a cell: output, place, status, value. */
export function saveCsv(name, result) {
  // A field that a spreadsheet would take for a formula gets a mark before it; numbers stay numbers.
  const safe = (field) => (/^[=+@\t\r]|^-(?![\d.])/.test(field) ? `'${field}` : field);
  const quote = (field) => (/[",\n\r]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
  const lines = result.outputs.flatMap((output) => output.cells.map((one, at) =>
    [output.name, output.shape.length === 0 ? "" : place(at, output.shape), one.status, one.value ?? ""].map((field) => quote(safe(field))).join(",")));
  save(name, [["output,place,status,value", ...lines].join("\n"), "\n"], "text/csv");
}
