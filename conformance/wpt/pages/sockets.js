// Messages and closes of a WebSocket. For windows.
"use strict";

const BASE = location.origin.replace("http", "ws");
const bytes = (buffer) => [...new Uint8Array(buffer)];

async function open(path = "/echo", protocols = []) {
  const socket = new WebSocket(BASE + path, protocols);
  socket.binaryType = "arraybuffer";
  same((await next(socket, "open", "error")).type, "open", "what came");
  return socket;
}

/** What a socket closes with. */
async function closing(socket) {
  const { wasClean, code, reason } = await next(socket, "close");
  same(socket.readyState, 3, "the state");
  return [wasClean, code, reason];
}

async function echo(message) {
  const socket = await open();
  socket.send(message);
  const { data } = await next(socket, "message");
  socket.close();
  return data;
}

for (const [what, text] of [["nothing", ""], ["a word", "sockeye"], ["beyond ASCII", "Grüße 鮭 🐟"], ["a pair of surrogates", "\uD801\uDC07"]]) {
  check(`text comes back: ${what}`, async () => same(await echo(text), text, "the text"));
}

check("half a pair of surrogates becomes U+FFFD", async () => same(await echo("a\uD800b\uDC07"), "a\uFFFDb\uFFFD", "the text"));
check("null is a word", async () => same(await echo(null), "null", "the text"));

for (const length of [125, 126, 127, 65535, 65536, 1 << 20]) {
  check(`text of ${length} bytes comes back`, async () => {
    const text = "s".repeat(length);
    same(await echo(text) === text, true, "whether it is the same");
  });
}

const sixteen = Uint8Array.from({ length: 16 }, (_, i) => i).buffer;
for (const [what, message, want] of [
  ["a buffer", sixteen, bytes(sixteen)], ["an empty buffer", new ArrayBuffer(0), []],
  ["bytes from an offset", new Uint8Array(sixteen, 2), bytes(sixteen).slice(2)],
  ["some words", new Uint16Array(sixteen, 2, 3), bytes(sixteen).slice(2, 8)],
  ["words to the end", new Uint32Array(sixteen, 4), bytes(sixteen).slice(4)],
  ["signed numbers", Int8Array.of(-1, 2), [255, 2]], ["floats", Float64Array.of(1.5), [0, 0, 0, 0, 0, 0, 248, 63]],
  ["a blob", new Blob(["ab", sixteen.slice(0, 2)]), [97, 98, 0, 1]]]) {
  check(`binary comes back: ${what}`, async () => same(bytes(await echo(message)), want, "the bytes"));
}

check("65,000 bytes come back as a blob", async () => {
  const socket = await open();
  socket.binaryType = "blob";
  socket.send(new Uint8Array(65000).fill(7));
  const { data } = await next(socket, "message");
  same([data instanceof Blob, bytes(await data.arrayBuffer()).every((it) => it === 7), data.size], [true, true, 65000], "the blob");
  socket.binaryType = "arraybuffer";
  socket.binaryType = "nonsense";
  same(socket.binaryType, "arraybuffer", "binaryType");
  socket.close();
});

check("two hundred messages come back in order", async () => {
  const socket = await open();
  const want = Array.from({ length: 200 }, (_, i) => `message ${i}`);
  const seen = [];
  const done = new Promise((resolve) => {
    socket.onmessage = ({ data }) => { if (seen.push(data) === want.length) resolve(); };
  });
  for (const text of want) socket.send(text);
  await done;
  same(seen, want, "the messages");
  socket.close();
});

check("an empty message is one", async () => {
  const socket = await open("/empty-message");
  socket.send("");
  same((await next(socket, "message")).data, "pass", "the answer");
});

check("a message event is trusted, and says where it comes from", async () => {
  const socket = await open();
  socket.send("x");
  const event = await next(socket, "message");
  same([event.isTrusted, event.bubbles, event.cancelable, event.origin, event.lastEventId],
    [true, false, false, BASE, ""], "the event");
  socket.close();
});

check("constants, on constructor and prototype", async () => {
  for (const on of [WebSocket, WebSocket.prototype]) {
    same([on.CONNECTING, on.OPEN, on.CLOSING, on.CLOSED], [0, 1, 2, 3], "the constants");
  }
});

check("states from the first to the last", async () => {
  const socket = new WebSocket(`${BASE}/echo`);
  same([socket.readyState, socket.bufferedAmount, socket.protocol, socket.extensions], [0, 0, "", ""], "at first");
  throws("InvalidStateError", () => socket.send("early"));
  await next(socket, "open");
  same([socket.readyState, socket.extensions.startsWith("permessage-deflate")], [1, true], "open");
  socket.close();
  same(socket.readyState, 2, "closing");
  await closing(socket);
});

