// Budget: what each organisation has learned of a person at most, what is left as work, and the ledger.

import { get, post } from "/console/api.js";
import { announce, button, commandLine, count, field, h, live, outcome, section, short, table, time } from "/console/dom.js";

/** Shares of what was there at which the page warns. */
const LOW = [[0.05, "nearly spent"], [0.2, "running low"]];

export async function show(view) {
  const within = h("input", { id: "within", type: "number", min: 0, step: "any", value: 12, required: true });
  const doubt = live((report) => (report.doubt ? lost(report.doubt, refresh) : []));
  const accounts = live((report) => table("Budgets", ["Dataset", "Organisation", "Learned so far, at most", "Left", "As work"], report.accounts.map((account) => [
    account.dataset, account.organisation,
    `ε ${account.spent_epsilon.toFixed(2)} of ${account.epsilon} (δ ${account.delta})`,
    [`ρ ${account.left_rho.toFixed(4)}`, note(account)],
    `about ${count(account.counts)} more counts at ±${report.within}`,
  ]), ["No dataset releases with noise. A section ", h("code", {}, "[privacy]"), " in its policy makes it do so."]));
  const ledger = live((entries) => section("Ledger", h("p", {}, "Nothing in it is ever changed. What a job may cost is put aside before its contract is signed, and spent before a share leaves."),
    table("Ledger", ["No.", "When", "What", "ρ", "Dataset", "Organisation", "Job or reason"], [...entries].reverse().map((entry) => [
      { text: count(entry.seq), class: "number" }, { text: time(entry.at), class: "nowrap" }, entry.kind, entry.rho.toFixed(4), entry.dataset, entry.organisation,
      entry.job ? h("a", { href: `#/jobs/${entry.job}` }, h("code", {}, short(entry.job))) : entry.reason,
    ]), "Nothing yet.")));
  async function refresh() {
    if (!(Number(within.value) > 0)) return;
    const [report, entries] = await Promise.all([get(`/v1/budget?within=${Number(within.value)}`), get("/v1/budget/ledger")]);
    doubt.show(report);
    accounts.show(report);
    ledger.show(entries);
  }
  within.addEventListener("change", () => view.attempt(refresh));
  view.root.append(h("h1", {}, "Budget"), commandLine("tacit budget show --within 12", "tacit budget grant DATASET ORGANISATION --epsilon E --reason TEXT", "tacit budget ledger"),
    doubt, h("div", { class: "toolbar" }, field("Counts within", within, "In 95 of 100 cases.")), accounts, grant(refresh), ledger);
  await view.every(5000, refresh);
}

function note(account) {
  const whole = account.left_rho + account.spent_rho + account.reserved_rho;
  const warning = LOW.find(([share]) => account.left_rho <= share * whole)?.[1];
  const parts = [account.reserved_rho > 0 ? `${account.reserved_rho.toFixed(4)} put aside for jobs` : null, warning].filter(Boolean);
  return parts.length > 0 ? h("div", { class: "note" }, parts.join(", ")) : null;
}

function grant(refresh) {
  const said = outcome();
  const dataset = h("input", { id: "grant-dataset", required: true });
  const organisation = h("input", { id: "grant-organisation", required: true });
  const epsilon = h("input", { id: "grant-epsilon", type: "number", min: 0, step: "any", required: true });
  const reason = h("input", { id: "grant-reason", required: true, maxlength: 500 });
  const form = h("form", { id: "grant-form" }, field("Dataset", dataset), field("Organisation", organisation), field("Epsilon to add", epsilon, "What was spent stays spent; epsilons of years add up."),
    field("Reason", reason, "It is in ledger and log."), h("p", { class: "actions" }, h("button", { type: "submit" }, "Grant")), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("/v1/budget/grant", { dataset: dataset.value, organisation: organisation.value, epsilon: Number(epsilon.value), reason: reason.value });
      form.reset();
      said.says(h("p", {}, "Granted."));
      announce("Granted");
      await refresh();
    } catch (failure) {
      said.failed(failure);
    }
  });
  return section("Let an organisation learn more", form);
}

/** The ledger may lack entries: what to do about it. */
function lost(cause, refresh) {
  const said = outcome();
  const reason = h("input", { id: "confirm-reason", required: true, maxlength: 500 });
  return h("section", { class: "card", role: "alert" }, h("div", {}, h("h2", {}, "The ledger may lack entries"), h("p", {}, `${cause}. Nothing is released with noise until you confirm; all that was left then counts as spent.`),
    field("What happened", reason), h("p", { class: "actions" }, button("Count what was left as spent", async () => {
      try {
        await post("/v1/budget/confirm", { reason: reason.value });
        await refresh();
      } catch (failure) {
        said.failed(failure);
      }
    }, { class: "danger" })), said));
}
