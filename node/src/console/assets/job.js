// One job: what is asked, what each party learns, what it costs, where it stands, and how it ended. Where it waits for
// this node's operator, the decision.

import { get, post } from "/console/api.js";
import { announce, bytes, button, commandLine, copier, count, duration, facts, failureBox, field, h, live, marked, outcome, save, section, short, state, sure, table, time, words } from "/console/dom.js";
import { program } from "/console/program.js";
import { resultTable, saveCsv } from "/console/result.js";
import { progress } from "/console/timeline.js";

const ENDED = ["finished", "refused", "failed", "cancelled"];
const RUNS = ["aligning", "executing", "releasing"];

export async function show(view, id) {
  // What changes while the page begins is looked at once it has.
  let changed = false;
  view.onJob = () => (changed = true);
  let job = await get(`/v1/jobs/${encodeURIComponent(id)}`);
  const full = job.id;
  let [asked, shown] = [0, 0];
  const said = outcome();
  const parts = {
    commands: live((job) => commandLine(...commands(full, job))),
    head: live(head), failure: live(failed), decision: h("div"), result: h("div"), progress: live(progress), course: [h("div"), h("div")],
    verdicts: live(verdicts), learned: live(learned), outputs: live(outputs), inputs: live(inputs), plan: live(plan),
    program: live(program), receipt: h("div"),
  };
  const refresh = async () => {
    const turn = ++asked;
    const found = await get(`/v1/jobs/${full}`);
    // An answer that a later one has overtaken is old.
    if (turn < shown) return;
    [shown, job] = [turn, found];
    draw();
  };
  const act = async (action) => {
    said.clear();
    try {
      await action();
    } catch (failure) {
      said.failed(failure);
    }
    await view.attempt(refresh);
  };
  const draw = () => {
    const mine = job.role === "owner" && job.state === "awaiting_approval";
    parts.commands.show(pick(job, ["state", "role"]));
    parts.head.show({ job: pick(job, ["id", "state", "proposer", "analyst", "purpose", "parties", "created", "outputs", "rerun"]) });
    parts.failure.show(pick(job, ["failure", "refusals", "state", "history"]));
    parts.progress.show(pick(job, ["history", "run", "progress", "state", "plan"]));
    parts.verdicts.show(job.verdicts ?? []);
    // What a job that has ended never came to know, it never will.
    const over = ENDED.includes(job.state);
    parts.learned.show({ ...pick(job, ["learned", "parties"]), over });
    parts.outputs.show({ releases: job.releases, over });
    parts.inputs.show({ datasets: job.datasets, own: view.node.name });
    parts.plan.show({ rows: job.plan, over });
    parts.program.show(pick(job, ["graph", "releases", "program", "code"]));
    once(parts.decision, mine, () => decision(job, act));
    // Whoever decides reads first what it is about; everyone else where it stands.
    const place = parts.course[mine ? 1 : 0];
    if (parts.progress.parentElement !== place) place.append(parts.progress);
    once(parts.result, job.state === "finished", () => result(job, view));
    once(parts.receipt, job.history.some((step) => step.state === "finished"), () => receipt(job, view));
    cancel.hidden = mine || ENDED.includes(job.state) || ["releasing", "unknown"].includes(job.state);
  };
  const cancel = button("Call the job off", async () => {
    if (await sure("Call the job off?", "Nothing has been released yet. Both nodes end it and say so.", "Call it off")) {
      await act(() => post(`/v1/jobs/${full}/cancel`));
    }
  }, { class: "quiet danger-text" });
  view.root.append(h("h1", {}, `Job ${short(full)}`), parts.commands, parts.head, h("p", { class: "actions" }, cancel), said,
    parts.failure, parts.decision, parts.result, parts.course[0], parts.learned, parts.program,
    h("div", { class: "columns" }, parts.inputs, parts.outputs), parts.verdicts, parts.plan, parts.receipt, parts.course[1]);
  draw();
  view.onJob = async (change) => {
    if (!change.job || change.job === full) await refresh();
  };
  if (changed) await refresh();
  await view.every(1000, async () => {
    if (RUNS.includes(job.state) || job.state === "unknown") await refresh();
  });
}

