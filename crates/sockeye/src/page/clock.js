// The clock: an EventSource that resumes by itself, also over a restart of the server.
import { badge, byId, element, fill, trust } from "./common.js";

const CHIPS_MAX = 60;

/* The server's time, as people where the page is read write it. */
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
const ZONE = DATE.resolvedOptions().timeZone;

let source, opened = 0, ticks = 0, faults = 0, latest;

function chip(kind, text, n) {
  const list = byId("clock-list");
  const item = element("li", "", text);
  item.dataset.kind = kind;
  if (n !== undefined) item.dataset.n = n;
  list.append(item);
  while (list.children.length > CHIPS_MAX) list.firstChild.remove();
}

/* Long numbers differ in their last digits only. */
const short = (n) => n < 1e5 ? String(n) : `…${String(n).slice(-4)}`;

function fault(kind, count, text) {
  faults += count;
  chip(kind, text);
  byId("clock-faults").textContent = faults;
  byId("clock-faults").dataset.bad = "true";
}

/* As if the reader had left some ticks ago. */
function showResume(n) {
  fill("resume", `curl ${option}-N -H 'Last-Event-ID: ${Math.max(0, n - 10)}' ${location.origin}/clock`);
}

function tick(event) {
  const { n, time } = JSON.parse(event.data);
  if (ticks === 0) showResume(n);
  if (latest !== undefined && n > latest + 1) fault("gap", n - latest - 1, `${n - latest - 1} lost`);
  if (latest !== undefined && n <= latest) fault("repeat", 1, `${short(n)} again`);
  latest = n;
  ticks += 1;
  chip("tick", short(n), n);
  const date = new Date(time);
  byId("clock-time").textContent = TIME.format(date);
  byId("clock-time").dateTime = date.toISOString();
  byId("clock-date").textContent = `${DATE.format(date)}, ${ZONE}`;
  byId("clock-last-id").textContent = event.lastEventId;
  byId("clock-count").textContent = ticks;
}

function listen() {
  badge(byId("clock-state"), "connecting", "Connecting");
  byId("clock-reopen").hidden = true;
  // It comes back by itself with the last ID; one that is opened anew has to be told.
  source = new EventSource(latest === undefined ? "/clock" : `/clock?last_event_id=${latest}`);
  source.addEventListener("tick", tick);
  source.addEventListener("open", () => {
    opened += 1;
    badge(byId("clock-state"), "open", "Open");
    byId("clock-reconnects").textContent = opened - 1;
    if (opened > 1) chip("resumed", "resumed");
  });
  source.addEventListener("error", () => {
    const closed = source.readyState === EventSource.CLOSED;
    badge(byId("clock-state"), closed ? "closed" : "connecting", closed ? "Closed" : "Reconnecting");
    byId("clock-reopen").hidden = !closed;
  });
}

byId("clock-reopen").addEventListener("click", listen);

/* A connection of the browser's six is left to the pages that are looked at. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source.close();
    badge(byId("clock-state"), "resting", "Resting");
  } else if (source.readyState === EventSource.CLOSED) {
    listen();
  }
});

let option = "";
trust.then((it) => {
  option = it;
  fill("curl", `curl ${option}-N ${location.origin}/clock`);
  showResume(latest ?? 0);
});
listen();
