// The page over HTTPS with the certificate of `sockeye cert`, in Chromium and Firefox: what a page opens is on one
// connection of HTTP/2.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { launch } from "../harness/chromium.mjs";
import { freePort } from "../harness/ports.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { Watch, check, same, until } from "./checks.mjs";
import { Firefox } from "./firefox.mjs";

const STREAMS = 100;
const SOCKETS = 50;

/** In the page: opens all, echoes on each WebSocket, and publishes once to all event streams. */
const CROWD = `(async () => {
  const opened = (target) => new Promise((resolve, reject) => {
    target.addEventListener("open", resolve, { once: true });
    target.addEventListener("error", () => reject(new Error("error of " + target.url)), { once: true });
  });
  const streams = Array.from({ length: ${STREAMS} }, () => new EventSource("/v1/sse?channel=crowd"));
  let heard = 0;
  for (const stream of streams) stream.addEventListener("message", () => { heard += 1; });
  await Promise.all(streams.map(opened));
  const sockets = Array.from({ length: ${SOCKETS} }, () => new WebSocket("wss://" + location.host + "/echo"));
  await Promise.all(sockets.map(opened));
  const echoes = await Promise.all(sockets.map((socket, at) => new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve(data === "number " + at);
    socket.send("number " + at);
  })));
  await fetch("/v1/channels/crowd", { method: "POST", body: "to all" });
  for (let at = 0; at < 300 && heard < streams.length; at += 1) await new Promise((done) => setTimeout(done, 100));
  globalThis.crowd = { streams, sockets };
  const [page] = performance.getEntriesByType("navigation");
  return JSON.stringify({ heard, echoes: echoes.filter(Boolean).length, protocol: page.nextHopProtocol });
})()`;

const GZIP_TARGET = "/v1/sse?channel=gzip";
/** Bytes of a long message. */
const LONG = 8_000;

/** In the page: long and short messages, each of which an EventSource hears before the next one is published. */
const AT_ONCE = String.raw`(async () => {
  const stream = new EventSource("${GZIP_TARGET}");
  await new Promise((resolve, reject) => { stream.onopen = resolve; stream.onerror = reject; });
  let heard = 0;
  for (const text of ["short", "long ".repeat(${LONG / 5}), "again", "\u{1F600}\u00e9".repeat(${LONG / 6})]) {
    const next = new Promise((resolve) => { stream.onmessage = ({ data }) => resolve(data); });
    await fetch("/v1/channels/gzip", { method: "POST", body: text });
    if (await next === text) heard += 1;
  }
  stream.close();
  const { text, gzip } = Object.fromEntries((await (await fetch("/metrics")).text()).split("\n")
    .map((line) => /^sockeye_compressed_bytes_total\{form="(\w+)"\} (\d+)$/.exec(line))
    .filter(Boolean).map(([, form, count]) => [form, Number(count)]));
  return JSON.stringify({ heard, text, gzip });
})()`;

async function checkGzip(name, evaluate) {
  await check(`each event comes at once through gzip in ${name}`, async () => {
    const { heard, text, gzip } = JSON.parse(await evaluate(AT_ONCE));
    same(heard, 4, "the messages that were heard before the next one was published");
    if (!(text > 2 * LONG && gzip * 2 < text)) throw new Error(`${text} bytes became ${gzip}`);
  });
}

/** The connections to a port on this machine, as the kernel counts them. */
function connections(port) {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").map((row) => row.trim().split(/\s+/));
  return rows.filter(([, local, , state]) => local?.endsWith(`:${hex}`) && state === "01").length;
}

async function checkCrowd(name, evaluate, port) {
  await check(`${STREAMS} event streams and ${SOCKETS} WebSockets of a page in ${name}, all of which work`, async () => {
    const { heard, echoes, protocol } = JSON.parse(await evaluate(CROWD));
    same(heard, STREAMS, "the event streams that heard the message");
    same(echoes, SOCKETS, "the WebSockets that echoed");
    same(protocol, "h2", "the page's protocol");
  });
  await check(`they are on one connection of ${name}`, () =>
    until("one connection", () => connections(port) === 1).then(() => undefined));
}

/** What Chromium's network log says: for each session of HTTP/2 the heads of its requests. */
function sessions(file) {
  const { constants, events } = JSON.parse(readFileSync(file, "utf8"));
  const sends = constants.logEventTypes.HTTP2_SESSION_SEND_HEADERS;
  const found = new Map();
  for (const { type, source, params } of events) {
    if (type !== sends || params?.headers === undefined) continue;
    if (!found.has(source.id)) found.set(source.id, []);
    found.get(source.id).push(params.headers.join("\n"));
  }
  return [...found.values()];
}

/** The bytes of content that Chromium's network log has for a target. */
function received(file, target) {
  const { constants, events } = JSON.parse(readFileSync(file, "utf8"));
  const { HTTP2_SESSION_SEND_HEADERS: sends, HTTP2_SESSION_RECV_DATA: receives } = constants.logEventTypes;
  const key = ({ source, params }) => `${source.id} ${params.stream_id}`;
  const asked = events.filter(({ type, params }) => type === sends && params?.headers?.includes(`:path: ${target}`));
  const streams = new Set(asked.map(key));
  const parts = events.filter((event) => event.type === receives && event.params && streams.has(key(event)));
  return parts.reduce((sum, { params }) => sum + params.size, 0);
}

