// What each client has to do, each way. All clients of a way read the same channel at the same time.
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { caching } from "./caching.mjs";
import { curlPoll, curlPublish, curlSse, curlStatus, python } from "./commands.mjs";
import { Publisher } from "./publisher.mjs";
import { Notes, eventsource, fetchEventSourceOf, fetched, ws } from "./readers.mjs";
import { check, compare, fault, inOrder, report, until } from "./verdict.mjs";

const WAIT_MS = 60_000;
const IDLE_S = 3; // what the proxy has as its idle timeout
const QUIET_MS = 7_000;
const POLL_S = 2;
const AWAY_MS = 3_500; // longer than `retry`, so that every EventSource meets what the proxy says meanwhile
const LARGE = 60 * 1024;
const SOCKETS = ["ws", "websockets", "chromium WebSocket"];

function clients(house, browser) {
  return {
    "eventsource": eventsource,
    "fetch": fetched,
    "fetch-event-source": fetchEventSourceOf,
    "ws": ws,
    "websockets": python("websockets", house.out),
    "httpx-sse": python("httpx-sse", house.out),
    "curl -N": curlSse,
    "curl poll": curlPoll,
    "chromium EventSource": browser.reader("eventSource"),
    "chromium polyfill": browser.reader("polyfill"),
    "chromium WebSocket": browser.reader("webSocket"),
  };
}

/** All clients on one channel, and what was published there. */
class Room {
  constructor(house, channel) {
    Object.assign(this, { house, channel, readers: [], stops: [], receipts: [] });
    this.publishers = [new Publisher(house.direct, channel, house.backend), new Publisher(house.base, channel, house.backend)];
  }

  async enter(browser, optionsOf) {
    for (const [name, begin] of Object.entries(clients(this.house, browser))) {
      const notes = new Notes(name);
      this.readers.push(notes);
      this.stops.push(begin(notes, { base: this.house.base, channel: this.channel, ...(await optionsOf(name)) }));
    }
    await this.each("opened", (it) => it.opens > 0 || it.done !== null || it.wrong !== null, WAIT_MS).catch(() => {});
    for (const it of this.readers.filter((reader) => reader.opens === 0)) it.isDead = true;
  }

  each(what, holds, wait_ms = WAIT_MS) {
    return until(what, wait_ms, () => this.readers.filter((it) => !it.isDead).every(holds));
  }

  /** Everything published so far by any of the publishers. */
  all() {
    return inOrder([...this.receipts, ...this.publishers.flatMap((it) => it.receipts)]);
  }

  /** Does the action; then each reader has to have exactly what it has led to, and `also` has to be null. */
  async step(scenario, action, also = () => null) {
    const before = this.all().length;
    const marks = new Map(this.readers.map((it) => [it, it.messages.length]));
    for (const it of this.readers) it.gaps = [];
    const begun = Date.now();
    let problem = null;
    try {
      await action();
      const due = this.all().length - before;
      await this.each("all of it", (it) => it.messages.length >= marks.get(it) + due).catch(() => {});
      await sleep(50); // what comes twice comes soon
    } catch (error) {
      problem = error.message;
    }
    const due = this.all().slice(before);
    console.log(`     ${this.house.way} · ${scenario}: ${due.length} published, ${((Date.now() - begun) / 1000).toFixed(1)} s`);
    for (const it of this.readers) {
      const dead = it.isDead ? `it never opened${it.failure ? `: ${it.failure}` : ""}` : null;
      const done = it.done !== null && !it.ended ? `it gave up: ${it.done}` : null;
      const found = dead ?? problem ?? done ?? fault(it) ?? compare(it.messages.slice(marks.get(it)), due) ?? also(it);
      report(`${this.house.way} · ${it.name} · ${scenario}`, found);
    }
  }

  async leave() {
    await Promise.all(this.stops.map((stop) => stop()));
    for (const it of this.publishers) it.close();
  }
}

/** The cursor that a stream begins with is enough to come back with. */
async function early(room) {
  const [kill, , again] = cut(room.house);
  await kill();
  if (room.house.proxy === null) await again();
  await room.publishers[0].publish("while nobody is there");
  if (room.house.proxy !== null) await again();
}

/** One after the other: what stays in a buffer until more comes would never be seen. */
async function oneByOne(room, count) {
  for (let i = 0; i < count; i += 1) {
    const before = new Map(room.readers.map((it) => [it, it.messages.length]));
    await room.publishers[i % 2].publish(`alone ${i}`);
    await room.each(`event ${i} before the next is published`, (it) => it.messages.length > before.get(it), 10_000);
  }
}

