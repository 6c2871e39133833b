// The page at work: an event a second becomes charts, and tables are asked for as long as somebody looks.

import { Chart, bytes, number, time } from "./charts.js";

const charts = {
  requests: new Chart("c-requests", { least: 10 }),
  cpu: new Chart("c-cpu", { most: 100, show: (value) => Math.round(value).toString() }),
  protocols: new Chart("c-protocols", { least: 10 }),
  latency: new Chart("c-latency", { scale: "log", show: time }),
  connections: new Chart("c-connections", { least: 10 }),
  closes: new Chart("c-closes", { least: 1 }),
  buffers: new Chart("c-buffers", { least: 64 }),
  traffic: new Chart("c-traffic", { least: 1024, show: bytes, base: 1024 }),
};

const show = (id, text) => { document.getElementById(id).textContent = text; };

const state = (kind, text) => {
  document.getElementById("state").className = kind;
  show("state-text", text);
};

// What the event before said of a shard, if it is still the same.
let before = null;

const tell = (now) => {
  const seconds = before ? now.uptime_seconds - before.uptime_seconds : 0;
  const rate = (value, last) => (seconds > 0 ? Math.max(value - (last ?? 0), 0) / seconds : 0);
  const names = (values) => Object.fromEntries(values);
  show("uptime", time(Math.round(now.uptime_seconds)));
  if (now.silent.length > 0) {
    state("bad", now.silent.map((shard) => `shard ${shard.shard} ${shard.why}`).join(", "));
  } else {
    state(now.is_draining ? "warn" : "good", now.is_draining ? "draining" : "serving");
  }
  if (seconds > 0) {
    const last = new Map(before.shards.map((shard) => [shard.shard, shard]));
    // Of a shard that has not answered before there is no rate.
    const lately = (name, times) => names(now.shards
      .filter((shard) => last.has(shard.shard))
      .map((shard) => [`shard ${shard.shard}`, times * rate(shard[name], last.get(shard.shard)[name])]));
    const requests = lately("requests", 1);
    charts.requests.push(requests);
    charts.cpu.push(lately("cpu_seconds", 100));
    const protocols = Object.entries(now.protocols).map(([name, count]) => [name, rate(count, before.protocols[name])]);
    charts.protocols.push(names(protocols));
    charts.latency.push({ "50 %": now.latency.p50, "90 %": now.latency.p90, "99 %": now.latency.p99, longest: now.latency.longest });
    const sum = (name) => now.shards.reduce((all, shard) => all + shard[name], 0);
    charts.connections.push({ open: now.connections, QUIC: sum("quic_connections"), "to servers": sum("to_servers") });
    charts.closes.push(names(Object.entries(now.closes).map(([name, count]) => [name, rate(count, before.closes[name])])));
    charts.buffers.push(names(now.shards.map((shard) => [`shard ${shard.shard}`, shard.buffers.in_use])));
    const [received, sent] = [rate(now.received_bytes, before.received_bytes), rate(now.sent_bytes, before.sent_bytes)];
    charts.traffic.push({ received, sent });
    show("t-requests", number(Object.values(requests).reduce((all, value) => all + value, 0)));
    show("t-open", number(sum("requests_open")));
    show("t-connections", number(now.connections));
    show("t-p99", time(now.latency.p99));
    show("t-in", bytes(received));
    show("t-out", bytes(sent));
  }
  before = now;
  shardTable(now);
};

// A table of columns: what stands above, what a row shows, and of which kind that is (`n` for numbers).
const table = (id, columns, rows, none) => {
  const element = document.getElementById(id);
  const cell = (kind, content, className) => {
    const made = document.createElement(kind);
    made.append(content ?? "–");
    if (className) made.className = className;
    return made;
  };
  const head = document.createElement("tr");
  head.append(...columns.map(([name, , kind]) => cell("th", name, kind === "n" ? "n" : "")));
  const lines = rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...columns.map(([, value, kind]) => cell("td", value(row), typeof kind === "function" ? kind(row) : kind)));
    return line;
  });
  if (lines.length === 0) {
    const line = document.createElement("tr"), only = cell("td", none, "none");
    only.colSpan = columns.length;
    line.append(only);
    lines.push(line);
  }
  const [above, below] = [document.createElement("thead"), document.createElement("tbody")];
  above.append(head);
  below.append(...lines);
  element.replaceChildren(above, below);
};

