// Jobs: the list, and a form to submit a program.

import { get, postText } from "/console/api.js";
import { commandLine, field, h, live, outcome, section, short, state, table, time } from "/console/dom.js";

export async function show(view) {
  const filter = h("select", { id: "filter" }, ["all", "under way", "ended"].map((name) => h("option", {}, name)));
  let jobs = [];
  const list = live((shown) => table("Jobs", ["Job", "State", "From", "Outputs", "When"], shown.map((job) => [
    h("a", { href: `#/jobs/${job.id}`, data: { key: job.id } }, h("code", {}, short(job.id))), state(job.state), job.proposer, job.outputs.join(", "), { text: time(job.created), class: "nowrap" },
  ]), jobs.length > 0 ? "None of the jobs." : "No jobs yet. Submit a program below."));
  const ended = ["finished", "refused", "failed", "cancelled"];
  const show = () => list.show(jobs.filter((job) => filter.value === "all" || ended.includes(job.state) === (filter.value === "ended")));
  filter.addEventListener("change", show);
  view.root.append(h("h1", {}, "Jobs"), commandLine("tacit job list", "tacit job submit PROGRAM.json"),
    h("div", { class: "toolbar" }, field("Show", filter)), list, submission(view));
  const refresh = async () => {
    jobs = await get("/v1/jobs");
    show();
  };
  view.onJob = refresh;
  await view.every(10_000, refresh);
}

function submission() {
  const said = outcome();
  const file = h("input", { id: "program-file", type: "file", accept: ".json,application/json" });
  const text = h("textarea", { id: "program", rows: 10, spellcheck: "false", required: true, class: "code", wrap: "off" });
  const purpose = h("input", { id: "purpose", maxlength: 1000, autocomplete: "off" });
  const submit = h("button", { type: "submit", class: "primary" }, "Submit");
  // The same word until it has worked: a second press gives the same job.
  let word = crypto.randomUUID();
  file.addEventListener("change", async () => {
    if (file.files[0]) text.value = await file.files[0].text();
  });
  const form = h("form", { id: "submit-form" },
    field("Program file", file, "JSON, as the SDKs write it."),
    field("Program", text, "What is submitted. Choose a file, or paste."),
    field("Purpose", purpose, "What the answer is for. Owners see it, and policies may demand a certain one."),
    h("p", { class: "actions" }, submit), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      JSON.parse(text.value);
      const body = `{"program":${text.value},"purpose":${JSON.stringify(purpose.value)},"idempotency_key":${JSON.stringify(word)}}`;
      const job = await postText("/v1/jobs", body);
      word = crypto.randomUUID();
      location.hash = `#/jobs/${job.id}`;
    } catch (failure) {
      said.failed(failure.code ? failure : { code: "PROGRAM_MALFORMED", message: `the program is no JSON: ${failure.message}`, next: "mend the file; the SDKs write one with `program.to_json()`." });
    } finally {
      submit.disabled = false;
    }
  });
  return section("Submit a program", form);
}
