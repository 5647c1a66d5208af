// What readers talk to: the real program, a proxy before it that can be in the way, and somebody who publishes.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as access from "../harness/access.mjs";
import { freePort } from "../harness/ports.mjs";
import { Sockeye } from "../harness/sockeye.mjs";

const limits = (pingSeconds) => `[limits]
heartbeat_seconds = 1
ping_seconds = ${pingSeconds}
[channels]
history_messages = 10000
history_bytes = 16777216
patterns = true
presence = true
`;

/** How long something may take before it is taken for missing. */
export const WAIT_MS = Number(process.env.WAIT_MS ?? 180_000);

export async function until(what, probe, ms = WAIT_MS) {
  for (const late = Date.now() + ms; ; await sleep(20)) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > late) throw new Error(`${what}: not within ${ms / 1000} s`);
  }
}

/** The program on a fixed port behind a proxy. */
export class House {
  static async build({ isGuarded = false, isDurable = false, pingSeconds = 20, more = "", drain = "" } = {}) {
    const house = new House();
    house.dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-js-"));
    house.port = await freePort();
    house.direct = `http://127.0.0.1:${house.port}`;
    house.proxy = await Proxy.open(house.port);
    house.base = `http://127.0.0.1:${house.proxy.port}`;
    writeFileSync(path.join(house.dir, "hub.toml"), drain + limits(pingSeconds) + (isGuarded ? access.guarded(house.dir, house.base) : "") + more);
    const flags = ["--config", path.join(house.dir, "hub.toml"), ...isDurable ? ["--data", path.join(house.dir, "data")] : []];
    house.server = new Sockeye(process.env.SOCKEYE_BIN, house.port, path.join(house.dir, "server.log"), flags);
    house.headers = isGuarded ? access.BACKEND : {};
    await house.start();
    return house;
  }

  start() {
    return this.server.start();
  }

  stop(signal) {
    return this.server.end(signal);
  }

  token(claims) {
    return access.token({ publish: ["private:>"], ...claims });
  }

  ticket() {
    return access.ticket(this.direct, { user: "u1", channels: ["private:>"], publish: ["private:>"] });
  }

  /** Publishes once, however often it has to be sent; its receipt. */
  async publish(channel, data, headers = {}) {
    const key = randomUUID();
    const url = `${this.direct}/v1/channels/${encodeURIComponent(channel)}`;
    return until(`publishing ${data}`, async () => {
      const response = await fetch(url, { method: "POST", body: data, headers: { "Content-Type": "text/plain", "Idempotency-Key": key, ...this.headers, ...headers } })
        .catch(() => null);
      if (response === null || response.status >= 500) return null;
      if (response.status !== 200) throw new Error(`publishing: ${response.status} ${await response.text()}`);
      return response.json().catch(() => null);
    });
  }

  async endChannel(channel) {
    const response = await fetch(`${this.direct}/v1/channels/${encodeURIComponent(channel)}/close`, { method: "POST", headers: this.headers });
    if (response.status !== 200) throw new Error(`closing: ${response.status}`);
  }

  /** Publishes at most `rate` a second until it is stopped; gives the texts of all. `more` waits until so many more are out. */
  load(channel, rate = 100) {
    const texts = [];
    let isOver = false;
    const running = (async () => {
      for (const begun = Date.now(); !isOver;) {
        await sleep(Math.max(0, begun + (texts.length * 1000) / rate - Date.now()));
        const text = `load ${texts.length}`;
        await this.publish(channel, text);
        texts.push(text);
      }
    })();
    const more = (count, from = texts.length) => Promise.race([running, until(`${count} more`, () => texts.length >= from + count)]);
    const stop = async () => { isOver = true; await running; return texts; };
    return Object.assign(stop, { more });
  }

