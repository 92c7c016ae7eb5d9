// Approvals: the jobs that wait for this node's operator.

import { get } from "/console/api.js";
import { commandLine, h, live, short, table, time } from "/console/dom.js";

export async function show(view) {
  const list = live((jobs) => table("Jobs that wait for you", ["Job", "From", "Outputs", "Waiting since", ""], jobs.map((job) => [
    h("code", {}, short(job.id)), job.proposer, job.outputs.join(", "), time(job.created),
    h("a", { class: "button", href: `#/approvals/${job.id}`, data: { key: job.id } }, "Review"),
  ]), ["No job waits for you. A policy with ", h("code", {}, 'approval = "ask"'), " makes jobs on its dataset wait here."]));
  view.root.append(h("h1", {}, "Approvals"), commandLine("tacit job list", "tacit job show JOB", "tacit job approve JOB", "tacit job refuse JOB --reason TEXT"),
    h("p", {}, "Your policies allow these jobs and want you to be asked before they run."), list);
  const refresh = async () => {
    const jobs = await get("/v1/jobs");
    list.show(jobs.filter((job) => job.state === "awaiting_approval" && job.proposer !== view.node.name));
  };
  view.onJob = refresh;
  await view.every(10_000, refresh);
}
