// The echo: every message comes back, and the time that it took is drawn.
import { badge, byId, bytes, element, fill, ms, roundUp, socketOrigin, trust } from "./common.js";

const LOG_ROWS_MAX = 100, SAMPLES_MAX = 240, PREVIEW_CHARS = 120;
const BURST_MESSAGES = 200, BINARY_BYTES = 4096, PROBE_MS = 500;
const RETRY_MS_MIN = 500, RETRY_MS_MAX = 5_000;
const ws = `${socketOrigin}/echo`;

/* ---------------------------------------------------------------- round trips */

const samples = [];
let sampled = 0, drawing = false;

function sample(value) {
  samples.push(value);
  if (samples.length > SAMPLES_MAX) samples.shift();
  sampled += 1;
  if (!drawing) {
    drawing = true;
    requestAnimationFrame(draw);
  }
}

const quantile = (sorted, q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];

function draw() {
  drawing = false;
  const sorted = [...samples].sort((a, b) => a - b);
  const [min, median, p99] = [sorted[0], quantile(sorted, .5), quantile(sorted, .99)];
  byId("rtt-min").textContent = ms(min);
  byId("rtt-median").textContent = ms(median);
  byId("rtt-p99").textContent = ms(p99);
  byId("rtt-count").textContent = sampled.toLocaleString("en");
  const top = roundUp(sorted[sorted.length - 1] * 1.05);
  const y = (value) => (131.5 - 131 * value / top).toFixed(1);
  const step = 600 / (Math.max(samples.length, 40) - 1);
  const start = 600 - step * (samples.length - 1);
  const points = samples.map((value, i) => `${(start + i * step).toFixed(1)} ${y(value)}`);
  const chart = byId("echo-chart");
  chart.querySelector(".line").setAttribute("d", `M${points.join("L")}`);
  chart.querySelector(".area").setAttribute("d", `M${start.toFixed(1)} 131.5L${points.join("L")}L600 131.5Z`);
  chart.querySelector(".median").setAttribute("d", `M0 ${y(median)}H600`);
  chart.setAttribute("aria-label", `Latest ${samples.length} round trips: minimum ${ms(min)}, median ${ms(median)}, 99th percentile ${ms(p99)}`);
  fill("samples", samples.length);
  fill("axis-top", `${+top.toPrecision(2)} ms`);
  fill("axis-middle", `${+(top / 2).toPrecision(2)} ms`);
}

/* ---------------------------------------------------------------- echo */

const log = byId("echo-log");
let socket, waiting = [], retryMs = RETRY_MS_MIN;

function row(kind, text, note, data = {}) {
  const item = document.createElement("li");
  Object.assign(item.dataset, { kind, ...data });
  item.append(element("time", "", new Date().toTimeString().slice(0, 8)), element("span", "body", text), element("span", "note", note));
  log.prepend(item);
  while (log.children.length > LOG_ROWS_MAX) log.lastChild.remove();
}

function showEchoState(state, text) {
  badge(byId("echo-state"), state, text);
  for (const button of document.querySelectorAll("[data-needs]")) button.disabled = button.dataset.needs !== state;
}

const equal = (a, b) => typeof a === "string" || typeof b === "string" ? a === b :
  a.byteLength === b.byteLength && a.every((octet, i) => octet === b[i]);

/* WebSocket keeps the order, so the first message that waits is the one that came back. */
function receive(data) {
  const now = performance.now();
  const message = waiting.shift();
  const got = typeof data === "string" ? data : new Uint8Array(data);
  if (!message) {
    row("event", "A message that nobody sent", "");
    return;
  }
  const trip = now - message.at;
  const same = equal(got, message.payload);
  sample(trip);
  message.done(same, trip, got);
}

function send(payload, done) {
  waiting.push({ payload, done, at: performance.now() });
  socket.send(payload);
}

