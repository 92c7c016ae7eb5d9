// Home: what needs the operator, what comes next, and what happened last.

import { get } from "/console/api.js";
import { commandLine, copier, h, live, section, short, state, table, time, words } from "/console/dom.js";

const ENDED_BADLY = ["failed", "refused", "unknown"];
/** How long a job that did not finish is news, in seconds. */
const NEWS = 24 * 3600;
const RECENT = 6;

export async function show(view) {
  const needs = live(needed);
  const next = live(steps);
  const recent = live((jobs) => section("Latest jobs", table("Latest jobs", ["Job", "State", "From", "Outputs", "When"], jobs.map((job) => [
    h("a", { href: `#/jobs/${job.id}` }, short(job.id)), state(job.state), job.proposer, job.outputs.join(", "), time(job.created),
  ]), ["No jobs yet. ", h("a", { href: "#/jobs" }, "Submit a program"), ", or wait for a peer's."])));
  view.root.append(h("h1", {}, "What needs me"), commandLine("tacit job list", "tacit peer list"), needs, next, recent);

  const refresh = async () => {
    const [jobs, peers, datasets] = await Promise.all([get("/v1/jobs"), get("/v1/peers"), get("/v1/datasets")]);
    const waiting = jobs.filter((job) => job.state === "awaiting_approval" && job.proposer !== view.node.name);
    const since = Date.now() / 1000 - NEWS;
    const ended = jobs.filter((job) => ENDED_BADLY.includes(job.state) && job.created > since).slice(0, RECENT);
    needs.show({ waiting, ended, pending: peers.filter((peer) => peer.state === "pending") });
    next.show({
      peers: peers.filter((peer) => peer.state === "paired").length,
      invited: peers.some((peer) => peer.state === "invited"),
      datasets: datasets.length,
      jobs: jobs.length,
    });
    recent.show(jobs.slice(0, RECENT));
  };
  view.onJob = refresh;
  await view.every(5000, refresh);
}

function needed({ waiting, ended, pending }) {
  const cards = [
    ...pending.map((peer) => card(`${peer.name} ${peer.follows ? "has a new key" : "wants to pair"}`, `${peer.follows ? "It says that its key was rotated." : "It redeemed a ticket of this node."} Compare the words by voice, then confirm.`, `#/peers`, "Compare words")),
    ...waiting.map((job) => card(`${job.proposer} asks for ${job.outputs.join(", ")}`, ["A policy of yours asks you first. Waiting since ", time(job.created), "."], `#/approvals/${job.id}`, "Review")),
    ...ended.map((job) => card(`Job ${short(job.id)} ${job.state === "unknown" ? "waits for its peer" : `was ${words(job.state)}`}`, ["From ", job.proposer, ", ", time(job.created), "."], `#/jobs/${job.id}`, "See why", "quiet")),
  ];
  return cards.length > 0 ? h("ul", { class: "cards" }, cards) : h("p", { class: "empty" }, "Nothing waits for you.");
}

function card(title, text, address, action, kind = "") {
  return h("li", { class: `card ${kind}` }, h("div", {}, h("h2", {}, title), h("p", {}, text)), h("a", { class: "button", href: address }, action));
}

/** What is missing before the first answer; nothing once there were jobs. */
function steps({ peers, invited, datasets, jobs }) {
  if (jobs > 0 && peers > 0 && datasets > 0) return [];
  const step = (done, title, text, address, command) => h("li", { class: done ? "done" : "" },
    h("strong", {}, done ? "Done: " : "", h("a", { href: address }, title)), h("span", {}, text),
    done ? null : h("span", { class: "cli-inline" }, h("code", {}, command), copier(command, "command")));
  return section("First steps", h("ol", { class: "steps" },
    step(peers > 0, "Pair with an organisation", invited ? "It has to confirm you first." : "Invite it by a ticket, or accept its ticket.", "#/peers", "tacit peer invite"),
    step(datasets > 0, "Add a dataset", "A table and the policy that says what may be done with it.", "#/datasets", "tacit dataset add FILE --policy FILE"),
    step(jobs > 0, "Ask a question", "A program over your tables and those of your peers.", "#/jobs", "tacit job submit PROGRAM.json")));
}
