// Approvals: the jobs that wait for this node's operator.

import { get, post } from "/console/api.js";
import { announce, button, commandLine, count, h, live, section, short, sure, table, time } from "/console/dom.js";

export async function show(view) {
  const list = live((jobs) => table("Jobs that wait for you", ["Job", "From", "Outputs", "Waiting since", ""], jobs.map((job) => [
    h("code", {}, short(job.id)), job.proposer, job.outputs.join(", "), time(job.created),
    h("a", { class: "button", href: `#/approvals/${job.id}`, data: { key: job.id } }, "Review"),
  ]), ["No job waits for you. A policy with ", h("code", {}, 'approval = "ask"'), " makes jobs on its dataset wait here."]));
  const revoke = async (one) => {
    if (!await sure(`Revoke approval ${one.id}?`, "Runs that were accepted under it go on. The next one waits for you.", "Revoke it")) return;
    await view.attempt(async () => {
      await post(`/v1/approvals/${one.id}/revoke`);
      announce("Revoked");
      await refresh();
    });
  };
  const given = live((approvals) => section("For further runs", table("Approvals for further runs", ["Approval", "For", "Datasets", "Receivers", "Runs left", "Until", ""], approvals.map((one) => [
    [h("code", {}, one.id), " ", one.state], [one.organisation, one.purpose ? ` (${one.purpose})` : ""], one.datasets.join(", "), one.receivers.join(", "),
    `${count(one.runs_left)} of ${count(one.runs)}`, one.until ? time(one.until) : "without end",
    one.state === "valid" ? button("Revoke", () => revoke(one), { class: "quiet small danger-text", "aria-label": `Revoke approval ${one.id}` }) : "",
  ]), "None. A job that is approved for more than one run is listed here.")));
  view.root.append(h("h1", {}, "Approvals"), commandLine("tacit job list", "tacit job show JOB", "tacit job approve JOB", "tacit job refuse JOB --reason TEXT", "tacit approval list", "tacit approval revoke ID"),
    h("p", {}, "Your policies allow these jobs and want you to be asked before they run."), list, given);
  const refresh = async () => {
    const jobs = await get("/v1/jobs");
    list.show(jobs.filter((job) => job.state === "awaiting_approval" && job.proposer !== view.node.name));
    given.show(await get("/v1/approvals"));
  };
  view.onJob = refresh;
  await view.every(10_000, refresh);
}
