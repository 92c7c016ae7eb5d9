// Settings: what the node is and what it runs with. Read-only: `node.toml` is where they are changed.

import { get, token } from "/console/api.js";
import { button, commandLine, copier, facts, h, live, section, table } from "/console/dom.js";

export async function show(view) {
  const node = live((status) => section("Node", facts([
    ["Organisation", status.name],
    ["PeerId", [h("code", { class: "wrap" }, status.peer_id), " ", copier(status.peer_id, "PeerId")]],
    ["Version", status.version],
    ["Peers reach it at", list(status.addresses)],
    ["Data plane", h("code", {}, status.data_address)],
    ["Console and API", h("code", {}, location.origin)],
    ["Jobs under way", String(status.jobs_running)],
    ["Peers connected", String(status.peers_connected)],
  ])));
  const config = live((settings) => section("Configuration", h("p", {}, "What the node runs with. To change it, edit ", h("code", {}, "node.toml"), " in its directory, or what goes before it, and start it again. Flags go before the environment, and that before the file."),
    table("Configuration", ["Key", "Value", "From"], settings.map((setting) => [
      h("code", {}, setting.key), { text: setting.value, class: "wrap" }, setting.default ? { text: "default", class: "note" } : setting.place,
    ]))));
  view.root.append(h("h1", {}, "Settings"), commandLine("tacit status", "tacit config show --origin"), node, config, section("This tab",
    h("p", {}, "The token is kept in this tab alone, and ends with it."),
    button("Sign out", () => {
      token.forget();
      location.reload();
    })));
  await view.every(5000, async () => {
    const [status, settings] = await Promise.all([get("/v1/status"), get("/v1/config")]);
    node.show(status);
    config.show(settings);
  });
}

const list = (items) => h("ul", { class: "plain" }, items.map((item) => h("li", {}, h("code", {}, item))));
