// npm's `ws`: /echo sends messages back; what comes at /pub goes to all that are at /sub.
import { WebSocketServer } from "ws";

const port = Number(process.argv[2]);
const subscribers = new Set();
const server = new WebSocketServer({
  port,
  host: "127.0.0.1",
  backlog: 4096,
  perMessageDeflate: false,
  maxPayload: 16 << 20,
});
server.on("connection", (socket, request) => {
  socket.on("error", () => {});
  if (request.url === "/sub") {
    subscribers.add(socket);
    socket.on("close", () => subscribers.delete(socket));
  } else if (request.url === "/pub") {
    socket.on("message", (data, binary) => {
      for (const subscriber of subscribers) subscriber.send(data, { binary });
    });
  } else {
    socket.on("message", (data, binary) => socket.send(data, { binary }));
  }
});
