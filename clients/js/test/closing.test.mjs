// What is left of a client that was closed, or that something was given up on; and callbacks that do what they should not.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { describe, test } from "node:test";
import { WAIT_MS, messages, texts, until } from "./house.mjs";
import { TIMES, body, cleanups, event, events, json, liar, message, reader, state, welcome } from "./liar.mjs";
import { Sockeye, SockeyeError } from "./sockeye.js";

/** A WebSocket that does nothing by itself. */
class Still {
  static made = [];
  readyState = 0;
  protocol = "sockeye.v1.json";
  closed = 0;
  constructor() { Still.made.push(this); }
  send() {}
  close() { this.closed += 1; }
}

/** Accepts, and answers nothing; `ended` is when the other side has ended its first connection. */
async function mute() {
  const sockets = [];
  let end;
  const ended = new Promise((resolve) => { end = resolve; });
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {}).on("close", end).resume();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(async () => {
    for (const it of sockets) it.destroy();
    server.close();
    await once(server, "close");
  });
  return { base: `http://127.0.0.1:${server.address().port}`, ended };
}

describe("closing", () => {
  test("while credentials are asked for: nobody waits for them, and nothing is requested", async () => {
    const { base, counts } = await liar({});
    const asked = [];
    const hub = new Sockeye(base, { times: TIMES, credentials: ({ signal }) => new Promise((resolve) => { asked.push({ signal, resolve }); }) });
    hub.subscribe("a:1", { onitem: () => {} });
    const published = hub.publish("a:1", "x").catch((error) => error.code);
    await until("asked", () => asked.length > 0);
    hub.close();
    assert.equal(asked[0].signal.aborted, true);
    asked[0].resolve({ token: "t" });
    assert.match(await published, /closed|unanswered/);
    await assert.rejects(hub.position("a:1"), { code: "closed" });
    assert.deepEqual([asked.length, counts.ws + counts.sse + counts.poll + counts.publish + counts.position], [1, 0]);
  });

  for (const transport of ["websocket", "sse", "poll"]) test(`nothing is subscribed any more when the credentials come: no connection (${transport})`, async () => {
    const { base, counts } = await liar({ sse: () => {}, poll: () => {} });
    let give;
    Still.made = [];
    const it = reader(base, { transports: [transport], WebSocket: Still, credentials: () => new Promise((resolve) => { give = resolve; }) });
    it.subscribe("a", "a:1");
    await until("asked", () => give);
    it.leave("a");
    await new Promise(setImmediate);
    give({ token: "t" });
    await state(it, "idle");
    assert.equal(Still.made.length + counts.sse + counts.poll, 0);
  });

  test("a process ends by itself, whatever was under way, if all times are an hour", async () => {
    const { base } = await mute();
    const { base: answering } = await liar({
      socket: (peer) => peer.begin("1a-1"), sse: (response) => events(response, "id: 1a-1\n\n"), poll: () => {}, publish: () => {},
    });
    const program = `
      import { Sockeye } from "./sockeye.js";
      import WebSocket from "ws";
      const hour = 3_600_000;
      const times = Object.fromEntries(["openMs", "silenceMs", "pollMs", "shortPollMs", "retryMs", "retryMaxMs", "againMs", "credentialsMs", "publishMs"].map((it) => [it, hour]));
      for (const base of ${JSON.stringify([base, answering, "http://127.0.0.1:1"])}) for (const transports of [["websocket"], ["sse"], ["poll"], undefined])
        for (const credentials of [undefined, () => new Promise(() => {})]) {
          const hub = new Sockeye(base, { WebSocket, times, transports, credentials });
          hub.subscribe("a:1", { onitem() {} });
          hub.publish("a:1", "x").catch(() => {});
          hub.position("a:1").catch(() => {});
          setTimeout(() => hub.close(), 300);
        }`;
    const failed = await new Promise((resolve) => {
      execFile(process.execPath, ["--input-type=module", "-e", program], { cwd: import.meta.dirname, timeout: 5 * WAIT_MS, killSignal: "SIGKILL" }, (error, _, said) => resolve(error && `${error.signal ?? error.code} ${said}`));
    });
    assert.equal(failed, null);
  });

  test("a WebSocket that never opens does not stay", async () => {
    const { base, ended } = await mute();
    const it = reader(base, { transports: ["websocket"], times: { ...TIMES, openMs: 3_600_000 } });
    it.subscribe("a", "a:1");
    await state(it, "connecting");
    await new Promise(setImmediate);
    it.hub.close();
    await ended;
    // One that has no `terminate`, as a browser's.
    Still.made = [];
    const other = reader(base, { transports: ["websocket"], WebSocket: Still });
    other.subscribe("a", "a:1");
    const made = await until("made", () => Still.made[0]);
    other.hub.close();
    await until("closed", () => made.closed > 0);
  });

  test("a listener that closes hears nothing more", async () => {
    const gap = { channel: "a:1", reason: "trimmed" };
    const { base } = await liar({ poll: (response) => json(response, 200, body("1a-9", [message(8), message(9)], { gaps: [gap, gap] })) });
    const it = reader(base, { transports: ["poll"] });
    const heard = [];
    it.hub.on("gap", () => { heard.push("gap"); it.hub.close(); });
    it.hub.on("message", () => heard.push("message"));
    it.subscribe("a", "a:1");
    await state(it, "closed");
    assert.deepEqual([heard, it.items.a.length], [["gap"], 1]);
  });

  test("publications on a connection that is just being given up are sent again", async () => {
    const { base, counts } = await liar({
      socket: (peer) => peer.begin("1a-1", () => peer.say(message(2))),
      publish: (response) => json(response, 200, { channel: "b:1", cursor: "1a-3", seq: 1, level: "accepted", duplicate: false, subscribers: 0 }),
    });
    const it = reader(base, { transports: ["websocket"] });
    const published = [];
    it.hub.on("message", () => {
      // After this event the queue of `slow` is full, and the connection is closed: at once, and some turns later.
      for (let turns = 0; turns < 40; turns += 1) published.push((async () => {
        for (let at = 0; at < turns; at += 1) await null;
        return it.hub.publish("b:1", turns);
      })());
    });
    it.subscribe("slow", "a:1", { slowMs: 1e9, queue: { items: 2 } });
    await until("paused", () => it.states.some((at) => at.state === "paused"));
    let settled = 0;
    for (const one of published) one.then(() => { settled += 1; });
    await until("all of them", () => settled === 40);
    assert.ok(counts.publish > 0);
  });
});