for (const [what, args, want] of [["nothing", [], [true, 1005, ""]], ["1000", [1000], [true, 1000, ""]],
  ["1000 and a reason", [1000, "Clean Close"], [true, 1000, "Clean Close"]], ["3000", [3000], [true, 3000, ""]],
  ["4999 and a reason", [4999, "…"], [true, 4999, "…"]], ["undefined", [undefined], [true, 1005, ""]],
  ["123 bytes of reason", [1000, "x".repeat(123)], [true, 1000, "x".repeat(123)]]]) {
  check(`closing with ${what} is answered in kind`, async () => {
    const socket = await open();
    socket.close(...args);
    socket.close(3333, "twice");
    same(await closing(socket), want, "the close");
  });
}

check("codes and reasons that nobody may close with", async () => {
  const socket = await open();
  for (const code of [0, 500, 999, 1001, 1005, 1006, 2999, 5000, 65536]) throws("InvalidAccessError", () => socket.close(code));
  throws("SyntaxError", () => socket.close(1000, "x".repeat(124)));
  socket.close();
});

check("a message that nobody waits for any more counts as buffered", async () => {
  const socket = await open();
  socket.close();
  socket.send("abc…");
  same(socket.bufferedAmount, 6, "bufferedAmount");
  same(await closing(socket), [true, 1005, ""], "the close");
});

check("what is sent is buffered until it is out", async () => {
  const socket = await open();
  socket.send("x".repeat(1000));
  socket.send(new ArrayBuffer(24));
  same(socket.bufferedAmount, 1024, "bufferedAmount");
  await next(socket, "message");
  await next(socket, "message");
  same(socket.bufferedAmount, 0, "bufferedAmount afterwards");
  socket.close();
});

check("closing while connecting fails", async () => {
  const socket = new WebSocket(`${BASE}/handshake_sleep_2`);
  socket.close();
  const error = next(socket, "error");
  same(await closing(socket), [false, 1006, ""], "the close");
  same((await error).type, "error", "what came before it");
});

check("the server closes first, when it is told goodbye", async () => {
  const socket = await open();
  socket.send("Goodbye");
  same((await next(socket, "message")).data, "Goodbye", "the echo");
  same(await closing(socket), [true, 1000, ""], "the close");
});

for (const [query, want] of [["", [true, 1005, ""]], ["?code=1000", [true, 1000, ""]], ["?code=4222&reason=remote", [true, 4222, "remote"]],
  ["?abrupt=1", [false, 1006, ""]]]) {
  check(`the server closes at once: ${query || "without a code"}`, async () => same(await closing(await open(`/remote-close${query}`)), want, "the close"));
}

check("a Close that is answered late", async () => {
  const socket = await open("/delayed-passive-close");
  socket.close(1000, "Delayed");
  await sleep(300);
  same(socket.readyState, 2, "the state");
  same(await closing(socket), [true, 1000, "Delayed"], "the close");
});

check("a Close that is not answered is not clean", async () => {
  const socket = await open("/passive-close-abort");
  socket.close(1000);
  same(await closing(socket), [false, 1006, ""], "the close");
});

check("bytes that are no frame fail the connection", async () => {
  const socket = await open("/echo_raw");
  socket.send(Uint8Array.of(0x83, 0x00));
  const [error, close] = await Promise.all([next(socket, "error"), closing(socket)]);
  same([error.type, close], ["error", [false, 1006, ""]], "what came");
});

check("bytes that are a frame are one", async () => {
  const socket = await open("/echo_raw");
  socket.send(Uint8Array.of(0x01, 0x01, 0x68, 0x89, 0x00, 0x80, 0x01, 0x69));
  same((await next(socket, "message")).data, "hi", "a message in two frames, and a ping between them");
  socket.close();
});

check("a reader that rests fills the buffers, and loses nothing", async () => {
  const socket = await open("/receive-backpressure");
  socket.send(new ArrayBuffer(32 << 20));
  await sleep(700);
  same(socket.bufferedAmount > 0, true, "whether something waits");
  same(await closing(socket), [true, 1000, ""], "the close once it was read");
  same(socket.bufferedAmount, 0, "bufferedAmount at the end");
});

check("a slow reader gets everything in order", async () => {
  const socket = await open("/receive-many-with-backpressure");
  const lengths = Array.from({ length: 12 }, (_, i) => 64000 + i);
  for (const length of lengths) socket.send(new ArrayBuffer(length));
  for (const length of lengths) same((await next(socket, "message")).data, String(length), "the answer");
  socket.close();
});

check("much is received whole", async () => {
  const socket = await open("/send-backpressure");
  const sizes = [];
  for (let event = await next(socket, "message", "close"); event.type === "message"; event = await next(socket, "message", "close")) {
    sizes.push(event.data.byteLength ?? event.data);
  }
  same([sizes.slice(0, 17), sizes.length], [[0, ...new Array(16).fill(1 << 20)], 18], "the sizes");
  same(Number.isFinite(Number(sizes[17])), true, "whether the last is a time");
});