const pick = (object, names) => Object.fromEntries(names.map((name) => [name, object[name]]));

/** Puts something into a place once its time has come, and takes it away when that is over. */
function once(place, wanted, make) {
  if (wanted && place.childElementCount === 0) place.append(make());
  if (!wanted) place.replaceChildren();
}

function commands(id, job) {
  const one = short(id);
  const decide = job.state === "awaiting_approval" && job.role === "owner"
    ? [`tacit job approve ${one} --runs N --until DAY`, `tacit job refuse ${one} --reason TEXT`] : [];
  const end = job.state === "finished" ? [`tacit job result ${one}`, `tacit receipt export ${one}`] : [];
  return [`tacit job show ${one}`, ...decide, ...end];
}

function head({ job }) {
  return facts([
    ["State", state(job.state)],
    ["Asked by", job.analyst ? `${job.proposer} (${job.analyst})` : job.proposer],
    ["Purpose", job.purpose || "none stated"],
    ["Outputs", job.outputs.join(", ")],
    ["Parties", job.parties.join(", ")],
    ["Since", time(job.created)],
    ["Id", [h("code", { class: "wrap" }, job.id), " ", copier(job.id, "id")]],
    ["Run again as", job.rerun && h("a", { href: `#/jobs/${job.rerun}` }, short(job.rerun))],
  ]);
}

/** Why a job did not finish: party, step, code, cause, what was revealed, next action, and the clauses. */
function failed({ failure, refusals = [], state, history }) {
  if (!failure) return [];
  const reached = new Set(history.map((step) => step.state));
  const revealed = reached.has("releasing") ? "Shares of the outputs may have left this node; what they disclose counts as disclosed."
    : reached.has("executing") ? "No output. The parties learned which rows match."
    : reached.has("aligning") ? "No output. The parties may have learned how many rows match."
    : "Nothing. It ended before any data was touched.";
  const clauses = refusals.length === 0 ? null : [
    h("h3", {}, refusals.length === 1 ? "The clause that forbids it" : `The ${refusals.length} clauses that forbid it`),
    table("Clauses that forbid the job", ["Dataset", "Clause", "What the job does", "Smallest change that would allow it", "Code"],
      refusals.map((one) => [one.dataset, h("code", {}, one.clause), marked(one.cause), marked(one.change), { text: h("code", {}, one.code), class: "nowrap" }])),
  ];
  const title = { refused: "Why it was refused", cancelled: "Why it was called off" }[state] ?? "Why it failed";
  return h("section", { class: "failure", "aria-labelledby": "failure-title" }, h("h2", { id: "failure-title" }, title),
    facts([["Party", failure.party ?? "unknown"], ["Step", words(failure.step ?? state)], ["Code", h("code", {}, failure.code)],
      ["Cause", marked(failure.message)], ["Revealed", revealed], ["Next", marked(failure.next)]]), clauses);
}

