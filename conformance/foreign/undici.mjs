// Twenty event streams, twenty WebSockets (RFC 8441) and a publication that reaches all of them, by undici on one
// connection of HTTP/2: with prior knowledge (then without WebSockets, which its H2CClient cannot open), or by ALPN.
// undici's class WebSocket asks for Sec-WebSocket-Accept, which RFC 8441 §5 has not; `upgrade` opens the same streams.
//
//   node undici.mjs http://127.0.0.1:8080
//   node undici.mjs https://localhost:8443 CA
import assert from "node:assert";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { Agent, H2CClient, fetch, request, upgrade } from "undici";

const COUNT = 20;
const [base, ca] = process.argv.slice(2);
const isSecure = base.startsWith("https:");
const channel = `undici.${isSecure ? "tls" : "plain"}`;
const connections = [];
subscribe("undici:client:connected", ({ socket }) => connections.push(socket));
const streamsMax = { maxConcurrentStreams: 100, pipelining: 100, bodyTimeout: 0 };
const dispatcher = isSecure
  ? new Agent({ ...streamsMax, allowH2: true, connect: { ca: readFileSync(ca) } })
  : new H2CClient(base, streamsMax);

const text = "from one to all";

/** Resolves once the stream is open, with a promise of the message (in an array: it is not awaited). */
async function events() {
  const response = await fetch(`${base}/v1/sse?channel=${channel}`, { dispatcher });
  assert.equal(response.status, 200);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const message = async () => {
    for (let all = ""; !all.includes(text);) {
      const { value, done } = await reader.read();
      assert(!done, "the stream has ended");
      all += value;
    }
  };
  return [message()];
}

/** The same over a WebSocket, whose frames are as the server sends them: not masked. */
async function webSocket() {
  const headers = { "sec-websocket-version": "13" };
  const { socket } = await upgrade(`${base}/v1/ws?channel=${channel}`, { protocol: "websocket", headers, dispatcher });
  return [new Promise((resolve, reject) => {
    let all = "";
    socket.on("data", (bytes) => {
      all += bytes.toString("latin1");
      if (all.includes(text)) resolve();
    });
    socket.on("close", () => reject(new Error("the WebSocket has ended")));
  })];
}

const health = await fetch(`${base}/healthz`, { dispatcher });
assert.equal(await health.text(), "ok\n");
const opened = await Promise.all(Array.from({ length: COUNT }, events));
if (isSecure) opened.push(...(await Promise.all(Array.from({ length: COUNT }, webSocket))));
// Or it would wait until no other request is under way.
const publication = { method: "POST", body: text, idempotent: true, dispatcher };
assert.equal((await request(`${base}/v1/channels/${channel}`, publication)).statusCode, 200);
await Promise.all(opened.flat());
assert.deepEqual(connections.map((it) => it.alpnProtocol), ["h2"]);
console.log(`undici done: ${opened.length} streams`);
process.exit();