describe("given up", () => {
  test("a subscription that is never answered, though pings are", async () => {
    const { base } = await liar({ socket: (peer) => {
      peer.say({ ...welcome, ping_ms: 1_000 });
      peer.oncommand = ({ type, id }) => { if (type === "ping") peer.say({ type: "pong", id, cursor: "1a-1" }); };
      const often = setInterval(() => peer.say({ type: "pong", cursor: "1a-1" }), 50);
      cleanups.push(() => clearInterval(often));
    } });
    const it = reader(base, { transports: ["websocket"], times: { ...TIMES, openMs: 400 } });
    it.subscribe("a", "a:1");
    // Opening may take 400 ms, too, on a slow machine: then it comes again.
    await until("given up", () => it.states.some((at) => /no answer in 400 ms/.test(at.why ?? "")));
  });

  test("an event stream that sends comments, and no first event", async () => {
    const { base } = await liar({
      sse: (response) => {
        events(response, ": hello\n");
        const often = setInterval(() => response.write(":\n"), 20);
        cleanups.push(() => clearInterval(often));
      },
      poll: (response) => json(response, 200, body("1a-9", [message(9)])),
    });
    const it = reader(base, { transports: ["sse", "poll"], times: { ...TIMES, openMs: 400 } });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
  });

  test("a WebSocket that talks before anything is subscribed", async () => {
    let told = 0;
    class Talker extends Still {
      constructor() {
        super();
        if (Still.made.length > 1) return;
        queueMicrotask(() => {
          this.readyState = 1;
          this.onopen?.();
          for (; told < 10_000 && this.onmessage; told += 1) this.onmessage({ data: JSON.stringify(welcome) });
        });
      }
    }
    Still.made = [];
    const it = reader("http://127.0.0.1:1", { transports: ["websocket"], WebSocket: Talker });
    it.subscribe("a", "a:1");
    assert.match((await state(it, "waiting")).why, /before something is subscribed/);
    assert.ok(told < 100, `${told} messages`);
  });

  test("a message that the package ws would have gathered", async () => {
    const head = Buffer.alloc(10);
    head.set([0x81, 127]);
    head.writeBigUInt64BE(90n << 20n, 2); // below the package's own bound
    const { base } = await liar({ socket: (peer, count) => peer.begin("1a-1", () => {
      if (count === 1) peer.socket._socket.write(head);
      else peer.say(message(9));
    }) });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
  });

  test("not what is refused beside a subscription that has caught up: it is live", async () => {
    const { base } = await liar({ socket: (peer) => {
      peer.say(welcome);
      peer.oncommand = ({ id, channels }) => {
        if (peer.commands.length < 2) {
          peer.say({ type: "subscribed", id, channels, cursor: "1a-1" }, { type: "sync", cursor: "1a-1", recovered: true, gaps: 0, replayed: 0 });
        } else peer.say({ type: "error", id, code: "forbidden", message: "no" });
      };
    } });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1", { presence: true });
    it.subscribe("b", "b:1");
    await state(it, "live");
    assert.equal(it.items.b.at(-1).type, "refused");
  });
});