  async close() {
    await this.stop();
    await this.proxy.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Hands everything on, or not. */
export class Proxy {
  /** Upgrades: "pass", "refuse", "ignore". */
  upgrades = "pass";
  /** Event streams: "pass", "refuse", "buffer". */
  streams = "pass";
  /** What was asked for, by kind. */
  counts = { ws: 0, sse: 0, poll: 0, other: 0 };
  sockets = new Set();
  frozen = false;
  /** Texts that came from a client since the last WebSocket was asked for, not its pongs. */
  heard = 0;

  static async open(upstream) {
    const proxy = Object.assign(new Proxy(), { upstream });
    proxy.server = http.createServer((request, response) => proxy.pass(request, response));
    proxy.server.keepAliveTimeout = 1_000;
    proxy.server.on("upgrade", (request, socket, head) => proxy.upgrade(request, socket, head));
    proxy.server.on("connection", (socket) => {
      proxy.sockets.add(socket);
      socket.on("close", () => proxy.sockets.delete(socket));
      socket.on("error", () => {});
    });
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  kindOf(url) {
    return /^\/v1\/(ws|sse|poll)\b/.exec(url)?.[1] ?? "other";
  }

  pass(request, response) {
    const kind = this.kindOf(request.url);
    this.counts[kind] += 1;
    const isStream = kind === "sse";
    if (isStream && this.streams === "refuse") return response.writeHead(403, { "Content-Type": "text/html" }).end("<h1>No</h1>");
    const onward = http.request({ host: "127.0.0.1", port: this.upstream, path: request.url, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders.filter((_, at, all) => !/^(transfer-encoding|connection)$/i.test(all[at - at % 2])));
      response.flushHeaders();
      const held = [];
      answer.on("data", (piece) => { if (isStream && this.streams === "buffer") held.push(piece); else response.write(piece); });
      answer.on("end", () => response.end(Buffer.concat(held)));
      answer.on("error", () => response.destroy());
    });
    // As a browser sees it: the server is away.
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
    return undefined;
  }

  upgrade(request, socket, head) {
    this.counts.ws += 1;
    this.heard = 0;
    if (this.upgrades === "refuse") return socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    if (this.upgrades === "ignore") return undefined;
    const onward = net.connect(this.upstream, "127.0.0.1", () => {
      const headers = request.rawHeaders.map((it, at) => (at % 2 ? `${it}\r\n` : `${it}: `)).join("");
      onward.write(`GET ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      onward.write(head);
    });
    socket.on("data", (piece) => { if ((piece[0] & 0xf) === 1) this.heard += 1; if (!this.frozen) onward.write(piece); });
    onward.on("data", (piece) => { if (!this.frozen) socket.write(piece); });
    for (const [one, other] of [[socket, onward], [onward, socket]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => { if (!this.frozen) other.destroy(); });
    }
    return undefined;
  }

  /** Cuts what there is. */
  cut() {
    for (const socket of this.sockets) socket.destroy();
  }

  async close() {
    this.frozen = false;
    this.server.close();
    this.cut();
    await once(this.server, "close");
  }
}

// --- What has to hold of what a reader was given

export const messages = (items = []) => items.filter((it) => it.type === "message");
export const texts = (items) => messages(items).map((it) => it.data);

/** Each wait has lasted at least as long as was said; from the second on there was one. No bound from above: machines are slow. */
export function checkWaits(states) {
  const waits = states.filter((it, at) => it.state === "waiting" && states[at + 1]?.state === "connecting");
  for (const [at, wait] of waits.entries()) {
    const ms = states[states.indexOf(wait) + 1].at - wait.at;
    if (ms < wait.ms - 5) throw new Error(`${ms} ms instead of ${wait.ms}`);
    if (at > 0 && !(wait.ms > 0)) throw new Error(`wait ${at} is none: ${wait.why}`);
  }
  return waits.length;
}

/** In order and nothing twice, and wherever something is missing a gap stands. The last one has to be there. */
export function checkAccount(items, published) {
  const numbers = new Map(published.map((text, at) => [text, at]));
  let last = null;
  let isExcused = false;
  for (const item of items) {
    if (item.type === "gap") isExcused = true;
    if (item.type !== "message") continue;
    const at = numbers.get(item.data);
    if (at === undefined) throw new Error(`never published: ${item.data}`);
    // Published again after a kill: the log that had it is gone, and so is its key.
    const isRepeat = at === last && isExcused;
    if (last !== null && at <= last && !isRepeat) throw new Error(`${item.data} after ${published[last]}`);
    if (at !== (last ?? -1) + 1 && !isExcused && !isRepeat) throw new Error(`${item.data} after ${last === null ? "nothing" : published[last]}: silent loss`);
    last = at;
    isExcused = false;
  }
  if (last !== published.length - 1) throw new Error(`ends at ${last} of ${published.length - 1}`);
}
