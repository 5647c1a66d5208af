// better-sse: node better_sse.mjs PORT. Events are numbers, which are their IDs; a stream has five of them.
// It prints its port once it listens; 0 is any free port.
import { createServer } from "node:http";
import { createSession } from "better-sse";

const LAST = 12;
const STREAM = 5;

async function numbers(request, response, { pause = 0, keepAlive = null, last = LAST } = {}) {
  const from = Number(request.headers["last-event-id"] ?? 0);
  if (from >= last) return response.writeHead(204).end();
  const session = await createSession(request, response, { retry: 120, keepAlive });
  for (let i = from + 1; i <= Math.min(from + STREAM, last); i += 1) {
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    session.push({ number: i, text: `${i}\n鮭 ${"·".repeat(i * 100)}` }, i % 2 === 0 ? "even" : "odd", String(i));
  }
  return response.end();
}

const paths = {
  "/numbers": (request, response) => numbers(request, response),
  "/slow": (request, response) => numbers(request, response, { pause: 100 }),
  "/endless": (request, response) => numbers(request, response, { pause: 50, last: Infinity }),
  "/kept-alive": (request, response) => numbers(request, response, { pause: 300, keepAlive: 50 }),
  "/moved": (_request, response) => response.writeHead(307, { Location: "/numbers" }).end(),
  "/headers": async (request, response) => {
    const session = await createSession(request, response, { retry: null });
    session.push(request.headers);
    response.end();
  },
};

const server = createServer((request, response) => {
  const found = paths[request.url];
  if (found === undefined) response.writeHead(404).end("no such stream");
  else void found(request, response);
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log(server.address().port));
