// Node's own http2. GET /healthz answers "ok", GET /sub is an event stream, and a WebSocket on a stream (RFC 8441)
// has its messages back.
//
// node http2.mjs PORT [KEY CERT]
//
// Without a certificate it speaks HTTP/2 with prior knowledge. What is posted over HTTP/1.1 to /pub at 127.0.0.2, on the
// same port, goes to all event streams. With a certificate it speaks TLS, and HTTP/1.1 for npm's `ws` only, at /echo.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import { WebSocketServer } from "ws";

const port = Number(process.argv[2]);
const [key, cert] = process.argv.slice(3).map((path) => readFileSync(path));
const settings = { enableConnectProtocol: true, maxConcurrentStreams: 1000 };
const subscribers = new Set();

function answer(stream, headers) {
  stream.on("error", () => {});
  if (headers[":protocol"] === "websocket") {
    echo(stream);
  } else if (headers[":path"] === "/sub") {
    stream.respond({ "content-type": "text/event-stream", "cache-control": "no-cache" });
    stream.write(":\n\n");
    subscribers.add(stream);
    stream.on("close", () => subscribers.delete(stream));
  } else {
    stream.respond({ "content-type": "text/plain", "content-length": 3 });
    stream.end("ok\n");
  }
}

// Masked frames of up to 64 KiB in, unmasked ones out, one write for all that came together.
function echo(stream) {
  stream.respond({ ":status": 200 });
  let held = Buffer.alloc(0);
  stream.on("data", (part) => {
    held = held.length > 0 ? Buffer.concat([held, part]) : part;
    const out = [];
    for (let frame = take(held); frame; frame = take(held)) {
      out.push(frame.head, frame.payload);
      held = held.subarray(frame.end);
    }
    if (out.length > 0) stream.write(Buffer.concat(out));
  });
  stream.on("end", () => stream.end());
}

function take(bytes) {
  if (bytes.length < 6) return null;
  const isLong = (bytes[1] & 0x7f) === 126;
  const begin = isLong ? 8 : 6;
  const length = isLong ? bytes.readUInt16BE(2) : bytes[1] & 0x7f;
  const end = begin + length;
  if (bytes.length < end) return null;
  const payload = Buffer.from(bytes.subarray(begin, end));
  for (let at = 0; at < length; at += 1) payload[at] ^= bytes[begin - 4 + (at & 3)];
  const head = Buffer.from(bytes.subarray(0, isLong ? 4 : 2));
  head[1] &= 0x7f;
  return { head, payload, end };
}

function publish(request, response) {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    response.writeHead(204);
    response.end();
    const event = `data: ${text}\n\n`;
    for (const stream of subscribers) stream.write(event);
  });
}

const server = key
  ? http2.createSecureServer({ key, cert, settings, allowHTTP1: true, minVersion: "TLSv1.3" })
  : http2.createServer({ settings });
server.on("sessionError", () => {});
server.on("stream", answer);
if (key) {
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 16 << 20 });
  sockets.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  });
  server.on("tlsClientError", () => {});
} else {
  http.createServer(publish).listen(port, "127.0.0.2");
}
server.listen(port, "127.0.0.1", 4096);
