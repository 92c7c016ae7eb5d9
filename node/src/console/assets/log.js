// The log: its last entries, older ones by pages, its check, its export.

import { download, get } from "/console/api.js";
import { button, commandLine, count, facts, field, h, live, outcome, save, short, table, time } from "/console/dom.js";

const PAGE = 100;

export async function show(view) {
  /** Entries in order; older ones are put before them, new ones behind. */
  let entries = [];
  const said = outcome();
  const kind = h("select", { id: "kind" }, h("option", { value: "" }, "all"));
  const older = button("Older entries", () => view.attempt(async () => {
    const first = entries[0].seq;
    const page = await get(`/v1/log?from=${Math.max(1, first - PAGE)}`);
    entries = [...page.filter((entry) => entry.seq < first), ...entries];
    refresh();
  }), { class: "quiet" });
  const list = live(({ shown, more }) => {
    older.hidden = !more;
    return table("Log", ["No.", "When", "Kind", "What", "Digest"], shown.map((entry) => [
      { text: count(entry.seq), class: "number" }, { text: time(entry.at), class: "nowrap" }, entry.kind, body(entry.text), h("code", { title: entry.digest }, `${entry.digest.slice(0, 10)}…`),
    ]), "The log is empty. What happens from now on is written here.");
  });
  const refresh = () => {
    const kinds = [...new Set(entries.map((entry) => entry.kind))].sort();
    for (const name of kinds) if (![...kind.options].some((one) => one.value === name)) kind.append(h("option", { value: name }, name));
    const shown = entries.filter((entry) => !kind.value || entry.kind === kind.value).reverse();
    list.show({ shown, more: entries.length > 0 && entries[0].seq > 1 });
  };
  kind.addEventListener("change", refresh);
  const check = button("Check it", async () => {
    try {
      const found = await get("/v1/log/check");
      said.says(h("p", {}, h("strong", {}, `Whole: ${count(found.entries)} entries in sequence, chained and signed by this node.`)),
        facts([["Head", h("code", {}, found.head)], ["Checked", time(found.exported)]]),
        h("p", { class: "note" }, "The node says so itself. For a check without trust in it, export the log and run ", h("code", {}, "tacit log verify FILE"), "; peers hold earlier heads of it."));
    } catch (failure) {
      said.failed(failure);
    }
  }, { id: "check-log", class: "primary" });
  const exported = button("Export", async () => {
    try {
      save(`${view.node.name}.log.jsonl`, [await download("/v1/log/export")], "application/x-ndjson");
    } catch (failure) {
      said.failed(failure);
    }
  });
  view.root.append(h("h1", {}, "Log"), commandLine("tacit log show", "tacit log verify", "tacit log export FILE"),
    h("p", {}, "What happened here, each entry chained to the one before. It holds no data of anyone."),
    h("div", { class: "toolbar" }, check, exported, field("Kind", kind)), said, list, h("p", {}, older));
  older.hidden = true;
  await view.every(4000, async () => {
    const last = entries.at(-1);
    const fresh = await get(last ? `/v1/log?from=${last.seq + 1}` : `/v1/log?last=${PAGE}`);
    entries = [...entries, ...fresh];
    refresh();
  });
}

/** An entry's body: its text, and the rest of its JSON behind it. */
function body(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (value === null || typeof value !== "object") return text;
  const { text: sentence, ...rest } = value;
  return [sentence ? h("div", {}, plain(sentence)) : null, h("div", { class: "note wrap" }, Object.entries(rest).map(([name, one], place) =>
    [place > 0 ? " · " : "", `${name} `, entry(name, one)]))];
}

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function entry(name, value) {
  if (name === "job" && typeof value === "string") return h("a", { href: `#/jobs/${value}` }, h("code", {}, short(value)));
  if (name === "expires" && typeof value === "number") return time(value);
  return h("code", {}, shorter(plain(value)));
}

/** Digests and keys are long; their beginning tells them apart, and the export has all of it. */
const shorter = (text) => (text.length > 40 && /^\w+$/.test(text) ? `${text.slice(0, 12)}…` : text);