function decision({ id, proposer, releases, plan }, act) {
  const reason = h("input", { id: "reason", required: true, maxlength: 1000, autocomplete: "off" });
  const refusal = h("form", { id: "refuse-form" }, field("Reason", reason, "Needed to refuse. The analyst reads it."),
    h("p", { class: "actions" }, h("button", { type: "submit", class: "danger" }, "Refuse")));
  refusal.addEventListener("submit", (event) => {
    event.preventDefault();
    act(async () => {
      await post(`/v1/jobs/${id}/refuse`, { reason: reason.value });
      announce("Refused");
    });
  });
  const runs = h("input", { id: "runs", type: "number", min: 1, max: 10000, value: 1 });
  const until = h("input", { id: "until", type: "date" });
  const approve = button("Approve this job", () => act(async () => {
    const limits = { runs: Number(runs.value) || 1 };
    if (until.value) limits.until = Date.parse(`${until.value}T00:00:00Z`) / 1000;
    await post(`/v1/jobs/${id}/approve`, limits);
    announce("Approved");
  }), { class: "primary", id: "approve" });
  return h("section", { class: "decision", "aria-labelledby": "decision-title" }, h("h2", { id: "decision-title" }, "Your decision"),
    h("p", {}, h("strong", {}, `${proposer} asks for one run. `), [...Map.groupBy(releases, (one) => `${one.receivers.join(" and ")} would receive `)].map(([who, outputs]) => `${who}${outputs.map(promise).join(", ")}. `),
      plan.length > 0 ? `It costs about ${bytes(plan.reduce((sum, row) => sum + row.bytes, 0))} and ${duration(plan.reduce((sum, row) => sum + row.seconds, 0))}.` : null),
    h("div", { class: "columns" }, h("div", {}, h("h3", {}, "Approve"), h("p", {}, "It holds for this program on these versions of the datasets, for this organisation, purpose and receivers, as long as your policies stay the same. Below is what each party learns, and all else that was checked."), field("Runs", runs, "More than one: the next ones run without asking you."), field("No further run from", until, "Empty: without end."), h("p", { class: "actions" }, approve)),
      h("div", {}, h("h3", {}, "Refuse"), refusal)));
}

const promise = (release) => release.output + (release.minimum_rows > 1 ? ` (at least ${count(release.minimum_rows)} rows)` : "");

function verdicts(lines) {
  if (lines.length === 0) return [];
  const worst = ["forbids", "asks"].find((verdict) => lines.some((line) => line.verdict === verdict)) ?? "allows";
  const summary = { forbids: "A clause forbids it now: approving it ends in a refusal.", asks: "Every clause allows it, and a policy asks you.", allows: "Every clause allows it." }[worst];
  return section("What your policies say", h("p", {}, h("strong", { class: `verdict ${worst}` }, summary)),
    [...Map.groupBy(lines, (line) => line.dataset)].map(([dataset, rows]) => [h("h3", {}, dataset), table(`Policy of ${dataset}`, ["Clause", "What the job asks", "What the policy says", "Verdict"], rows.map((line) => [
      h("code", {}, line.clause), marked(line.asked), [line.says, line.change ? h("div", { class: "note" }, "To allow it: ", marked(line.change)) : null],
      { text: line.verdict, class: `verdict ${line.verdict}` },
    ]))]));
}

function learned({ learned: all, parties, over }) {
  if (all.length === 0 && over) return [];
  if (all.length === 0) return section("What each party learns", h("p", { class: "empty" }, "Not known yet: it follows from the policies of all owners."));
  return section("What each party learns", h("div", { class: "columns" }, parties.map((party) => h("div", { class: "card learned" }, h("div", {},
    h("h3", {}, party), h("ul", {}, all.filter((one) => one.party === party).map((one) => h("li", {}, marked(one.what)))))))),
    h("p", { class: "note" }, "Beside its own data, and as long as the parties follow the protocol."));
}

const inputs = ({ datasets, own }) => section("Inputs", table("Inputs", ["Dataset", "Owner", "Version", "Rows"], datasets.map((one) => [
  one.name, one.owner === own ? "this organisation" : one.owner, { text: String(one.version), class: "number" }, { text: count(one.rows), class: "number" }])));

const outputs = ({ releases, over }) => (over && releases.length === 0 ? [] : section("Outputs", table("Outputs", ["Output", "To", "Rows behind each value", "Rounded to"], releases.map((one) => [
  one.output, one.receivers.join(", "), one.minimum_rows > 1 ? `at least ${count(one.minimum_rows)}, else suppressed` : "no minimum", one.grid ? `multiples of ${one.grid}` : "not rounded"]),
  "Not known yet: it follows from the policies of all owners.")));

