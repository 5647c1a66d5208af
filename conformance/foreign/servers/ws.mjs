// npm ws: node ws.mjs PORT. The path says what it does. It prints its port once it listens; 0 is any free port.
import { createServer } from "node:http";
import { WebSocketServer } from "ws";

/** How the last connection to `/plain` is closed, for `/closed`: both ends may not know it at the same time. */
let closed = Promise.resolve(null);

function fragments(socket, data) {
  const count = Number(data);
  for (let i = 0; i < count; i += 1) {
    socket.send(Buffer.alloc(65_536, i), { binary: true, fin: i === count - 1 });
  }
}

function close(socket, data) {
  const [code, ...reason] = data.toString().split(" ");
  if (code === "none") socket.close();
  else socket.close(Number(code), reason.join(" "));
}

const echo = (socket, data, binary) => socket.send(data, { binary });
const eager = { threshold: 0 };
const actions = {
  "/plain": [{}, echo],
  "/takeover": [{ perMessageDeflate: eager }, echo],
  "/no-takeover": [{ perMessageDeflate: { ...eager, serverNoContextTakeover: true, clientNoContextTakeover: true } }, echo],
  "/small-windows": [{ perMessageDeflate: { ...eager, serverMaxWindowBits: 9, clientMaxWindowBits: 9 } }, echo],
  "/second": [{ handleProtocols: (asked) => [...asked][1] }, echo],
  "/fragments": [{}, fragments],
  "/fragments-deflated": [{ perMessageDeflate: eager }, fragments],
  "/close": [{}, close],
  "/terminate": [{}, (socket) => socket.terminate()],
  "/ping": [{}, (socket, data) => {
    socket.once("pong", (payload) => socket.send(`pong ${payload}`));
    socket.ping(data);
  }],
  "/closed": [{}, async (socket) => socket.send(JSON.stringify(await closed))],
  "/headers": [{}, (socket, _data, _binary, request) => socket.send(JSON.stringify(request.headers))],
};

const servers = new Map(Object.entries(actions).map(([path, [options, action]]) => {
  const server = new WebSocketServer({ noServer: true, maxPayload: 64 << 20, ...options });
  server.on("connection", (socket, request) => {
    socket.on("error", () => {});
    socket.on("message", (data, binary) => action(socket, data, binary, request));
    if (path !== "/plain") return;
    closed = new Promise((resolve) => {
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  });
  return [path, server];
}));

const answers = {
  "/unauthorized": "401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 9\r\n\r\nwho is it",
  "/moved": "302 Found\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n",
};

const http = createServer((_request, response) => response.writeHead(426, { Upgrade: "websocket" }).end("websockets only"));
http.on("upgrade", (request, socket, head) => {
  const server = servers.get(request.url);
  if (server !== undefined) {
    server.handleUpgrade(request, socket, head, (opened) => server.emit("connection", opened, request));
  } else {
    socket.end(`HTTP/1.1 ${answers[request.url] ?? "404 Not Found\r\nContent-Length: 0\r\n\r\n"}`);
  }
});
http.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(http.address().port));
