// Elements. Everything that comes from peers, files or users becomes text nodes: this console never parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `properties`: `class`, `on` (listeners by event), `data` (data attributes), anything else an attribute;
 * `true` is an empty attribute, `false`, null and undefined none. Children: nodes, text, arrays of both.
 */
export function h(tag, properties = {}, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A table; a cell is text, a node, or `{ text, class }`. `hint`: what stands there instead of an empty one. */
export function table(caption, header, rows, hint = null) {
  if (rows.length === 0 && hint) return h("p", { class: "empty" }, hint);
  const cell = (value, tag) => {
    const styled = value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
    return styled ? h(tag, { class: value.class }, value.text) : h(tag, {}, value);
  };
  const columns = header.map((name) => {
    const head = cell(name, "th");
    head.scope = "col";
    return head;
  });
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, columns)),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value) => cell(value, "td")))))));
}

/** Terms and what they are; those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, known.map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}

/** A section with a heading. */
export function section(title, ...children) {
  const heading = h("h2", { id: `s-${title.toLowerCase().replace(/[^a-z]+/g, "-")}` }, title);
  return h("section", { "aria-labelledby": heading.id }, heading, ...children);
}

/** A labelled control with a note. */
export function field(label, control, note = null) {
  if (note) {
    const described = h("p", { class: "note", id: `${control.id}-note` }, note);
    control.setAttribute("aria-describedby", described.id);
    return h("div", { class: "field" }, h("label", { for: control.id }, label), control, described);
  }
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control);
}

/** A button that cannot be pressed again while what it does is under way. */
export function button(label, action, properties = {}) {
  const pressed = async (event) => {
    const element = event.currentTarget;
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    try {
      await action(event);
    } finally {
      element.removeAttribute("aria-disabled");
    }
  };
  return h("button", { type: "button", ...properties, on: { click: pressed } }, label);
}

/** A button that copies text. */
export function copier(text, what) {
  return button("Copy", async (event) => {
    const element = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      element.textContent = "Copied";
      announce(`${what} copied`);
    } catch {
      announce(`${what} could not be copied; select it instead`);
    }
  }, { class: "quiet small", "aria-label": `Copy ${what}` });
}

/** The same on the command line. */
export function commandLine(...commands) {
  return h("aside", { class: "cli", "aria-label": "The same on the command line" },
    h("span", {}, "Command line"), commands.map((command) => h("code", {}, command)));
}

/** A failure as the command line shows it: code, party, step, cause, next. */
export function failureBox(failure, title = null) {
  return h("div", { class: "failure", role: "alert" },
    title && h("h3", {}, title),
    h("p", {}, h("strong", { class: "code" }, failure.code), " ", marked(failure.message)),
    facts([["Party", failure.party], ["Step", failure.step && words(failure.step)], ["Next", failure.next && marked(failure.next)]]));
}

/** The state of a job or peer, in words and colour. */
export function state(name) {
  return h("span", { class: `state ${name}` }, words(name));
}

/** A time, local, with UTC in its title. */
export function time(seconds) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return String(seconds);
  const utc = at.toISOString().replace(".000Z", "Z");
  const text = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return h("time", { datetime: utc, title: utc }, text);
}

/** Text in which `marks` set code apart. */
export function marked(text) {
  return text.split("`").map((part, place) => (place % 2 === 1 ? h("code", {}, part) : part));
}

export const words = (name) => name.replaceAll("_", " ");
export const short = (id) => id.slice(0, 12);
export const count = (number) => Number(number).toLocaleString("en-GB");

export function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const place = Math.min(units.length - 1, number < 1000 ? 0 : Math.floor(Math.log10(number) / 3));
  return place === 0 ? `${number} bytes` : `${(number / 1000 ** place).toPrecision(3)} ${units[place]}`;
}

export function duration(seconds) {
  if (seconds < 0.001) return "under 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Says something to those who do not see the page change. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

/** Asks before something that cannot be taken back. */
export function sure(title, text, yes) {
  const dialog = document.getElementById("question");
  document.getElementById("question-title").textContent = title;
  document.getElementById("question-text").textContent = text;
  document.getElementById("question-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Hands a file to the user. */
export function save(name, parts, type) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/**
 * A part of a page that follows data: rendered anew where the data has changed, with the focus and the opened details
 * where they were (told by `data-key`).
 */
export function live(render) {
  const root = h("div", { class: "live" });
  let known = null;
  root.show = (data) => {
    const now = JSON.stringify(data);
    if (now === known) return;
    known = now;
    const key = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const opened = new Map([...root.querySelectorAll("details[data-key]")].map((one) => [one.dataset.key, one.open]));
    root.replaceChildren(...[render(data)].flat(Infinity).filter(Boolean));
    for (const one of root.querySelectorAll("details[data-key]")) one.open = opened.get(one.dataset.key) ?? one.open;
    if (key) [...root.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key)?.focus();
  };
  return root;
}

/** Where a form says how it went. */
export function outcome() {
  const root = h("div", { class: "outcome" });
  root.failed = (failure) => root.replaceChildren(failureBox(failure));
  root.says = (...children) => root.replaceChildren(h("div", { class: "success", role: "status" }, ...children));
  root.clear = () => root.replaceChildren();
  return root;
}
