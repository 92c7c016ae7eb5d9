// Datasets: this node's own, what peers offer, and a form to add one.

import { get, post, upload } from "/console/api.js";
import { announce, bytes, button, commandLine, count, field, h, live, outcome, section, sure, table } from "/console/dom.js";

/** How much of a file is read here, for its header. */
const HEADER_BYTES = 64 * 1024;
const TYPES = ["", "bool", "int64", "decimal(2)", "float64", "date", "category", "key"];
const POLICY = `version = 1

[query]
# Who may submit jobs on this dataset, by the names of peers.
organisations = []
venues = ["two-party"]
# Both owners learn which of their own rows match.
alignment = ["revealed"]
# Or "auto": what the policy allows runs at once.
approval = "ask"

[release]
# Who may receive outputs, beside you.
receivers = []
# Persons behind each released value.
minimum_rows = 100

[columns.id]
uses = ["join"]
`;

export async function show(view) {
  const refresh = async () => {
    own.show(await get("/v1/datasets"));
    const all = await get("/v1/catalogue");
    offered.show(all.filter((dataset) => dataset.owner !== view.node.name));
  };
  const remove = async (dataset) => {
    const name = dataset.name.split("/").slice(1).join("/");
    if (!await sure(`Remove ${dataset.name}?`, "Its table and policy leave the store and the catalogue. Jobs that wait for it will be refused.", "Remove it")) return;
    await view.attempt(async () => {
      await post(`/v1/datasets/${encodeURIComponent(name)}/remove`);
      announce(`${dataset.name} removed`);
      await refresh();
    });
  };
  const own = live((datasets) => section("This organisation's", datasets.length === 0 ? h("p", { class: "empty" }, "No datasets yet. Add one below.") : datasets.map((one) => card(one, () => remove(one)))));
  const offered = live((datasets) => section("Catalogue of peers", datasets.length === 0
    ? h("p", { class: "empty" }, "No peer that is connected offers you a dataset. Their policies decide: ", h("code", {}, "query.organisations"), " has to name you.")
    : datasets.map((one) => card(one, null))));
  view.root.append(h("h1", {}, "Datasets"), commandLine("tacit dataset list", "tacit dataset add FILE --policy FILE --key COLUMN", "tacit catalogue"), own, offered, addition(refresh));
  await view.every(8000, refresh);
}

function card(dataset, remove) {
  const rows = dataset.columns.map((column) => [
    [column.name, dataset.key === column.name ? h("span", { class: "tag" }, "unique key") : null], type(column),
    column.range ? `${column.range.lo} to ${column.range.hi}` : "", column.nullable ? "may be missing" : "",
  ]);
  return h("article", { class: "card dataset" }, h("div", {},
    h("h3", {}, dataset.name), h("p", { class: "note" }, `version ${dataset.version}, ${count(dataset.rows)} rows`),
    h("p", {}, dataset.policy),
    h("details", { data: { key: dataset.name } }, h("summary", { data: { key: `${dataset.name}-summary` } }, `${dataset.columns.length} columns`), table(`Columns of ${dataset.name}`, ["Column", "Type", "Range", ""], rows)),
    remove ? h("p", { class: "actions" }, h("a", { class: "button quiet small", href: `#/datasets/${encodeURIComponent(dataset.name.split("/").slice(1).join("/"))}`, data: { key: `${dataset.name}-learned` }, "aria-label": `What was learned from ${dataset.name}` }, "What was learned"), button("Remove", remove, { class: "quiet small danger-text", "aria-label": `Remove ${dataset.name}` })) : null));
}

const type = (column) => (column.scale === undefined ? column.type : `${column.type}(${column.scale})`);

