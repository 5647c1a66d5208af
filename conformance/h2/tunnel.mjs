// A port of HTTP/1.1 whose requests go to a server of HTTP/2, each on a stream of one connection: WebSockets by
// extended CONNECT (RFC 8441). So the strict suite, which speaks HTTP/1.1, reaches what is behind the handshake.
//
//   node tunnel.mjs http://127.0.0.1:8080             with prior knowledge
//   node tunnel.mjs https://localhost:8443 CA         by ALPN
//
// It prints its port. FIN becomes END_STREAM and RST becomes RST_STREAM, in both directions.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";

const [origin, ca] = process.argv.slice(2);
const HEAD_BYTES_MAX = 65_536;
/** Fields of one connection of HTTP/1.1 (RFC 9113 §8.2.2), and those that pseudo-header fields replace. */
const HOP = new Set(["connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding", "host"]);

let session = null;
/** The one connection, or a new one after its end. */
async function connected() {
  if (session === null || session.closed || session.destroyed) {
    session = http2.connect(origin, {
      ca: ca && readFileSync(ca), settings: { initialWindowSize: 1 << 20 },
    });
    session.on("error", () => {});
    session.ready = once(session, "remoteSettings");
  }
  await session.ready;
  return session;
}

/** Reads a head; what is behind it goes back to the socket. */
function head(socket) {
  return new Promise((resolve) => {
    let held = Buffer.alloc(0);
    const take = () => {
      for (let part; (part = socket.read()) !== null;) {
        held = Buffer.concat([held, part]);
        const end = held.indexOf("\r\n\r\n");
        if (end < 0 && held.length < HEAD_BYTES_MAX) continue;
        socket.off("readable", take);
        if (end >= 0 && held.length > end + 4) socket.unshift(held.subarray(end + 4));
        return resolve(end < 0 ? null : held.toString("latin1", 0, end));
      }
    };
    socket.on("readable", take);
    for (const end of ["end", "close"]) socket.once(end, () => resolve(null));
  });
}

function parse(text) {
  const [first, ...lines] = text.split("\r\n");
  const [method, path] = first.split(" ");
  const fields = {};
  for (const line of lines) {
    const [name, value] = [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()];
    fields[name] = name in fields ? `${fields[name]}, ${value}` : value;
  }
  return { method, path, fields, isSocket: fields.upgrade?.toLowerCase() === "websocket" };
}

const accept = (key) => createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

/** The head of the answer, by HTTP/1.1. */
function answer({ isSocket, fields }, headers) {
  const status = headers[":status"];
  const isOpen = isSocket && status === 200;
  const lines = isOpen
    ? ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${accept(fields["sec-websocket-key"])}`]
    : [`HTTP/1.1 ${status} Of HTTP/2`, "Connection: close"];
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(":")) continue;
    for (const one of [value].flat()) lines.push(`${name}: ${one}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Bytes both ways until both ends have ended; a cut of one end cuts the other. */
function join(socket, stream) {
  if (stream.writable) socket.pipe(stream);
  else socket.resume();
  stream.pipe(socket);
  socket.on("error", () => stream.close(http2.constants.NGHTTP2_CANCEL));
  stream.on("error", () => socket.resetAndDestroy());
  stream.on("close", () => {
    if (stream.rstCode !== http2.constants.NGHTTP2_NO_ERROR) socket.resetAndDestroy();
  });
}

async function serve(socket) {
  socket.setNoDelay(true);
  socket.on("error", () => {});
  const text = await head(socket);
  if (text === null) return socket.end();
  const request = parse(text);
  const headers = { ":path": request.path, ":authority": request.fields.host, ":method": request.method };
  if (request.isSocket) Object.assign(headers, { ":method": "CONNECT", ":protocol": "websocket", ":scheme": new URL(origin).protocol.slice(0, -1) });
  for (const [name, value] of Object.entries(request.fields)) if (!HOP.has(name)) headers[name] = value;
  const hasContent = request.isSocket || Number(request.fields["content-length"] ?? 0) > 0;
  const stream = (await connected()).request(headers, { endStream: !hasContent });
  stream.on("error", () => socket.resetAndDestroy());
  const [got] = await once(stream, "response");
  socket.write(answer(request, got));
  return join(socket, stream);
}

const server = net.createServer({ allowHalfOpen: true }, (socket) => serve(socket).catch(() => socket.resetAndDestroy()));
server.listen(0, "127.0.0.1", 1024, () => console.log(server.address().port));
