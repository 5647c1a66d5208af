// The admin view: `/metrics` once a second, as numbers and curves.

import { badge, byId, bytes, element, fill, roundUp } from "./common.js";

const INTERVAL_MS = 1_000, DEADLINE_MS = 5_000, POINTS_MAX = 121;
const NAME = "sockeye_";

/* ---------------------------------------------------------------- the text format of Prometheus */

/** Samples in the order they came, each with its family and the family's help. */
function parse(text) {
  const samples = [];
  let family = "", help = "";
  for (const line of text.split("\n")) {
    const told = /^# HELP (\S+) (.*)$/.exec(line);
    if (told) [, family, help] = told;
    const sample = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!sample) continue;
    const [, name, labels = "", value] = sample;
    const by = Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, it]) => [key, it]));
    samples.push({ name, labels, by, value: Number(value), family, help });
  }
  return samples;
}

/** The sum of a metric over its labels, or over those that fit; undefined if there is none. */
function sum(samples, name, fits = () => true) {
  const of = samples.filter((sample) => sample.name === NAME + name && fits(sample.by));
  return of.length === 0 ? undefined : of.reduce((total, sample) => total + sample.value, 0);
}

/** What is left of a counter of the opened and one of the closed, if both are there. */
function open(samples, opened, closed) {
  const [more, less] = [sum(samples, opened), sum(samples, closed)];
  return more === undefined || less === undefined ? undefined : more - less;
}

/* ---------------------------------------------------------------- what is shown */

const count = (value) => value === undefined ? "–" : Math.round(value).toLocaleString("en");
const rate = (value) => value === undefined ? "–" : value < 10 && value % 1 ? value.toFixed(1) : count(value);
const size = (value) => value === undefined ? "–" : bytes(Math.round(value));

const points = [];
let before;

function take(samples, at) {
  const now = {
    at,
    published: sum(samples, "published_total"), delivered: sum(samples, "delivered_total"),
    sent: sum(samples, "bytes_sent_total"), received: sum(samples, "bytes_received_total"),
    requests: sum(samples, "requests_total"),
  };
  const perSecond = (name) => {
    const change = now[name] - before?.[name];
    // A counter that went back began anew with the server.
    return Number.isFinite(change) ? Math.max(0, change) * 1000 / (at - before.at) : undefined;
  };
  const rates = Object.fromEntries(["published", "delivered", "sent", "received", "requests"]
    .map((name) => [name, perSecond(name)]));
  before = now;
  showNumbers(samples, rates);
  showAll(samples);
  if (rates.published !== undefined) showRates(rates);
}

function showNumbers(samples, rates) {
  const over = (transport) => sum(samples, "streams", (by) => by.transport === transport);
  const shown = {
    "connections": count(sum(samples, "connections") ?? open(samples, "connections_accepted_total", "connections_closed_total")),
    "streams": count(sum(samples, "streams")),
    "channels": count(sum(samples, "channels")),
    "subscriptions": count(sum(samples, "subscriptions")),
    "transport-websocket": count(over("websocket")),
    "transport-sse": count(over("sse")),
    "transport-poll": count(over("poll")),
    "requests-rate": rate(rates.requests),
    "lagged": count(sum(samples, "slow_readers_total", (by) => by.action === "lagged")),
    "gaps": count(sum(samples, "gaps_total")),
    "replayed": count(sum(samples, "replayed_total")),
    "recovered": count(sum(samples, "resumes_total", (by) => by.outcome === "complete")),
    "refused": count(sum(samples, "publications_refused_total")),
    "history": count(sum(samples, "history_messages")),
    "sent-rate": size(rates.sent),
    "received-rate": size(rates.received),
    "published-rate": rate(rates.published),
    "delivered-rate": rate(rates.delivered),
  };
  for (const [id, text] of Object.entries(shown)) byId(id).textContent = text;
}

