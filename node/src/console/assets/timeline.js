// The course of a job: the states it went through, and the phases of its run with time and bytes.

import { bytes, count, duration, facts, h, marked, section, state, table, time, words } from "/console/dom.js";

const ENDED = ["finished", "refused", "failed", "cancelled"];
const STEPS = ["proposed", "queued", "negotiating", "awaiting_approval", "contracted", "aligning", "executing", "releasing", "finished"];

/** The states it went through, and inside the run its phases with time and bytes. */
export function progress({ history, run, progress: now, state: current, plan }) {
  const ended = ENDED.includes(current);
  const ahead = ended ? [] : STEPS.slice(STEPS.indexOf(current) + 1).filter((name) => !["awaiting_approval", "queued"].includes(name) && current !== "unknown");
  const row = (step, place) => {
    const until = history[place + 1]?.at;
    return h("li", { class: `${until === undefined && !ended ? "now" : "past"} ${step.state}`, "aria-current": until === undefined && !ended ? "step" : false },
      h("span", { class: "what" }, state(step.state), step.note ? h("span", { class: "note" }, marked(step.note)) : null), time(step.at),
      h("span", { class: "note" }, until !== undefined && until > step.at ? duration(until - step.at) : ""));
  };
  return section("Timeline", h("ol", { class: "timeline" }, history.map(row), ahead.map((name) => h("li", { class: "ahead" }, h("span", { class: "what" }, words(name))))),
    now ? underWay(now, plan) : null, run ? took(run) : null);
}

function underWay(now, plan) {
  const planned = plan.reduce((sum, row) => sum + row.bytes, 0);
  return [h("h3", {}, "Under way"),
    now.steps > 0 ? h("p", {}, h("label", { for: "steps" }, `Step ${now.steps_done} of ${now.steps} `), h("progress", { id: "steps", max: now.steps, value: now.steps_done })) : null,
    phases(now.phases),
    facts([["Sent", bytes(now.bytes_sent)], ["Received", bytes(now.bytes_received)], ["Planned for the program", `${bytes(planned)}, both ways`]])];
}

function took(run) {
  const before = Object.entries(run.made_before ?? {});
  return [run.phases.length > 0 ? [h("h3", {}, "Phases"), phases(run.phases)] : null,
    facts([["Rows here", count(run.rows)], ["Rows in both", run.overlap === null ? "not revealed" : count(run.overlap)], ["Sent", bytes(run.bytes_sent)],
      ["Received", bytes(run.bytes_received)], ["Rounds", count(run.rounds)],
      ["Made in idle time", before.map(([kind, items]) => `${count(items)} ${kind}`).join(", ")]])];
}

function phases(all) {
  const total = all.reduce((sum, phase) => sum + phase.seconds, 0);
  const bar = (phase) => h("meter", { min: 0, max: Math.max(total, 1e-9), value: phase.seconds, "aria-label": `Share of ${phase.name}` });
  return h("div", { class: "narrow" }, table("Phases", ["Phase", { text: "Time", class: "number" }, "Share"], all.map((phase) => [phase.name, { text: duration(phase.seconds), class: "number" }, bar(phase)])));
}