/** 200 a second for some seconds; half of it around the proxy, so that there is something to miss. */
async function underLoad(room, seconds, ...strokes) {
  const run = room.publishers.map((it, n) => it.run(`${["around", "through"][n]} ${room.all().length}`, seconds * 100, 100));
  const all = Promise.all(run);
  all.catch(() => {}); // awaited below
  const lost = new Map(room.readers.map((it) => [it, it.lost]));
  await sleep(700);
  for (const stroke of strokes) await stroke();
  await all;
  room.lost = new Map(room.readers.map((it) => [it, it.lost - lost.get(it)]));
}

/** A cut that no reader notices proves nothing. Only a poll may: HAProxy and Caddy ask again for it. */
const wasCut = (room) => (it) => room.lost.get(it) > 0 || it.name === "curl poll" ? null : "it did not notice the cut";

const pause = (ms) => () => sleep(ms);

async function live(house, browser) {
  const room = new Room(house, "public:news");
  try {
    await room.enter(browser, () => ({}));
    await room.step("cut before the first message", () => early(room));
    await room.step("each event before the next", () => oneByOne(room, 6));
    await room.step("in order under load", () => underLoad(room, 1));
    await room.step("60 KiB and beyond ASCII, published by curl", async () => {
      for (const data of ["x".repeat(LARGE), "鮭 🐟\nsecond line ".repeat(2000)]) {
        const { cursor, seq } = await curlPublish(room.publishers[1].url, data, house.backend, house.dir);
        room.receipts.push({ cursor, seq, data });
      }
    });
    if (house.proxy !== null) {
      await room.step("proxy killed under load", () =>
        underLoad(room, 3, () => house.proxy.kill(), pause(300), () => house.proxy.again()), wasCut(room));
      await room.step("proxy reloaded under load", () => underLoad(room, 3, () => house.proxy.reload()), wasCut(room));
    }
    await room.step("server killed under load", () =>
      underLoad(room, 3, () => house.server.end(), pause(AWAY_MS), () => house.server.start()), wasCut(room));
    if (house.way === "tls") await overHttp2(room);
    await room.step("end of the channel", () => endChannel(room), (it) => {
      if (!it.ended || !hasLeft(it)) return `told the end: ${it.ended}; stays away: ${it.done}`;
      return it.opens === it.opensThen ? null : "it came back after the end";
    });
  } finally {
    await room.leave();
  }
}

const HTTP1_ONLY = ["ws", "websockets"];

/** Nine of the clients speak HTTP/2. Chromium opens WebSockets on a connection of HTTP/2 that is there, and after a cut none is. */
async function overHttp2(room) {
  for (const it of room.readers.filter(({ name }) => !HTTP1_ONLY.includes(name))) {
    await check(`tls · ${it.name} · HTTP/2`, () => {
      const found = it.name === "chromium WebSocket" ? [...it.versions].slice(0, 1) : [...it.versions];
      if (found.join(", ") !== "2") throw new Error(`HTTP/${[...it.versions].join(", ")}`);
    });
  }
}

/** A WebSocket stays, as other channels may be subscribed on it. */
const hasLeft = (it) => SOCKETS.includes(it.name) || it.done !== null;

async function endChannel(room) {
  const response = await fetch(`${room.publishers[1].url}/close`, { method: "POST", headers: room.house.backend });
  if (response.status !== 200) throw new Error(`closing: status ${response.status}`);
  await room.each("stays away", (it) => it.ended && hasLeft(it)).catch(() => {});
  for (const it of room.readers) it.opensThen = it.opens;
  await sleep(500);
}

async function idle(house, browser) {
  const room = new Room(house, "idle");
  try {
    await room.enter(browser, () => ({ wait: POLL_S }));
    await room.step("silence longer than the idle timeout", async () => {
      await oneByOne(room, 1);
      await sleep(QUIET_MS);
      await oneByOne(room, 1);
    }, (it) => {
      if (it.opens !== 1 || it.lost !== 0) return `opened ${it.opens} times, lost ${it.lost} times`;
      // A held poll is answered after its time: neither at once nor never.
      if (it.name === "curl poll" && !(it.quiet >= 1 && it.quiet <= 4)) return `${it.quiet} polls without anything in ${QUIET_MS} ms`;
      return null;
    });
    await pings(house, room);
  } finally {
    await room.leave();
  }
}

