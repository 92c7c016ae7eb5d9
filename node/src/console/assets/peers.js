// Peers: invite, accept, compare words, confirm, revoke.

import { get, post } from "/console/api.js";
import { announce, button, commandLine, copier, field, h, live, outcome, section, state, sure, svg, table, time } from "/console/dom.js";

export async function show(view) {
  const refresh = async () => {
    const peers = await get("/v1/peers");
    compare.show(peers.filter((peer) => ["pending", "invited", "renewing"].includes(peer.state)));
    list.show(peers);
  };
  const act = (action) => view.attempt(async () => {
    await action();
    await refresh();
  });
  const compare = live((peers) => peers.map((peer) => words(peer, act)));
  const list = live((peers) => section("Peers", table("Peers", ["Name", "State", "Connected", "Words", "PeerId", ""], peers.map((peer) => [
    peer.name, state(peer.state), peer.connected ? "yes" : "no", { text: peer.words, class: "words" }, { text: h("code", { title: peer.peer_id }, `${peer.peer_id.slice(0, 6)}…${peer.peer_id.slice(-6)}`), class: "nowrap" },
    peer.state === "revoked" ? "" : button("End", () => end(peer, act), { class: "quiet small danger-text", "aria-label": `End the pairing with ${peer.name}`, data: { key: `end-${peer.peer_id}` } }),
  ]), "No peers yet. Make a ticket below, or accept one.")));
  view.root.append(h("h1", {}, "Peers"), commandLine("tacit peer list", "tacit peer invite", "tacit peer accept TICKET", "tacit peer confirm PEER"),
    compare, list, h("div", { class: "columns" }, invite(), accept(refresh)));
  await view.every(3000, refresh);
}

/** A pairing under way: what both operators read to each other. */
function words(peer, act) {
  const pending = peer.state === "pending";
  const [title, text] = told(peer);
  return h("section", { class: "card words-card", "aria-label": `Words of ${peer.name}` },
    h("div", {}, h("h2", {}, title), h("p", {}, text),
      h("ol", { class: "word-list" }, peer.words.split(" ").map((word) => h("li", {}, word))),
      h("p", { class: "actions" },
        pending ? button("The words match: pair", () => act(async () => {
          await post(`/v1/peers/${peer.peer_id}/confirm`);
          announce(`Paired with ${peer.name}`);
        }), { class: "primary", data: { key: `confirm-${peer.peer_id}` } }) : null,
        button("They differ: end it", () => end(peer, act), { class: "quiet danger-text", data: { key: `differ-${peer.peer_id}` } }))));
}

function told(peer) {
  if (peer.follows) return [`${peer.name} has a new key`, "Call its operator. Its old key is revoked when you confirm; what it has learned and spent stays with it."];
  if (peer.state === "pending") return [`${peer.name} redeemed your ticket`, "Call its operator. Both of you see these words; anyone in between would make them differ."];
  if (peer.state === "renewing") return [`${peer.name} has to confirm your new key`, "Call its operator and compare these words. You are paired again when they confirm."];
  return [`Waiting until ${peer.name} confirms`, "Call its operator and compare these words. The pairing is made when they confirm."];
}

async function end(peer, act) {
  const text = "Its sessions close, its jobs are called off, and its tickets are void. Its key stays out for good: to pair again, its node needs another one (tacit key rotate) and one of you makes a new ticket.";
  if (!await sure(`End the pairing with ${peer.name}?`, text, "End the pairing")) return;
  await act(() => post(`/v1/peers/${peer.peer_id}/revoke`));
}

function invite() {
  const said = outcome();
  const hours = h("input", { id: "hours", type: "number", min: 1, max: 168, value: 24, required: true });
  const auto = h("input", { id: "auto", type: "checkbox" });
  const form = h("form", { id: "invite-form" },
    field("Valid for, in hours", hours, "At most 168."),
    h("div", { class: "field" }, h("label", { class: "check" }, auto, " Pair at once, without comparing words"), h("p", { class: "note" }, "Only where the ticket travels over a way that nobody else can read.")),
    h("p", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Make a ticket")), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const made = await post("/v1/peers/invitations", { valid_seconds: Number(hours.value) * 3600, auto_confirm: auto.checked });
      const drawn = await post("/v1/qr", { text: made.ticket });
      said.says(h("label", { for: "made-ticket" }, "The ticket, for one organisation"),
        h("textarea", { id: "made-ticket", readonly: true, rows: 7, class: "ticket" }, made.ticket),
        h("p", {}, copier(made.ticket, "ticket"), " It ends ", time(made.expires), ". Hand it over by a private way; whoever redeems it first has used it."),
        h("details", {}, h("summary", {}, "As a QR code"), code(drawn.rows)));
    } catch (failure) {
      said.failed(failure);
    }
  });
  return section("Invite", form);
}

/** The dark modules as one path, on light ground in both schemes: cameras want it so. */
function code(rows) {
  const quiet = 4;
  const size = rows.length + 2 * quiet;
  const dark = rows.flatMap((row, y) => [...row].map((module, x) => (module === "1" ? `M${x + quiet} ${y + quiet}h1v1h-1z` : "")));
  return svg("svg", { class: "qr", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "The ticket as a QR code" },
    svg("rect", { width: size, height: size, fill: "#fff" }), svg("path", { d: dark.join(""), fill: "#000" }));
}

function accept(refresh) {
  const said = outcome();
  const ticket = h("textarea", { id: "ticket", rows: 5, required: true, spellcheck: "false", class: "ticket", autocomplete: "off" });
  const submit = h("button", { type: "submit", class: "primary" }, "Accept the ticket");
  const form = h("form", { id: "accept-form" }, field("Ticket", ticket, "The whole string that the other organisation gave you."), h("p", { class: "actions" }, submit), said);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const peer = await post("/v1/peers", { ticket: ticket.value.trim() });
      said.says(h("p", {}, peer.state === "paired" ? `Paired with ${peer.name}.` : `${peer.name} has your answer. Compare the words above with its operator.`));
      ticket.value = "";
      await refresh();
    } catch (failure) {
      said.failed(failure);
    } finally {
      submit.disabled = false;
    }
  });
  return section("Accept a ticket", form);
}
