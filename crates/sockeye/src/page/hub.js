// The channel: publishing into it, and four panes that read it side by side.

import { badge, byId, fill, needed, trust } from "./common.js";
import { Ledger } from "./ledger.js";
import { Pane } from "./pane.js";

const CUT_MS = 8_000, RETRY_MS = 1_000, SEVERAL = 5;
const KINDS = [
  { transport: "websocket", title: "WebSocket", what: "/v1/ws, sockeye.v1.json", options: { transports: ["websocket"] } },
  { transport: "sse", title: "Event stream", what: "/v1/sse", options: { transports: ["sse"] } },
  { transport: "long-poll", title: "Long poll", what: "/v1/poll?wait=25", options: { transports: ["poll"] } },
  { transport: "short-poll", title: "Short poll", what: "/v1/poll, every second", options: { transports: ["poll"], times: { pollMs: 0 } } },
];

let drawing = false, starting = 0, ready, asked, queue = Promise.resolve(), number = 0, awayAt;

/* Many things change in one turn; they are drawn once. A page that is not looked at draws nothing. */
function changed() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    for (const pane of panes) pane.judge();
    if (isBack()) say("idle", "The server answers again. If what you published is not below, publish it again.");
    byId("cut-all").textContent = anyCut() ? "Restore all" : "Cut all four lines";
  });
}

const anyCut = () => panes.some((pane) => pane.state === "cut");
const panes = [];
const ledger = new Ledger(changed);
for (const kind of KINDS) {
  const pane = new Pane(byId("pane-template"), kind, ledger, changed);
  byId("panes").append(pane.node);
  panes.push(pane);
}

function say(state, text) {
  awayAt = undefined;
  badge(byId("publish-status"), state, text);
}

/* What failed because the server was away is red only until it is back. */
function failed({ text, isAway }) {
  say("failed", text);
  if (isAway) awayAt = performance.now();
}

/* A pane came back since, and none is still about to. */
const isBack = () => awayAt !== undefined && !panes.some((pane) => pane.state === "connecting") &&
  panes.some((pane) => pane.state === "live" && pane.liveAt > awayAt);

const channel = () => byId("channel").value;

/* Known before it is asked: what a server refuses, browsers write to the console as an error. */
function isName() {
  const isGood = byId("channel").checkValidity();
  if (!isGood) say("failed", "A channel's name has letters, digits and _ . : ~ @ / - only, and nothing empty between colons.");
  return isGood;
}

/* ---------------------------------------------------------------- the channel */

/* All four begin at the same place: the position is read first, and each subscribes from it. */
function start() {
  if (channel() === asked || !isName()) return;
  asked = channel();
  ready = startIn(asked, starting += 1);
}

async function startIn(name, mine) {
  void showCommands(name);
  for (;;) {
    const response = await ask(`/v1/position?${new URLSearchParams({ channel: name })}`);
    if (mine !== starting) return; // another channel was asked for meanwhile
    if (response.ok) {
      ledger.clear();
      for (const pane of panes) pane.start(name, response.body.cursor, CUT_MS);
      say("idle", `All four begin at ${response.body.cursor}.`);
      return;
    }
    failed(response);
    if (!response.mayPass) {
      asked = undefined;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The answer to a request: what it says, or in a few words why it says nothing. */
async function ask(path, options = {}) {
  try {
    const response = await fetch(path, { cache: "no-store", ...options });
    const body = await response.json();
    const mayPass = response.status === 429 || response.status >= 500;
    return { ok: response.ok, body, text: body.error?.message ?? "", mayPass, isAway: response.status >= 500 };
  } catch {
    return { ok: false, text: "The server does not answer.", mayPass: true, isAway: true };
  }
}

const path = (name) => `/v1/channels/${encodeURIComponent(name)}`;

async function showCommands(name) {
  const { credential } = await needed;
  const [variable, field] = credential === "ApiKey" ? ["KEY", "apiKey"] : ["TOKEN", "token"];
  const header = credential ? `-H "Authorization: ${credential} $${variable}" ` : "";
  const option = await trust + header;
  const made = `new Sockeye('${location.origin}'${credential ? `, { credentials: () => ({ ${field}: '${variable}' }) }` : ""})`;
  fill("publish-command", `curl ${option}-d 'hello from a terminal' ${location.origin}${path(name)}`);
  fill("script", `import('${location.origin}/sockeye.js').then(({ Sockeye }) => ${made}.subscribe(${JSON.stringify(name)}, { onitem: ({ data }) => data && console.log(data) }))`);
  fill("subscribe-command", `curl ${option}-N '${location.origin}/v1/sse?${new URLSearchParams({ channel: name })}'`);
}

/* ---------------------------------------------------------------- publishing */

/* One after the other, so that they come into the log in the order in which they were sent. */
function publish(publishing) {
  if (!isName()) return;
  queue = queue.then(() => ready).then(publishing).catch((error) => say("failed", error.message));
}

async function publishOne(name, text) {
  const at = performance.now();
  const response = await ask(path(name), { method: "POST", body: text });
  if (!response.ok) {
    failed(response);
    return;
  }
  published(name, response.body, at);
  const { cursor, level, subscribers } = response.body;
  const now = subscribers === 1 ? "1 reader" : `${subscribers} readers`;
  say("done", `Published at ${cursor}: ${level}, ${now} at that moment.`);
}

async function publishSeveral(name) {
  const texts = Array.from({ length: SEVERAL }, () => `message ${number += 1}`);
  const body = texts.map((data) => JSON.stringify({ channel: name, data })).join("\n");
  const at = performance.now();
  const response = await ask("/v1/batch", { method: "POST", body });
  const results = response.body?.results ?? [];
  for (const result of results) if (result.cursor) published(name, result, at);
  const refused = results.find((result) => result.error);
  if (!response.ok) failed(response);
  else if (refused) say("failed", refused.error.message);
  else say("done", `Published ${results.length} in one batch, the last at ${results.at(-1).cursor}.`);
}

/* A receipt for another channel than the one that is shown proves nothing here. */
function published(name, { cursor }, at) {
  if (name === panes[0].channel) ledger.published(cursor, at);
}

/* ---------------------------------------------------------------- the person */

byId("channel-form").noValidate = true; // it says itself what is wrong
byId("channel-form").addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
byId("channel").addEventListener("change", start);
byId("publish-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("publish-input");
  const text = input.value || `message ${number += 1}`;
  const name = channel();
  publish(() => publishOne(name, text));
  input.value = "";
});
byId("publish-several").addEventListener("click", () => {
  const name = channel();
  publish(() => publishSeveral(name));
});
byId("cut-all").addEventListener("click", () => {
  if (anyCut()) for (const pane of panes.filter((it) => it.state === "cut")) pane.open();
  else for (const pane of panes) pane.cut();
});

/* Browsers allow six connections to a server over HTTP/1.1, for all their pages together: one that
   is not looked at gives its up, and resumes when it is looked at again. */
document.addEventListener("visibilitychange", () => {
  for (const pane of panes) if (document.hidden) pane.rest(); else pane.wake();
});

start();
