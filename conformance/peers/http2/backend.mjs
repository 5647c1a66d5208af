// What stands behind a gateway: a page, a place for content, an echo. HTTP/1.1: node backend.mjs PORT
import http from "node:http";
import { WebSocketServer } from "ws";

const page = "a page\n".repeat(2000);
const server = http.createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "text/plain" });
    response.end(page);
  });
});
const echo = new WebSocketServer({ server, path: "/echo", maxPayload: 1 << 24 });
echo.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2]), "127.0.0.1");