function addition(refresh) {
  const said = outcome();
  const file = h("input", { id: "table-file", type: "file", accept: ".csv,.parquet", required: true });
  const name = h("input", { id: "dataset-name", required: true, autocomplete: "off", spellcheck: "false" });
  const key = h("input", { id: "key", list: "columns", autocomplete: "off", spellcheck: "false" });
  const known = h("datalist", { id: "columns" });
  const policyFile = h("input", { id: "policy-file", type: "file", accept: ".toml" });
  const policy = h("textarea", { id: "policy", rows: 18, spellcheck: "false", class: "code", wrap: "off", required: true });
  const declared = h("tbody");
  const clamp = h("input", { id: "clamp", type: "checkbox" });
  const bar = h("progress", { id: "sent", hidden: true, max: 1, value: 0, "aria-label": "Sent to the node" });
  const submit = h("button", { type: "submit", class: "primary" }, "Add the dataset");
  policy.value = POLICY;
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    if (!chosen) return;
    name.value = chosen.name.replace(/\.[^.]*$/, "").toLowerCase();
    const columns = /\.csv$/i.test(chosen.name) ? header(await chosen.slice(0, HEADER_BYTES).text()) : [];
    known.replaceChildren(...columns.map((column) => h("option", { value: column })));
    declared.replaceChildren(...columns.map(declaration));
  });
  policyFile.addEventListener("change", async () => {
    if (policyFile.files[0]) policy.value = await policyFile.files[0].text();
  });
  const form = h("form", { id: "dataset-form" },
    h("div", { class: "columns" },
      h("div", {}, field("Table", file, "A CSV or Parquet file. It is sent to this node only."), field("Name", name, "Programs write it behind your organisation's name and a slash."),
        field("Key column", key, "The identifier of the person or thing behind a row, unique. Joins need it."), known),
      h("div", {}, field("Policy file", policyFile, "TOML. What it does not allow is forbidden."), field("Policy", policy, "What is stored. Choose a file, or edit here."))),
    h("details", {}, h("summary", {}, "Types and ranges of columns"),
      h("p", { class: "note" }, "The columns of a CSV file are listed once it is chosen. Left empty, types are inferred, and ranges are the next powers of ten around the values. Ranges are public to those who may query."),
      h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Types and ranges" }, h("table", {}, h("thead", {}, h("tr", {}, ["Column", "Type", "Least", "Largest"].map((text) => h("th", { scope: "col" }, text)))), declared)),
      h("p", {}, button("Another column", () => declared.append(declaration("")), { class: "quiet small" })),
      h("p", {}, h("label", { class: "check" }, clamp, " Move values outside a declared range to its end instead of refusing the file"))),
    h("p", { class: "actions" }, submit, bar), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = file.files[0];
    submit.disabled = true;
    said.clear();
    try {
      const request = { name: name.value.trim(), format: /\.parquet$/i.test(chosen.name) ? "parquet" : "csv", policy: policy.value, key: key.value.trim() || null, columns: overrides(declared), clamp: clamp.checked };
      const ticket = await post("/v1/imports", request);
      bar.hidden = false;
      const added = await upload(`/v1/imports/${ticket.id}/data`, chosen, (sent, total) => {
        bar.max = total;
        bar.value = sent;
        bar.title = `${bytes(sent)} of ${bytes(total)}`;
      });
      said.says(h("p", {}, `${added.name}, version ${added.version}, with ${count(added.rows)} rows is there.`));
      form.reset();
      policy.value = POLICY;
      declared.replaceChildren();
      await refresh();
    } catch (failure) {
      said.failed(failure);
    } finally {
      bar.hidden = true;
      submit.disabled = false;
    }
  });
  return section("Add a dataset", form);
}

/** The columns in the first line of a CSV file. */
function header(text) {
  const line = text.replace(/^\ufeff/, "").split(/\r?\n/, 1)[0];
  const fields = line.match(/("([^"]|"")*"|[^,]*)(,|$)/g) ?? [];
  const names = fields.map((one) => one.replace(/,$/, "")).map((one) => (one.startsWith('"') ? one.slice(1, -1).replaceAll('""', '"') : one).trim());
  return names.filter(Boolean);
}

/** A row for a column; one without a name asks for it. */
function declaration(column) {
  const named = column ? column : h("input", { "aria-label": "Column", data: { name: "" }, autocomplete: "off" });
  const input = (part, what) => h("input", { "aria-label": `${what} of ${column}`, data: { part }, autocomplete: "off" });
  const type = h("select", { "aria-label": `Type of ${column}`, data: { part: "type" } }, TYPES.map((one) => h("option", { value: one }, one || "inferred")));
  return h("tr", { data: { column } }, h("td", {}, named), h("td", {}, type), h("td", {}, input("lo", "Least value")), h("td", {}, input("hi", "Largest value")));
}

/** What was declared, by column. */
function overrides(body) {
  const declared = [...body.rows].map((row) => {
    const parts = [...row.querySelectorAll("[data-part]")].filter((one) => one.value.trim());
    return [row.dataset.column || row.querySelector("[data-name]").value.trim(), Object.fromEntries(parts.map((one) => [one.dataset.part, one.value.trim()]))];
  });
  return Object.fromEntries(declared.filter(([column, parts]) => column && Object.keys(parts).length > 0));
}