/* A metric that the server begins to count appears here by itself. */
function showAll(samples) {
  const table = byId("metrics");
  const families = Map.groupBy(samples, (sample) => sample.family);
  for (const body of [...table.tBodies]) if (!families.has(body.dataset.family)) body.remove();
  for (const [name, of] of families) {
    let body = [...table.tBodies].find((it) => it.dataset.family === name);
    if (!body) {
      body = table.createTBody();
      body.dataset.family = name;
    }
    showFamily(body, name, of);
  }
}

/* Its name and help once. Below it stand the samples that are told apart by labels, and those at 0 fold away. */
function showFamily(body, name, samples) {
  const isOne = samples.length === 1 && samples[0].labels === "";
  const below = isOne ? [] : samples.filter((sample) => sample.value !== 0);
  const folded = isOne ? [] : samples.filter((sample) => sample.value === 0);
  const shown = [...below.map(label), "", ...folded.map(label)].join("\n");
  if (body.rows.length === 0 || body.dataset.shown !== shown) {
    const isOpen = body.querySelector("details")?.open ?? false;
    body.dataset.shown = shown;
    const title = row("family", element("code", "", name), element("span", "note", samples[0].help));
    body.replaceChildren(title, ...below.map((sample) => row("sample", element("code", "", label(sample)))));
    if (folded.length > 0) body.append(row("folded", fold(folded, below.length > 0, isOpen)));
  }
  const values = isOne ? samples : [undefined, ...below];
  values.forEach((sample, i) => { body.rows[i].cells[1].textContent = sample ? figure(sample.value) : ""; });
}

/** A value as it is shown: a small one keeps its first digits, and is not rounded to 0. */
function figure(value) {
  return value.toLocaleString("en", Math.abs(value) < 1 ? { maximumSignificantDigits: 3 } : {});
}

/** What tells a sample from the others of its family: the end of a histogram's name, and labels. */
function label({ name, family, by }) {
  const labels = Object.entries(by).map(([key, value]) => `${key}="${value}"`).join(", ");
  return [name.slice(family.length), labels].filter(Boolean).join(" ");
}

function row(kind, ...content) {
  const made = element("tr", "", "");
  made.dataset.kind = kind;
  made.append(element("td", "", ""), element("td", "number", kind === "folded" ? "0" : ""));
  made.cells[0].append(...content);
  return made;
}

function fold(samples, isMore, isOpen) {
  const node = element("details", "", "");
  node.open = isOpen;
  node.append(element("summary", "", isMore ? `${samples.length} more, all 0` : `${samples.length}, all 0`));
  for (const sample of samples) node.append(element("code", "", label(sample)));
  return node;
}

function showRates(rates) {
  points.push(rates);
  if (points.length > POINTS_MAX) points.shift();
  const highest = Math.max(4, ...points.map((point) => Math.max(point.published, point.delivered)));
  const top = roundUp(highest * 1.05);
  const step = 600 / (POINTS_MAX - 1);
  const start = 600 - step * (points.length - 1);
  const line = (name) => points
    .map((point, i) => `${(start + i * step).toFixed(1)} ${(131.5 - 131 * point[name] / top).toFixed(1)}`).join("L");
  const chart = byId("rates-chart");
  chart.querySelector(".line").setAttribute("d", `M${line("published")}`);
  chart.querySelector(".area").setAttribute("d", `M${start.toFixed(1)} 131.5L${line("published")}L600 131.5Z`);
  chart.querySelector(".median").setAttribute("d", `M${line("delivered")}`);
  chart.setAttribute("aria-label", `Messages a second: ${rate(rates.published)} published, ${rate(rates.delivered)} delivered`);
  fill("axis-top", top.toLocaleString("en"));
  fill("axis-middle", (top / 2).toLocaleString("en"));
}

/* ---------------------------------------------------------------- asking */

async function look() {
  const response = await fetch("/metrics", { cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
  if (!response.ok) throw new Error(`status ${response.status}`);
  take(parse(await response.text()), performance.now());
}

async function run() {
  for (;;) {
    try {
      if (!document.hidden) await look();
      badge(byId("admin-state"), "live", "Live");
    } catch {
      before = undefined;
      badge(byId("admin-state"), "connecting", "Reconnecting");
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

run();