function logEcho(same, trip, got) {
  const text = typeof got === "string";
  const size = text ? new TextEncoder().encode(got).length : got.byteLength;
  const shown = !text ? `${[...got.subarray(0, 12)].map((octet) => octet.toString(16).padStart(2, "0")).join(" ")} …` :
    got === "" ? "(empty)" : got.length > PREVIEW_CHARS ? `${got.slice(0, PREVIEW_CHARS)}…` : got;
  row(text ? "text" : "binary", same ? shown : `Came back different: ${shown}`, `${bytes(size)} · ${ms(trip)}`,
    { bytes: size, echo: same ? "same" : "differs" });
}

function burst() {
  const began = performance.now();
  let left = BURST_MESSAGES, differing = 0;
  for (let i = 0; i < BURST_MESSAGES; i += 1) {
    send(`burst ${i} of ${BURST_MESSAGES}`, (same) => {
      left -= 1;
      differing += same ? 0 : 1;
      if (left > 0) return;
      const took = performance.now() - began;
      row("burst", `${BURST_MESSAGES} messages, ${differing ? `${differing} came back different` : "all came back the same"}`, ms(took),
        { echo: differing ? "differs" : "same" });
    });
  }
}

function probe() {
  if (byId("echo-probe").checked && !document.hidden && socket.readyState === WebSocket.OPEN && waiting.length === 0) {
    send("probe", (same, trip, got) => { if (!same) logEcho(same, trip, got); });
  }
}

/* It comes back by itself, unless the person ended it. */
function connect() {
  let wasOpen = false;
  waiting = [];
  socket = new WebSocket(ws);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    wasOpen = true;
    retryMs = RETRY_MS_MIN;
    byId("echo-extensions").textContent = socket.extensions || "none";
    showEchoState("open", "Open");
    row("event", "Connected", "");
    probe();
  });
  socket.addEventListener("message", (event) => receive(event.data));
  socket.addEventListener("close", (event) => {
    if (wasOpen) showClose(event);
    if (byId("echo-state").dataset.state === "closing") {
      showEchoState("closed", "Closed");
      return;
    }
    showEchoState("connecting", "Retrying");
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  });
}

function showClose(event) {
  const text = `${event.code}${event.reason ? ` ${event.reason}` : ""}, ${event.wasClean ? "clean" : "not clean"}`;
  const node = byId("echo-close-code");
  node.textContent = text;
  node.dataset.code = event.code;
  row("event", `Closed: ${text}`, waiting.length ? `${waiting.length} unanswered` : "");
}

byId("echo-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = byId("echo-input");
  if (socket.readyState !== WebSocket.OPEN) return;
  send(input.value, logEcho);
  input.value = "";
});
byId("echo-input").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("echo-form").requestSubmit();
});
byId("echo-binary").addEventListener("click", () => send(crypto.getRandomValues(new Uint8Array(BINARY_BYTES)), logEcho));
byId("echo-burst").addEventListener("click", burst);
byId("echo-close").addEventListener("click", () => {
  showEchoState("closing", "Closing");
  socket.close(1000, "until later");
});
byId("echo-reconnect").addEventListener("click", () => {
  showEchoState("connecting", "Connecting");
  connect();
});
setInterval(probe, PROBE_MS);

fill("echo-url", ws);
trust.then((option) => fill("connect", `sockeye connect ${option}${ws}`));
connect();

/* ---------------------------------------------------------------- the page itself */

const NAMES = { "http/1.1": "HTTP/1.1", h2: "HTTP/2", h3: "HTTP/3" };
const [{ nextHopProtocol = "" } = {}] = performance.getEntriesByType("navigation");
const security = location.protocol === "https:" ? " over TLS" : "";
byId("page-protocol").dataset.protocol = nextHopProtocol;
byId("page-protocol").textContent = nextHopProtocol ? `${NAMES[nextHopProtocol] ?? nextHopProtocol}${security}` : "–";
