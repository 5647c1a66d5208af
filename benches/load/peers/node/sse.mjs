// Event streams on Node's own http: GET /sub subscribes, what is posted to /pub goes to all. With `better`
// behind the port the streams are those of better-sse, else they are written by hand.
import http from "node:http";
import { createChannel, createSession } from "better-sse";

const port = Number(process.argv[2]);
const isBetter = process.argv[3] === "better";
const channel = createChannel();
const streams = new Set();

async function subscribe(request, response) {
  if (isBetter) {
    channel.register(await createSession(request, response, { keepAlive: null }));
    return;
  }
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
  response.write(":\n\n");
  streams.add(response);
  response.on("close", () => streams.delete(response));
}

function publish(text) {
  if (isBetter) {
    channel.broadcast(text, "message");
    return;
  }
  const event = `data: ${text}\n\n`;
  for (const stream of streams) stream.write(event);
}

const server = http.createServer((request, response) => {
  if (request.method === "GET") {
    subscribe(request, response);
    return;
  }
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (part) => (text += part));
  request.on("end", () => {
    response.writeHead(204);
    response.end();
    publish(text);
  });
});
server.on("clientError", () => {});
server.listen(port, "127.0.0.1", 4096);
