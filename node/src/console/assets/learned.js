// What organisations have learned from a dataset so far, on one page.

import { get } from "/console/api.js";
import { commandLine, count, facts, h, live, section, short, table, time } from "/console/dom.js";

export async function show(view, name) {
  const page = live(({ organisations }) => organisations.length === 0
    ? h("p", { class: "empty" }, "Nobody has asked anything of this dataset yet.")
    : organisations.map(organisation));
  view.root.append(h("h1", {}, `Learned from ${name}`), commandLine(`tacit dataset learned ${name}`, `tacit policy history ${name}`),
    h("p", {}, "What each organisation received, from how many rows at least, under which version of the policy, and what it was refused."), page);
  const refresh = async () => page.show(await get(`/v1/datasets/${encodeURIComponent(name)}/learned`));
  view.onJob = refresh;
  await view.every(15_000, refresh);
}

function organisation(one) {
  return section(one.organisation,
    h("p", {}, `${count(one.jobs.length)} jobs released something, ${count(one.refused.length)} were refused, ${count(one.others)} ended otherwise or are under way.`),
    one.jobs.map(job),
    one.refused.length === 0 ? null : table(`Refused to ${one.organisation}`, ["Job", "When", "Code", "Clause", "Purpose"], one.refused.map((each) => [
      link(each.id), time(each.at), h("code", {}, each.code), each.clause ? h("code", {}, each.clause) : "", each.purpose,
    ])));
}

function job(one) {
  return h("article", { class: "card" }, h("div", {},
    h("h3", {}, "Job ", link(one.id)),
    facts([["Released", time(one.at)], ["Purpose", one.purpose], ["Analyst", one.analyst], ["Dataset", `version ${one.version}`],
      ["Policy", one.policy_version ? `version ${one.policy_version}` : h("code", {}, one.policy)]]),
    table(`Outputs of ${short(one.id)}`, ["Output", "To", "Rows behind each value", "Rounded to"], one.outputs.map((each) => [
      each.output, each.receivers.join(", "), each.minimum_rows > 1 ? `at least ${count(each.minimum_rows)}, else suppressed` : "no minimum", each.grid ?? "",
    ])),
    h("ul", {}, one.facts.map((fact) => h("li", {}, fact)))));
}

const link = (id) => h("a", { href: `#/jobs/${id}` }, h("code", {}, short(id)));
