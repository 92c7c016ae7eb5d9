// The node's API: calls with the token, files, and the stream of events. A call that the node refuses throws its
// failure; one without a good token waits until the user has signed in again, and goes on.

const KEY = "tacit-token";
let asking = null;

export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** A failure in the form of the API, for what goes wrong before it. */
export const failure = (code, message, next) => ({ code, message, next, party: null, step: null });

const unreachable = () => failure("API_UNREACHABLE", "the node does not answer", "see whether it runs: `tacit status`.");

/** Tries a token: the failure of the call, or null. */
export async function refuses(value) {
  const answer = await fetch("/v1/status", { headers: { authorization: `Bearer ${value}` } }).catch(() => null);
  if (answer === null) return unreachable();
  return answer.ok ? null : answer.json().catch(unreachable);
}

/** Opens the sign-in over the page, which stays as it is, and waits until it has led to a token. */
export function signIn(why) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("sign-in");
    const [field, wrong] = ["token", "sign-in-error"].map((id) => document.getElementById(id));
    document.getElementById("sign-in-why").textContent = why;
    wrong.replaceChildren();
    const submit = async (event) => {
      event.preventDefault();
      const value = field.value.trim();
      const refused = /^[\w.-]+$/.test(value) ? await refuses(value)
        : failure("TOKEN_INVALID", "this is not a token", "copy the one line of the file `api.token`.");
      if (refused) {
        wrong.textContent = `${refused.code}: ${refused.message}. Next: ${refused.next}`;
        return field.select();
      }
      token.set(value);
      field.value = "";
      dialog.removeEventListener("submit", submit);
      dialog.removeEventListener("cancel", stay);
      dialog.close();
      asking = null;
      resolve();
    };
    const stay = (event) => event.preventDefault();
    dialog.addEventListener("submit", submit);
    dialog.addEventListener("cancel", stay);
    dialog.showModal();
  });
  return asking;
}

async function send(path, options) {
  for (;;) {
    if (!token.get()) await signIn("");
    const sent = token.get();
    const headers = { ...options.headers, authorization: `Bearer ${sent}` };
    let answer;
    try {
      answer = await fetch(path, { ...options, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (answer.ok) return answer;
    const refused = await answer.json().catch(() =>
      failure("API_ANSWER", `the node answered with ${answer.status}`, "see the node's log."));
    if (answer.status !== 401) throw refused;
    // Another call may have led to a new token meanwhile.
    if (token.get() === sent) token.forget();
    if (!token.get()) await signIn("The node no longer takes the token: it has started again, or a day is over. What you typed is still there.");
  }
}

const json = async (answer) => (await answer).json();
const posted = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body });

export const get = (path) => json(send(path, {}));
export const post = (path, body = null) => json(send(path, posted(JSON.stringify(body))));
/** Posts JSON that is already text, so that no number in it is read and written again. */
export const postText = (path, text) => json(send(path, posted(text)));
export const download = async (path) => (await send(path, {})).blob();

/** Streams a file to the node, which checks the token first, and says how much has gone. */
export async function upload(path, file, progress) {
  const request = new XMLHttpRequest();
  request.open("PUT", path);
  request.setRequestHeader("authorization", `Bearer ${token.get()}`);
  request.setRequestHeader("content-type", "application/octet-stream");
  request.upload.onprogress = (event) => progress(event.loaded, event.total);
  const ended = new Promise((resolve, reject) => {
    request.onload = resolve;
    request.onerror = () => reject(unreachable());
  });
  request.send(file);
  await ended;
  let answer;
  try {
    answer = JSON.parse(request.responseText);
  } catch {
    answer = failure("API_ANSWER", `the node answered with ${request.status}`, "see the node's log.");
  }
  if (request.status !== 200) throw answer;
  return answer;
}

/**
 * Follows the changes of jobs for as long as the page is open. `heard(kind, change)`: `job`, or `resync` where changes
 * were missed; `reached(true or false)`: whether the node is there.
 */
export async function follow(heard, reached) {
  let last = null;
  let pause = 1000;
  for (;;) {
    try {
      const answer = await send("/v1/events", { headers: last ? { "last-event-id": last } : {} });
      // What changed while nobody followed is in no event without an earlier id.
      if (!last) heard("resync", {});
      reached(true);
      pause = 1000;
      for await (const event of events(answer.body)) {
        last = event.id ?? last;
        if (event.kind !== "start") heard(event.kind, JSON.parse(event.data || "{}"));
      }
    } catch (error) {
      console.warn("the stream of events ended", error.code ?? error.name);
    }
    reached(false);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, 15_000);
  }
}

/** The events of a stream (HTML Living Standard, 9.2.6; fields that the node does not send are left out). */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = new Map(block.split("\n").map((line) => {
        const [name, ...rest] = line.split(":");
        return [name, rest.join(":").replace(/^ /, "")];
      }));
      if (fields.has("event")) yield { kind: fields.get("event"), id: fields.get("id"), data: fields.get("data") };
    }
  }
}