async function checkLog(file) {
  await check("Chromium's network log has fewer bytes of the stream in gzip than of its messages", async () => {
    const bytes = received(file, GZIP_TARGET);
    if (!(bytes > 100 && bytes < LONG / 2)) throw new Error(`${bytes} bytes`);
    return `${bytes} bytes for ${2 * LONG}`;
  });
  await checkSessions("Chromium", () => sessions(file), /:path: \/v1\/sse\?channel=crowd/, /:protocol: websocket/);
}

/** What Firefox's network log says: for each session of HTTP/2 the line of each stream that it opened. */
function firefoxSessions(file) {
  const found = new Map();
  for (const line of readFileSync(file, "latin1").split("\n")) {
    const opened = /Http2Stream(?:WebSocket)? \S+ Stream ID \S+ \[session=(\S+)\] for /.exec(line);
    if (opened === null) continue;
    if (!found.has(opened[1])) found.set(opened[1], []);
    found.get(opened[1]).push(line);
  }
  return [...found.values()];
}

/** The crowd's event streams and WebSockets are requests of one session in a browser's network log. */
async function checkSessions(name, read, isEvents, isSocket) {
  await check(`${name}'s network log has all of them on one session`, async () => {
    const count = (requests, pattern) => requests.filter((request) => pattern.test(request)).length;
    const crowded = read().filter((requests) => count(requests, isEvents) > 0);
    same(crowded.length, 1, "the sessions with event streams");
    same(count(crowded[0], isEvents), STREAMS, "the event streams");
    const sockets = count(crowded[0], isSocket);
    if (sockets < SOCKETS) throw new Error(`${sockets} WebSockets`);
    return `${crowded[0].length} requests, ${sockets} WebSockets among them`;
  });
}

async function checkPage(page, origin, looks) {
  await check("page over HTTPS says by which protocol it came", async () => {
    await page.goto(`${origin}/`);
    const protocol = page.getByTestId("page-protocol");
    await until("the protocol", async () => (await protocol.getAttribute("data-protocol")) !== "");
    same(await protocol.getAttribute("data-protocol"), "h2", "the protocol");
    same(await protocol.innerText(), "HTTP/2 over TLS", "what it says");
  });
  await check("panes and echo live over HTTPS", async () => {
    const state = (id) => page.getByTestId(id).getAttribute("data-state");
    await until("the echo", async () => (await state("echo-state")) === "open");
    await until("the panes", async () =>
      (await page.locator("[data-part=state][data-state=live]").count()) === 4);
  });
  await check("the page says how a command trusts a certificate for development", async () => {
    same(await page.getByTestId("trust").isVisible(), true, "that the hint is shown");
  });
  await looks(page, "secure");
}

function trust(database, ca) {
  mkdirSync(database, { recursive: true });
  execFileSync("certutil", ["-N", "-d", `sql:${database}`, "--empty-password"]);
  execFileSync("certutil", ["-A", "-d", `sql:${database}`, "-n", "sockeye", "-t", "C,,", "-i", ca]);
}

async function inChromium(origin, port, place, looks) {
  const log = path.join(place, "net-log.json");
  const browser = await launch({ args: [`--log-net-log=${log}`], env: { ...process.env, HOME: place } });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const watch = new Watch(page, origin);
    await checkPage(page, origin, looks);
    await check("nothing unexpected on the console over HTTPS", () => watch.none());
    await page.goto(`${origin}/healthz`);
    await checkCrowd("Chromium", (script) => page.evaluate(script), port);
    await checkGzip("Chromium", (script) => page.evaluate(script));
  } finally {
    await browser.close();
  }
  await checkLog(log);
}

async function inFirefox(origin, port, place, out) {
  const net = path.join(place, "firefox-net");
  const firefox = new Firefox(path.join(place, "firefox"), path.join(out, "firefox.log"), net);
  trust(firefox.profile, path.join(place, "ca.pem"));
  try {
    await firefox.start();
    await firefox.open(`${origin}/healthz`);
    await checkCrowd("Firefox", (script) => firefox.evaluate(script), port);
    await checkGzip("Firefox", (script) => firefox.evaluate(script));
  } finally {
    await firefox.end();
  }
  const streams = () => firefoxSessions(`${net}.moz_log`);
  await checkSessions("Firefox", streams, /for URI \/v1\/sse\?channel=crowd$/, /Http2StreamWebSocket/);
}

export async function checkSecure(binary, out, looks) {
  const place = path.join(out, "secure");
  rmSync(place, { recursive: true, force: true });
  execFileSync(binary, ["cert", "--out", place], { stdio: "ignore" });
  trust(path.join(place, ".pki/nssdb"), path.join(place, "ca.pem"));
  const port = await freePort();
  const flags = ["--cert", path.join(place, "cert.pem"), "--key", path.join(place, "key.pem")];
  const server = new Sockeye(binary, port, path.join(out, "secure.log"), flags);
  const origin = `https://127.0.0.1:${port}`;
  try {
    await server.start();
    await inChromium(origin, port, place, looks);
    await until("no connection", () => connections(port) === 0);
    await inFirefox(origin, port, place, out);
  } finally {
    await server.end("SIGTERM");
  }
}