const shardTable = (now) => {
  const silent = now.silent.map((shard) => ({ shard: shard.shard, state: shard.why, last: shard.last_turn_seconds }));
  const rows = [...now.shards, ...silent].sort((one, other) => one.shard - other.shard);
  const count = (name) => (row) => (row[name] === undefined ? null : number(row[name]));
  const of = (of, name) => (row) => (row[of] === undefined ? null : number(row[of][name]));
  table("shards", [
    ["shard", (row) => `${row.shard}`, "n"],
    ["state", (row) => (row.last === undefined ? row.state : `${row.state} for ${time(row.last)}`), (row) => (row.last === undefined ? "" : "bad")],
    ["connections", count("connections"), "n"],
    ["QUIC", count("quic_connections"), "n"],
    ["to servers", count("to_servers"), "n"],
    ["requests", count("requests"), "n"],
    ["under way", count("requests_open"), "n"],
    ["CPU time", (row) => (row.cpu_seconds === undefined ? null : time(row.cpu_seconds)), "n"],
    ["tasks", count("tasks"), "n"],
    ["timers", count("timers"), "n"],
    ["buffers", (row) => (row.buffers ? `${row.buffers.in_use} of ${row.buffers.most}` : null), "n"],
    ["leased", of("buffers", "leased"), "n"],
    ["starved", of("buffers", "starved_total"), "n"],
    ["waits", (row) => (row.waiting_bytes === undefined ? null : bytes(row.waiting_bytes)), "n"],
    ["pipes", count("pipes"), "n"],
    ["sq, cq", (row) => (row.ring ? `${row.ring.submitted}, ${row.ring.completed}` : null), "n"],
    ["overflow", of("ring", "overflow"), "n"],
    ["blocked", count("blocked"), "n"],
  ], rows, "no shard answers");
};

const button = (text, act) => {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
};

const close = async (id) => {
  await fetch(`/connections/${id}/close`, { method: "POST" });
  refresh();
};

const tls = (row) => (row.tls ? [row.tls.version, row.tls.server_name].filter(Boolean).join(" ") : "–");

const connectionTable = ({ connections, total }) => {
  show("connections-note", `${connections.length} of ${total}`);
  table("connections", [
    ["id", (row) => row.id],
    ["protocol", (row) => row.protocol],
    ["state", (row) => row.state],
    ["waits for", (row) => row.waits_for],
    ["peer", (row) => (row.to_server ? `${row.peer} (server)` : row.peer)],
    ["TLS", tls],
    ["age", (row) => time(row.age_seconds), "n"],
    ["idle", (row) => time(row.idle_seconds), "n"],
    ["deadline", (row) => time(row.deadline_seconds), "n"],
    ["open", (row) => number(row.exchanges_open), "n"],
    ["all", (row) => number(row.exchanges), "n"],
    ["received", (row) => bytes(row.received_bytes), "n"],
    ["sent", (row) => bytes(row.sent_bytes), "n"],
    ["last fault", (row) => row.last_fault, (row) => (row.last_fault ? "warn" : "")],
    ["", (row) => button("close", () => close(row.id))],
  ], connections, "nobody is connected");
};

const closeTable = ({ closes, counts }) => {
  const all = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  show("closes-note", all.map(([cause, count]) => `${cause} ${number(count)}`).join(", "));
  const good = ["peer", "last_message", "idle_timeout", "tunnel_end", "drain"];
  table("closes", [
    ["ago", (row) => time(row.seconds_ago), "n"],
    ["cause", (row) => row.cause, (row) => (good.includes(row.cause) ? "" : "warn")],
    ["", (row) => row.text],
    ["protocol", (row) => row.protocol],
    ["peer", (row) => row.peer],
    ["shard", (row) => `${row.shard}`, "n"],
    ["age", (row) => time(row.age_seconds), "n"],
    ["exchanges", (row) => number(row.exchanges), "n"],
    ["received", (row) => bytes(row.received_bytes), "n"],
    ["sent", (row) => bytes(row.sent_bytes), "n"],
    ["last fault", (row) => row.last_fault, (row) => (row.last_fault ? "warn" : "")],
  ], closes.slice(0, 50), "no connection has closed");
};

const ask = async (path, then) => {
  const answer = await fetch(path);
  if (answer.ok) then(await answer.json());
};

const wish = document.getElementById("wish");

const refresh = () => {
  if (document.hidden) return;
  const wanted = new URLSearchParams([...new FormData(wish)].filter(([, value]) => value));
  wanted.set("limit", "50");
  ask(`/connections?${wanted}`, connectionTable).catch(() => {});
  ask("/closes", closeTable).catch(() => {});
};

wish.addEventListener("change", refresh);
setInterval(refresh, 2000);
refresh();

const events = new EventSource("/live");
events.addEventListener("message", (event) => tell(JSON.parse(event.data)));
events.addEventListener("error", () => { before = null; state("bad", "not reached"); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Object.values(charts).forEach((chart) => chart.draw()));
