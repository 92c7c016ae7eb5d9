// The frame: pages by the address's fragment, keys, counts in the navigation, and the stream of changes.

import { follow, get, signIn, token } from "/console/api.js";
import { announce, failureBox, h, short, words } from "/console/dom.js";
import * as approvals from "/console/approvals.js";
import * as budget from "/console/budget.js";
import * as datasets from "/console/datasets.js";
import * as home from "/console/home.js";
import * as job from "/console/job.js";
import * as jobs from "/console/jobs.js";
import * as learned from "/console/learned.js";
import * as log from "/console/log.js";
import * as peers from "/console/peers.js";
import * as settings from "/console/settings.js";

/** Pages by the first part of the fragment. */
const PAGES = [
  { path: "", key: "h", name: "Home", page: home },
  { path: "peers", key: "p", name: "Peers", page: peers },
  { path: "datasets", key: "d", name: "Datasets", page: datasets, one: learned },
  { path: "jobs", key: "j", name: "Jobs", page: jobs, one: job },
  { path: "approvals", key: "a", name: "Approvals", page: approvals, one: job },
  { path: "budget", key: "b", name: "Budget", page: budget },
  { path: "log", key: "l", name: "Log", page: log },
  { path: "settings", key: "s", name: "Settings", page: settings },
];
/** How often what has no events is asked for again. */
const POLL = 5000;

/** What the pages share: the node's own account of itself, and who is shown now. */
const app = { status: null, view: null, online: false };

/** A page while it is shown. It ends when another one is. */
class View {
  constructor(root) {
    this.root = root;
    this.node = app.status;
    this.ended = false;
    this.timers = [];
    this.onJob = () => {};
  }

  /** Does something now and every so often while the page is shown; a failure is shown in its place. */
  async every(milliseconds, action) {
    const again = async () => {
      if (this.ended) return;
      await this.attempt(action);
      if (!this.ended) this.timers.push(setTimeout(again, milliseconds));
    };
    await again();
  }

  async attempt(action) {
    try {
      await action();
      this.fault?.remove();
      this.fault = null;
    } catch (failure) {
      if (this.ended) return;
      if (!failure.code) throw failure;
      const box = failureBox(failure);
      // The same one again is not news.
      if (this.fault?.isEqualNode(box)) return;
      this.fault ? this.fault.replaceWith(box) : this.root.append(box);
      this.fault = box;
    }
  }

  end() {
    this.ended = true;
    this.timers.forEach(clearTimeout);
  }
}

async function show() {
  const [first, second] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  const entry = PAGES.find((page) => page.path === first) ?? PAGES[0];
  app.view?.end();
  const page = second && entry.one ? entry.one : entry.page;
  const root = h("div", { class: "page" });
  const main = document.getElementById("main");
  const view = new View(root);
  app.view = view;
  mark(entry);
  main.replaceChildren(root);
  document.title = `${entry.name} - ${app.status?.name ?? "Tacit"}`;
  await view.attempt(() => page.show(view, second));
  if (view.ended) return;
  // A page that could not begin says at least which one it is, and is tried again once the node is there.
  view.broken = !root.querySelector("h1");
  if (view.broken) root.prepend(h("h1", {}, entry.name));
  const heading = root.querySelector("h1").textContent;
  document.title = `${heading} - ${app.status?.name ?? "Tacit"}`;
  if (app.moved) announce(heading);
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

function mark(entry) {
  for (const link of document.querySelectorAll("#pages a")) {
    if (link.dataset.path === entry.path) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** The counts in the navigation: what waits for the operator. */
async function recount() {
  if (!token.get()) return;
  try {
    const [all, others] = await Promise.all([get("/v1/jobs"), get("/v1/peers")]);
    const counts = {
      approvals: all.filter((one) => waits(one)).length,
      peers: others.filter((one) => one.state === "pending").length,
    };
    for (const [path, number] of Object.entries(counts)) {
      const badge = document.querySelector(`#pages a[data-path="${path}"] .badge`);
      badge.textContent = number === 0 ? "" : String(number);
      badge.title = number === 0 ? "" : `${number} waiting for you`;
    }
  } catch {
    // The page that is shown says what is wrong.
  }
}

const waits = (one) => one.state === "awaiting_approval" && one.proposer !== app.status?.name;

function heard(kind, change) {
  if (kind === "job") announce(`Job ${short(change.job)} is ${words(change.state)}`);
  recount();
  app.view?.attempt(() => app.view.onJob(change));
}

function reached(online) {
  if (online === app.online) return;
  app.online = online;
  const place = document.getElementById("connection");
  place.textContent = online ? "connected" : "no connection to the node";
  place.className = `connection ${online ? "on" : "off"}`;
  if (online && app.view?.broken) show();
}

const KEYS = [
  ...PAGES.map((page) => [`g ${page.key}`, page.name]),
  ["n", "To the page's first form"],
  ["?", "These keys"],
  ["Esc", "Close what is open"],
];

function keys() {
  let chord = false;
  document.addEventListener("keydown", (event) => {
    const on = document.getElementById("keys-on").checked;
    const typing = event.target.closest("input, textarea, select, dialog");
    if (!on || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = chord && PAGES.find((page) => page.key === event.key);
    if (target) {
      location.hash = `#/${target.path}`;
      event.preventDefault();
    } else if (event.key === "?") {
      document.getElementById("help").showModal();
      event.preventDefault();
    } else if (event.key === "n") {
      const form = document.querySelector("main form");
      form?.closest("details")?.setAttribute("open", "");
      form?.querySelector("input, textarea, select, button")?.focus();
      event.preventDefault();
    }
    chord = event.key === "g";
  });
}

function frame() {
  document.getElementById("pages").append(...PAGES.map((page) =>
    h("li", {}, h("a", { href: `#/${page.path}`, data: { path: page.path }, "aria-keyshortcuts": `g ${page.key}` },
      page.name, h("span", { class: "badge" })))));
  document.getElementById("help-keys").append(...KEYS.flatMap(([key, what]) =>
    [h("dt", {}, key.split(" ").map((one) => h("kbd", {}, one))), h("dd", {}, what)]));
  document.getElementById("help-open").addEventListener("click", () => document.getElementById("help").showModal());
  // A fragment that is no page, such as that of the skip link, is a place in this one.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  addEventListener("hashchange", () => {
    app.moved = true;
    show();
    document.getElementById("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  keys();
}

async function start() {
  frame();
  if (!token.get()) await signIn("");
  for (;;) {
    try {
      app.status = await get("/v1/status");
      break;
    } catch (failure) {
      document.getElementById("main").replaceChildren(failureBox(failure));
      await new Promise((resolve) => setTimeout(resolve, POLL));
    }
  }
  document.getElementById("organisation").textContent = app.status.name;
  show();
  follow(heard, reached);
  recount();
  setInterval(recount, POLL);
}

start();
