// Servers that say whatever a test wants, and a reader to hear it. In Node: what matters is the module.
import { once } from "node:events";
import http from "node:http";
import { afterEach } from "node:test";
import WebSocket, { WebSocketServer } from "ws";
import { until } from "./house.mjs";
import { Reader } from "./reader.mjs";

export const TIMES = { retryMs: 50, retryMaxMs: 400, againMs: 60_000, openMs: 10_000, pollMs: 5_000, silenceMs: 20_000, shortPollMs: 200 };
export const cleanups = [];
afterEach(async () => { for (const it of cleanups.splice(0).reverse()) await it(); });

/** A server of which a test says what it does with each kind of request. */
export async function liar({ socket, ...requests }) {
  const counts = { ws: 0, sse: 0, poll: 0, publish: 0, position: 0 };
  const server = http.createServer((request, response) => {
    const kind = /^\/v1\/(\w+)/.exec(request.url)[1];
    counts[kind] += 1;
    if (requests[kind]) requests[kind](response, request, counts[kind]);
    else response.writeHead(404).end();
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", (request, raw, head) => {
    counts.ws += 1;
    if (!socket) return raw.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    sockets.handleUpgrade(request, raw, head, (it) => socket(new Peer(it), counts.ws));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(async () => {
    for (const it of sockets.clients) it.terminate();
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { base: `http://127.0.0.1:${server.address().port}`, counts };
}

/** The server's end of a WebSocket. */
export class Peer {
  commands = [];

  constructor(socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("message", (data) => {
      const said = JSON.parse(data);
      this.commands.push(said);
      this.oncommand?.(said);
    });
  }

  say(...objects) {
    for (const it of objects) this.socket.send(typeof it === "string" ? it : JSON.stringify(it));
  }

  /** As a Sockeye begins; then something else. */
  begin(cursor, then = () => {}) {
    this.say(welcome);
    this.oncommand = ({ type, id, channels }) => {
      if (type === "auth") this.say({ type: "pong", id, cursor });
      if (type !== "subscribe") return;
      this.say({ type: "subscribed", id, channels, cursor }, { type: "sync", cursor, recovered: true, gaps: 0, replayed: 0 });
      then();
    };
  }
}

export const welcome = { type: "welcome", cursor: "1a-99", session: "s", ping_ms: 25_000 };
export const message = (seq, data = `n${seq}`, epoch = "a") => ({ type: "message", channel: "a:1", cursor: `1${epoch}-${seq.toString(36)}`, time: 1, data });

export function reader(base, options = {}) {
  const it = new Reader(base, { WebSocket, times: TIMES, ...options });
  cleanups.push(() => it.hub.close());
  return it;
}
export const state = (it, want) => until(`state ${want}`, () => it.states.find((at) => at.state === want));

export const event = (name, data, id) => `${name ? `event: ${name}\n` : ""}${id ? `id: ${id}\n` : ""}data: ${JSON.stringify(data)}\n\n`;
export const events = (response, ...blocks) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  for (const it of blocks) response.write(it);
};
export const json = (response, status, body, headers = {}) => response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
export const body = (cursor, list = [], more = {}) => ({ cursor, messages: list, gaps: [], ended: [], more: false, ...more });
