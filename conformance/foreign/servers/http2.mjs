// Servers on Node's http2 for our clients: event streams, and an echo of WebSockets (RFC 8441).
//
//   node http2.mjs CERT KEY       prints three ports: with prior knowledge; TLS; TLS without RFC 8441, also HTTP/1.1
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http2 from "node:http2";

const [cert, key] = process.argv.slice(2).map((file) => readFileSync(file));
const open = { settings: { enableConnectProtocol: true } };

// Echoes the frames on a duplex stream; the client's are masked.
function echo(stream) {
  let held = Buffer.alloc(0);
  stream.on("error", () => {});
  stream.on("data", (data) => {
    held = Buffer.concat([held, data]);
    for (;;) {
      if (held.length < 2) return;
      let [len, at] = [held[1] & 0x7f, 2];
      if (len === 126) [len, at] = [held.length < 4 ? Infinity : held.readUInt16BE(2), 4];
      if (len === 127) [len, at] = [held.length < 10 ? Infinity : Number(held.readBigUInt64BE(2)), 10];
      if (held.length < at + 4 + len) return;
      const [mask, payload] = [held.subarray(at, at + 4), Buffer.from(held.subarray(at + 4, at + 4 + len))];
      payload.forEach((byte, index) => (payload[index] = byte ^ mask[index % 4]));
      const opcode = held[0] & 0x0f;
      const head = len < 126 ? Buffer.from([0, len]) : Buffer.from([0, 126, len >> 8, len & 255]);
      head[0] = (held[0] & 0xf0) | (opcode === 9 ? 10 : opcode);
      stream.write(Buffer.concat([head, payload]));
      held = held.subarray(at + 4 + len);
      if (opcode === 8) return stream.end();
    }
  });
}

function serve(server) {
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    const path = headers[":path"];
    if (headers[":method"] === "CONNECT") {
      stream.respond({ ":status": headers[":protocol"] === "websocket" ? 200 : 501 });
      return echo(stream);
    }
    if (!path.startsWith("/events")) return stream.respond({ ":status": 404 }, { endStream: true });
    const next = Number(headers["last-event-id"] ?? 0) + 1;
    stream.respond({ ":status": 200, "content-type": "text/event-stream" });
    if (path === "/events") {
      for (let id = next; id < next + 3; id++) stream.write(`id: ${id}\ndata: event ${id}\n\n`);
      return;
    }
    // One event, and then the connection goes away.
    stream.end(`retry: 1\nid: ${next}\ndata: event ${next}\n\n`);
    stream.session.close();
  });
  server.on("upgrade", (request, socket) => {
    const proof = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const accept = createHash("sha1").update(proof).digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    echo(socket);
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));
}

const ports = [
  await serve(http2.createServer(open)),
  await serve(http2.createSecureServer({ cert, key, ...open })),
  await serve(http2.createSecureServer({ cert, key, allowHTTP1: true })),
];
console.log(ports.join(" "));
