// A server of Node's http2, on its defaults with extended CONNECT: node node.mjs PORT
import http2 from "node:http2";
import { WebSocket } from "ws";

const page = "a page\n".repeat(2000);
const server = http2.createServer({ settings: { enableConnectProtocol: true } });

server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const { ":method": method, ":path": path, ":protocol": protocol } = headers;
  if (method === "CONNECT") {
    if (protocol?.toLowerCase() !== "websocket") return stream.respond({ ":status": 501 }, { endStream: true });
    if (path !== "/echo") return stream.respond({ ":status": 404 }, { endStream: true });
    if (headers["sec-websocket-version"] !== "13") return stream.respond({ ":status": 400 }, { endStream: true });
    stream.respond({ ":status": 200 });
    const socket = new WebSocket(null, undefined, {});
    socket.on("error", () => {});
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    return socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 24, skipUTF8Validation: false });
  }
  stream.resume();
  stream.on("end", () => {
    if (stream.destroyed || stream.headersSent) return;
    stream.respond({ ":status": 200, "content-type": "text/plain" });
    stream.end(method === "HEAD" ? undefined : page);
  });
});
server.on("sessionError", () => {});
server.listen(Number(process.argv[2]), "127.0.0.1");