describe("callbacks and options", () => {
  test("credentials that throw an error of this module's are asked again", async () => {
    for (const transports of [["websocket"], ["sse"]]) {
      const { base } = await liar({ socket: (peer) => peer.begin("1a-1", () => peer.say(message(9))), sse: (response) => events(response, event("", message(9), "1a-9")) });
      let count = 0;
      const it = reader(base, { transports, credentials: () => {
        count += 1;
        if (count === 1) throw new SockeyeError("forbidden", "of another hub");
        return { token: "t" };
      } });
      it.subscribe("a", "a:1");
      await until("the message", () => texts(it.items.a).length > 0);
      assert.equal(count, 2);
    }
  });

  test("credentials that fail when others are wanted are asked again, for the same reason", async () => {
    const { base } = await liar({ socket: (peer, count) => peer.begin("1a-1", () => (count === 1 ? peer.socket.close(4302, "expired") : peer.say(message(9)))) });
    let count = 0;
    const it = reader(base, { transports: ["websocket"], credentials: () => {
      count += 1;
      return count === 2 || count === 3 ? Promise.reject(new Error("not now")) : { token: `t${count}` };
    } });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
    assert.deepEqual(it.asked.map((at) => [at.reason, at.code]), [["first", undefined], ["expired", 4302], ["expired", 4302], ["expired", 4302]]);
  });

  test("a function that throws: the others hear it, what follows comes, and the fault is seen", async () => {
    const { base } = await liar({ socket: (peer) => peer.begin("1a-1", () => peer.say(message(8), message(9))) });
    const program = `
      import { Sockeye } from "./sockeye.js";
      import WebSocket from "ws";
      const faults = [], heard = [], items = [];
      process.on("uncaughtException", ({ message }) => faults.push(message));
      const hub = new Sockeye(${JSON.stringify(base)}, { WebSocket, transports: ["websocket"] });
      hub.on("message", () => { throw new Error("a listener's"); });
      hub.on("message", ({ data }) => heard.push(data));
      hub.on("cursor", (cursor) => { if (cursor === "1a-9") hub.close(); });
      process.on("exit", () => console.log(JSON.stringify([faults, heard, items])));
      hub.subscribe("a:1", { onitem: (item) => { items.push(item.type); throw new Error("onitem's"); } });`;
    const said = await new Promise((resolve, reject) => {
      execFile(process.execPath, ["--input-type=module", "-e", program], { cwd: import.meta.dirname, timeout: 60_000 }, (error, out) => (error ? reject(error) : resolve(out)));
    });
    const [faults, heard, items] = JSON.parse(said);
    assert.deepEqual([heard, items], [["n8", "n9"], ["sync", "message", "message"]]);
    assert.deepEqual([faults.filter((it) => it === "a listener's").length, faults.filter((it) => it === "onitem's").length], [2, 3]);
  });

  test("times and bounds that cannot be, and a URL with credentials, are refused", async () => {
    const hub = (times) => new Sockeye("http://hub.example", { times });
    for (const ms of [Infinity, NaN, -1, 2 ** 31, "x"]) assert.throws(() => hub({ silenceMs: ms }), RangeError);
    hub({ silenceMs: undefined, pollMs: 0 });
    for (const queue of [{ items: 0 }, { chars: 0 }, { items: NaN }]) assert.throws(() => hub().subscribe("a", { queue }), RangeError);
    assert.throws(() => hub().subscribe("a", { onitem: "x" }), TypeError);
    assert.throws(() => new Sockeye("https://me:secret@hub.example"), TypeError);
  });
});

test("nothing of a message whose channel has a name that is none is taken", async () => {
  const { base } = await liar({ socket: (peer, count) => peer.begin("1a-1", () => peer.say(count === 1 ? { ...message(5), channel: ":".repeat(201) } : message(9))) });
  const it = reader(base, { transports: ["websocket"] });
  it.subscribe("a", ["a:*", "a:>"]);
  await until("the message", () => messages(it.items.a).length > 0);
  assert.deepEqual(texts(it.items.a), ["n9"]);
  assert.ok(it.states.some((at) => /a channel that is none/.test(at.why ?? "")));
});
