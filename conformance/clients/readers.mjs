// Clients in Node. Each reads one channel and notes what it is given; coming back is its own business,
// where it does that, and a loop of ours with the last ID where it does not.
import { subscribe } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";
import { createParser } from "eventsource-parser";
import { Agent, fetch as undici } from "undici";
import WebSocket from "ws";

export const PAUSE_MS = 200; // before our own loops come back

const agent = new Agent({ allowH2: true });
/** By which protocols undici's connections were agreed. */
const agreed = new Map();
subscribe("undici:client:connected", ({ connectParams, socket }) => agreed.set(connectParams.host, socket.alpnProtocol));

/** Node's own fetch speaks HTTP/1.1 only; over TLS the same of npm speaks HTTP/2. */
function fetchOf(notes, { base }) {
  if (!base.startsWith("https:")) return fetch;
  return async (url, init) => {
    const response = await undici(url, { ...init, dispatcher: agent });
    notes.spoke(agreed.get(new URL(url).host) === "h2" ? "2" : "1.1");
    return response;
  };
}

/** What a client was given, in its order. */
export class Notes {
  constructor(name) {
    Object.assign(this, { name, versions: new Set(), messages: [], gaps: [], opens: 0, lost: 0, quiet: 0, pings: 0, pongs: 0, ended: false, done: null, wrong: null });
  }

  take(kind, detail = {}) {
    switch (kind) {
      case "open": this.opens += 1; break;
      case "spoke": this.spoke(detail.version); break;
      case "message": this.messages.push(detail); break;
      case "gap": this.gaps.push(detail); break;
      case "lost": this.lost += 1; break;
      case "quiet": this.quiet += 1; break;
      case "ping": this.pings += 1; break;
      case "pong": this.pongs += 1; break;
      case "end": this.ended = true; break;
      case "done": this.done = detail.why ?? "done"; break;
      default: this.wrong = `${kind} ${JSON.stringify(detail)}`;
    }
  }

  /** A version of HTTP, as the client says; 0 where there was no answer. */
  spoke(version) {
    if (Number(version) !== 0) this.versions.add(String(Number(version)));
  }

  /** An event of an event stream. */
  event({ event, id, data }) {
    if (event === undefined || event === "message") this.take("message", { id, data });
    else if (event === "$gap") this.take("gap", { data });
    else if (event === "$end") this.take("end");
  }

  /** An object of sockeye.v1.json. */
  said(object) {
    if (object.type === "message") this.take("message", { id: object.cursor, data: object.data });
    else if (object.type === "subscribed") this.take("open");
    else if (object.type === "gap") this.take("gap", object);
    else if (object.type === "end") this.take("end");
    else if (object.type === "pong") this.take("pong");
    else if (object.type === "error") this.take("error", object);
  }
}

export function sseUrl({ base, channel, ticket }) {
  const credential = ticket === undefined ? "" : `&ticket=${ticket}`;
  return `${base}/v1/sse?channel=${encodeURIComponent(channel)}${credential}`;
}

/** EventSource of npm: it comes back by itself. */
export function eventsource(notes, options) {
  const source = new EventSource(sseUrl(options), {
    fetch: (url, init) => fetchOf(notes, options)(url, { ...init, headers: { ...init.headers, ...options.headers } }),
  });
  listen(source, notes);
  return () => source.close();
}

export function listen(source, notes) {
  source.addEventListener("open", () => notes.take("open"));
  source.addEventListener("error", (error) => {
    if (source.readyState === 2) notes.take("done", { why: `status ${error.code}` });
    else notes.take("lost");
  });
  for (const event of ["message", "$gap", "$end"]) {
    source.addEventListener(event, ({ data, lastEventId: id }) => notes.event({ event, id, data }));
  }
}

/** Node's fetch with eventsource-parser, and the loop that everybody writes around it. */
export function fetched(notes, options) {
  const gone = new AbortController();
  let last = null;
  const once = async () => {
    const headers = { Accept: "text/event-stream", ...options.headers };
    if (last !== null) headers["Last-Event-ID"] = last;
    const response = await fetchOf(notes, options)(sseUrl(options), { headers, signal: gone.signal });
    if (response.status === 204) return true;
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    notes.take("open");
    const parser = createParser({ onEvent: (event) => {
      last = event.id ?? last;
      notes.event({ ...event, id: last });
    } });
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) parser.feed(text);
    return false;
  };
  loop(notes, gone.signal, once);
  return () => gone.abort();
}

/** Calls until it says that this was all, and again after each loss. */
export async function loop(notes, signal, once) {
  while (!signal.aborted) {
    try {
      if (await once()) return notes.take("done", { why: "status 204" });
    } catch (error) {
      if (signal.aborted) return undefined;
      notes.failure = error.message;
    }
    notes.take("lost");
    await sleep(PAUSE_MS);
  }
  return undefined;
}

/** Made for browsers: it looks at the window, and rests while the page is hidden. */
export function fetchEventSourceOf(notes, options) {
  globalThis.window ??= globalThis;
  globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
  const gone = new AbortController();
  fetchEventSource(sseUrl(options), {
    headers: { ...options.headers },
    signal: gone.signal,
    fetch: fetchOf(notes, options),
    async onopen(response) {
      if (response.status === 204) throw Object.assign(new Error("status 204"), { final: true });
      if (response.status !== 200) throw new Error(`status ${response.status}`);
      notes.take("open");
    },
    onmessage: ({ event, id, data }) => { if (event !== "" || data !== "") notes.event({ event: event || undefined, id, data }); },
    // It takes the stream's end for the end: whoever wants to come back has to throw.
    onclose() { throw new Error("the stream has ended"); },
    onerror(error) {
      if (error.final) throw error;
      notes.take("lost");
      return undefined; // the server's `retry`, or its own second
    },
  }).catch((error) => notes.take("done", { why: error.message }));
  return () => gone.abort();
}

/** npm ws with sockeye.v1.json. */
export function ws(notes, options) {
  const gone = new AbortController();
  let socket = null;
  let last = null;
  const once = async () => {
    const protocols = ["sockeye.v1.json"];
    if (options.issue) protocols.push(`sockeye.ticket.${await options.issue()}`);
    socket = new WebSocket(`${options.base.replace("http", "ws")}/v1/ws`, protocols, { headers: options.headers, handshakeTimeout: 5_000 });
    return new Promise((resolve, reject) => {
      socket.on("open", () => {
        const cursor = last === null ? {} : { cursor: last };
        socket.send(JSON.stringify({ type: "subscribe", channels: [options.channel], ...cursor }));
      });
      socket.on("message", (data, isBinary) => {
        if (isBinary) notes.take("binary");
        const object = JSON.parse(data);
        notes.said(object);
        if (object.cursor !== undefined && object.type !== "welcome") last = object.cursor;
      });
      socket.on("ping", () => notes.take("ping"));
      socket.on("pong", () => notes.take("pong"));
      socket.on("error", reject);
      socket.on("close", (code) => {
        if (code === 4000) notes.take("done", { why: "4000" });
        resolve(false);
      });
    });
  };
  loop(notes, gone.signal, async () => {
    const over = await once();
    if (notes.done !== null) gone.abort();
    return over;
  });
  notes.ping = () => socket.ping();
  return () => { gone.abort(); socket?.terminate(); };
}