function plan({ rows, over }) {
  if (rows.length === 0 && over) return [];
  if (rows.length === 0) return section("Plan and cost", h("p", { class: "empty" }, "Not known yet: it follows from the terms."));
  const total = (name) => rows.reduce((sum, row) => sum + row[name], 0);
  const costly = rows.filter((row) => row.bytes > 0 || row.rounds > 0);
  const body = (shown) => shown.map((row) => [row.operation, row.placement, ...[count(row.cells), String(row.bits), bytes(row.bytes), String(row.rounds), duration(row.seconds), bound(row.error)].map((text) => ({ text, class: "number" }))]);
  const header = ["Step", "Known", "Cells", "Bits", "Bytes", "Rounds", "Time", "Error"].map((text, place) => (place < 2 ? text : { text, class: "number" }));
  return section("Plan and cost", facts([["Bytes, both ways", bytes(total("bytes"))], ["Rounds", count(total("rounds"))], ["Time, estimated", duration(total("seconds"))]]),
    h("p", { class: "note" }, "Upper bounds, without the matching of rows and the set-up. Errors are in units of the value's own step or of the release's grid."),
    h("details", { data: { key: "plan" } }, h("summary", { data: { key: "plan-summary" } }, `The ${costly.length} steps that need the other party`), table("Steps that need the other party", header, body(costly))),
    h("details", { data: { key: "plan-all" } }, h("summary", { data: { key: "plan-all-summary" } }, `All ${rows.length} steps`), table("All steps", header, body(rows))));
}

const bound = (error) => (error === null ? "no bound" : error === 0 ? "exact" : error < 1e6 ? error.toFixed(1) : error.toExponential(1));

function result(job, view) {
  const place = section("Result");
  const mine = job.releases.length === 0 || job.releases.some((one) => one.receivers.includes(view.node.name));
  if (!mine) {
    place.append(h("p", {}, "This organisation receives no output of the job."));
    return place;
  }
  get(`/v1/jobs/${job.id}/result`).then((value) => {
    place.append(resultTable(value), h("p", { class: "actions" },
      button("Save as CSV", () => saveCsv(`${short(job.id)}.csv`, value)),
      button("Save as JSON", () => save(`${short(job.id)}.result.json`, [JSON.stringify(value, null, 2)], "application/json"))));
    announce("The result is there");
  }, (failure) => place.append(failureBox(failure)));
  return place;
}

function receipt(job, view) {
  const said = outcome();
  const shown = button("Show the receipt", async () => {
    try {
      const signed = await get(`/v1/jobs/${job.id}/receipt`);
      const { receipt: body, signatures } = signed;
      const name = `${short(job.id)}.receipt.json`;
      said.says(h("p", {}, h("strong", {}, `Signed by ${signatures.filter(Boolean).length} of ${signatures.length} parties.`)),
        facts([["Contract", h("code", { class: "wrap" }, body.contract)], ["Program", h("code", { class: "wrap" }, body.code)], ["Run", [time(body.started), " to ", time(body.ended)]],
          ["Outputs", body.outputs.map((output) => `${output.name}, to ${output.receivers.map((party) => job.parties[party]).join(", ")}`).join("; ")]]),
        table("Accounts", ["Party", "Sent", "Received", "Rounds", "Software"], body.accounts.map((account, party) => [job.parties[party], bytes(account.sent), bytes(account.received), count(account.rounds), account.software])),
        h("p", { class: "actions" }, button("Save the receipt", () => save(name, [`${JSON.stringify(signed, null, 2)}\n`], "application/json"), { class: "primary", id: "save-receipt" })),
        h("p", { class: "note" }, "A stranger checks it without any node: ", h("code", {}, `tacit receipt verify ${name}`)));
    } catch (failure) {
      said.failed(failure);
    }
  }, { id: "show-receipt" });
  return section("Receipt", h("p", {}, "What ran, on what, for whom: signed by both parties, with commitments in place of data."), h("p", { class: "actions" }, shown), said);
}