async function pings(house, room) {
  for (const it of room.readers.filter((reader) => SOCKETS.includes(reader.name))) {
    await check(`${house.way} · ${it.name} · ping and pong`, async () => {
      if (it.name === "ws" && it.pings < 3) throw new Error(`the server's pings that came: ${it.pings}`);
      await it.ping();
      await until("a pong", 5_000, () => it.pongs > 0);
    });
  }
}

/** An open server is nobody else's, also behind a proxy. */
async function strangers(house) {
  for (const [what, header] of [["Host", "Host: hub.example"], ["Origin", "Origin: http://evil.example"]]) {
    await check(`${house.way} · curl · open server, foreign ${what}`, async () => {
      const { status, text } = await curlStatus(["-H", header, `${house.base}/v1/poll?channel=idle&wait=0`]);
      if (status !== 403 || !text.includes('"forbidden"')) throw new Error(`status ${status}: ${text}`);
    });
  }
}

const BEARER = ["fetch", "fetch-event-source", "websockets", "curl poll", "chromium polyfill"];

async function credentials(house, browser) {
  const room = new Room(house, "private:news");
  const token = house.token();
  await browser.page.context().addCookies([{ name: "session", value: token, url: house.base }]);
  const optionsOf = async (name) => {
    if (name === "eventsource") return { ticket: await house.ticket() };
    if (name === "ws") return { issue: () => house.ticket() };
    if (name === "httpx-sse") return { headers: house.backend };
    if (name === "curl -N") return { headers: { Cookie: `a=b; session=${token}`, Origin: house.base } };
    return BEARER.includes(name) ? { headers: { Authorization: `Bearer ${token}` } } : {}; // Chromium has its cookie
  };
  try {
    await room.enter(browser, optionsOf);
    await room.step("credentials: ticket, token, cookie or key", () => oneByOne(room, 3));
    await room.step("credentials: back after a cut", () => underLoad(room, 1, ...cut(house)), wasCut(room));
    await check(`${house.way} · curl · without credentials`, async () => {
      const { status, text } = await curlStatus([`${house.base}/v1/poll?channel=private:news&wait=0`]);
      if (![401, 403].includes(status) || !text.includes('"error"')) throw new Error(`status ${status}: ${text}`);
    });
    await check(`${house.way} · curl · what is counted stays inside`, async () => {
      const { status } = await curlStatus([`${house.base}/metrics`]);
      if (status !== (house.proxy === null ? 200 : 404)) throw new Error(`status ${status}`);
    });
  } finally {
    await room.leave();
  }
}

function cut({ proxy, server }) {
  const [kill, again] = proxy === null
    ? [() => server.end(), () => server.start()]
    : [() => proxy.kill(), () => proxy.again()];
  return [kill, pause(200), again];
}

export async function runWay(house, browser) {
  await house.open();
  await browser.open(house.base);
  await live(house, browser);
  await credentials(house, browser);
  await browser.leave();
  if (house.way === "nginx") {
    await crowd(house);
    await caching(house);
  }
  await house.openIdle(IDLE_S);
  await browser.open(house.base);
  await idle(house, browser);
  await browser.leave();
  await strangers(house);
}

/** Many streams at a time, each of which gets the same event. */
async function crowd(house, count = 1_000) {
  await check(`${house.way} · ${count} event streams at a time`, async () => {
    const agent = new http.Agent({ maxSockets: Infinity });
    const streams = Array.from({ length: count }, () => ({ text: "" }));
    for (const stream of streams) {
      stream.request = http.get(`${house.base}/v1/sse?channel=public:crowd`, { agent }, (response) => {
        response.setEncoding("utf8").on("data", (text) => { stream.text += text; }).on("error", () => {});
      }).on("error", (error) => { stream.text += error.message; });
    }
    const publisher = new Publisher(house.base, "public:crowd", house.backend);
    try {
      const having = (text) => streams.filter((it) => it.text.includes(text)).length;
      await until("all open", WAIT_MS, () => having("\n\n") === count).catch(() => {});
      if (having("\n\n") !== count) throw new Error(`${having("\n\n")} are open`);
      await publisher.publish("to all");
      await until("all told", WAIT_MS, () => having("data: to all\n\n") === count).catch(() => {});
      if (having("data: to all\n\n") !== count) throw new Error(`${having("data: to all\n\n")} were told`);
    } finally {
      publisher.close();
      for (const { request } of streams) request.destroy();
      agent.destroy();
    }
  });
}
