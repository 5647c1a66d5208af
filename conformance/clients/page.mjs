// Chromium's own EventSource and WebSocket, and a polyfill, in a page that came the same way.
import { readFileSync } from "node:fs";
import path from "node:path";
import { launch } from "../harness/chromium.mjs";
import { sseUrl } from "./readers.mjs";

const LOOK_MS = 30;

export class Browser {
  static async launch(out) {
    const browser = await launch();
    const polyfill = readFileSync(path.join(out, "node_modules/event-source-polyfill/src/eventsource.js"), "utf8");
    return Object.assign(new Browser(), { browser, polyfill });
  }

  /** A page of the server's origin without scripts of its own. */
  async open(base) {
    const context = await this.browser.newContext({ ignoreHTTPSErrors: true });
    this.page = await context.newPage();
    this.readers = new Map();
    await this.listen(await context.newCDPSession(this.page));
    await this.page.goto(`${base}/healthz`);
    await this.page.evaluate(this.polyfill);
    await this.page.evaluate(inPage);
    this.isLooking = true;
    this.looking = this.look();
  }

  /** Chromium's own word for which version of HTTP each reader speaks. RFC 8441 has no status 101. */
  async listen(session) {
    const speak = (name, version) => this.readers.get(`chromium ${name}`)?.spoke(version);
    const versions = { "http/1.1": "1.1", h2: "2" };
    session.on("Network.responseReceived", ({ type, response }) => {
      if (type === "EventSource") speak("EventSource", versions[response.protocol] ?? response.protocol);
      if (response.url.includes("/v1/sse") && type !== "EventSource") speak("polyfill", versions[response.protocol] ?? response.protocol);
    });
    session.on("Network.webSocketHandshakeResponseReceived", ({ response }) =>
      speak("WebSocket", response.status === 200 ? "2" : "1.1"));
    await session.send("Network.enable");
  }

  /** Fetches what the page has noted. */
  async look() {
    while (this.isLooking) {
      for (const [name, kind, detail] of await this.page.evaluate(() => window.noted.splice(0)).catch(() => [])) {
        this.readers.get(name)?.take(kind, detail);
      }
      await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
    }
  }

  async leave() {
    this.isLooking = false;
    await this.looking;
    await this.page.context().close();
  }

  reader(kind) {
    return (notes, options) => {
      this.readers.set(notes.name, notes);
      this.page.evaluate(([name, it]) => window.readers[it.kind](name, it),
        [notes.name, { kind, url: sseUrl(options), ...options, issue: undefined }])
        .catch((error) => notes.take("page", { error: error.message }));
      notes.ping = () => this.page.evaluate((name) => window.pings[name](), notes.name);
      return () => this.page.evaluate((name) => window.stops[name]?.(), notes.name).catch(() => {});
    };
  }
}

/** Runs in the page. */
function inPage() {
  window.noted = [];
  window.stops = {};
  window.pings = {};
  const note = (name, kind, detail = {}) => window.noted.push([name, kind, detail]);
  const listen = (name, source) => {
    window.stops[name] = () => source.close();
    source.addEventListener("open", () => note(name, "open"));
    source.addEventListener("error", () => {
      if (source.readyState === 2) note(name, "done", { why: "closed" });
      else note(name, "lost");
    });
    source.addEventListener("message", (it) => note(name, "message", { id: it.lastEventId, data: it.data }));
    source.addEventListener("$gap", (it) => note(name, "gap", { data: it.data }));
    source.addEventListener("$end", () => note(name, "end"));
  };
  window.readers = {
    eventSource: (name, { url }) => listen(name, new EventSource(url)),
    polyfill: (name, { url, headers }) => listen(name, new EventSourcePolyfill(url, { headers: headers ?? {} })),
    webSocket(name, { base, channel, pause }) {
      let last = null;
      let isOver = false;
      const open = () => {
        const socket = new WebSocket(`${base.replace("http", "ws")}/v1/ws`, "sockeye.v1.json");
        window.stops[name] = () => { isOver = true; socket.close(); };
        window.pings[name] = () => socket.send('{"type":"ping"}');
        socket.onopen = () => {
          const cursor = last === null ? {} : { cursor: last };
          socket.send(JSON.stringify({ type: "subscribe", channels: [channel], ...cursor }));
        };
        socket.onmessage = ({ data }) => {
          const said = JSON.parse(data);
          if (said.type === "message") note(name, "message", { id: said.cursor, data: said.data });
          else if (said.type === "subscribed") note(name, "open");
          else if (["gap", "error"].includes(said.type)) note(name, said.type, said);
          else if (["end", "pong"].includes(said.type)) note(name, said.type);
          if (said.cursor !== undefined && said.type !== "welcome") last = said.cursor;
        };
        socket.onclose = ({ code }) => {
          if (isOver) return;
          if (code === 4000) { note(name, "done", { why: "4000" }); return; }
          note(name, "lost");
          setTimeout(open, pause ?? 200);
        };
      };
      open();
    },
  };
}
