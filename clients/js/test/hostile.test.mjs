// Servers that say what no Sockeye says, or say it at the wrong time.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkWaits, messages, texts, until } from "./house.mjs";
import { TIMES, body, event, events, json, liar, message, reader, state, welcome } from "./liar.mjs";
import { Reader } from "./reader.mjs";

describe("hostile servers", () => {
  const BAD = ["", "null", "[]", "7", "{", "[".repeat(1_000_000), Buffer.from([1, 2]), { type: "message" }, { ...message(5), cursor: 7 },
    { ...message(5), channel: { toString: 1 } }, { ...message(5), cursor: `1a-${"1".repeat(14)}` }, { ...message(5), cursor: "1a-zzzzzzzzzzzzz" },
    { ...message(5), cursor: `1a-5~${"x".repeat(96)}` }, { type: "sync" }, { type: "end", channel: "a:1", cursor: "x" }, { type: "goaway" },
    { type: "gap", channel: 7, reason: "epoch" }];
  const ODD = [{ type: "constructor" }, { type: "__proto__" }, { type: "toString", channel: "a:1" }, {}, { type: null }, { type: "error" },
    { type: "error", channel: "a:1", id: "s9", code: "forbidden" }, { type: "subscribed", id: "s77", channels: ["a:1"], cursor: "1b-1" },
    { type: "published", id: 12 }, { type: "presence", channel: "b:1" }, { type: "end", channel: "b:1", cursor: "1a-1" }, { type: "tomorrow", cursor: 5 },
    { ...message(1), channel: "b:1" }, '{"type":"message","channel":"a:1","cursor":"1a-2","time":1,"data":{"__proto__":{"polluted":1}}}'];

  test("what cannot be understood ends the connection, and nothing of it is delivered", async () => {
    const { base, counts } = await liar({ socket: (peer, count) => peer.begin("1a-1", () => {
      const bad = BAD[count - 1];
      if (bad === undefined) peer.say(message(9));
      else if (Buffer.isBuffer(bad)) peer.socket.send(bad);
      else peer.say(bad);
    }) });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1");
    await until("the good one", () => messages(it.items.a).length > 0);
    assert.deepEqual(it.items.a.filter((item) => item.type !== "sync"), [message(9)]);
    assert.equal(counts.ws, BAD.length + 1);
  });

  test("what is only strange is passed over", async () => {
    const { base, counts } = await liar({ socket: (peer) => peer.begin("1a-1", () => peer.say(...ODD, message(9))) });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1");
    await until("the last", () => messages(it.items.a).length === 2);
    assert.deepEqual(messages(it.items.a).map((item) => item.cursor), ["1a-2", "1a-9"]);
    assert.equal({}.polluted, undefined);
    assert.equal(counts.ws, 1);
  });

  test("each of it over an event stream and in a poll, too", async () => {
    const bad = [{}, { ...message(5), cursor: 7 }, { ...message(5), channel: null }];
    const { base, counts } = await liar({
      sse: (response, _, count) => {
        const said = bad[count - 1];
        events(response, "id: 1a-1\n\n", event("toString", {}), event("$", {}), said ? event("", said, said.cursor === 7 ? "nonsense" : undefined) : event("", message(9), "1a-9"));
        if (!said) setTimeout(() => response.end("data: not JSON\n\n"), 100);
      },
      poll: (response, _, count) => {
        const said = [{}, body(7), body("1a-1", [{}]), body("1a-1", {}), body("1a-1", [], { gaps: 7 }), body("1a-1", [], { ended: [null] })][count - 1];
        return json(response, 200, said ?? body("1a-9", [message(9)]));
      },
    });
    for (const transport of ["sse", "poll"]) {
      const it = reader(base, { transports: [transport] });
      it.subscribe("a", "a:1");
      await until("the good one", () => messages(it.items.a).length > 0);
      assert.deepEqual(texts(it.items.a), ["n9"]);
      it.hub.close();
    }
    assert.ok(counts.sse >= 4 && counts.poll >= 7, JSON.stringify(counts));
  });

  test("an event and an answer without end are given up", async () => {
    const pour = (response, head, type) => {
      response.writeHead(200, { "Content-Type": type });
      response.write(head);
      const piece = "x".repeat(1 << 20);
      const more = () => { while (!response.destroyed && response.write(piece)); };
      response.on("drain", more);
      more();
    };
    const { base, counts } = await liar({
      sse: (response) => pour(response, "id: 1a-1\n\ndata: ", "text/event-stream"),
      poll: (response) => pour(response, '{"cursor":"', "application/json"),
    });
    for (const [transport, why] of [["sse", /endless event/], ["poll", /endless answer/]]) {
      const it = reader(base, { transports: [transport] });
      it.subscribe("a", "a:1");
      const given = await until("given up", () => it.states.find((at) => why.test(at.why ?? "")));
      assert.equal(given.state, "waiting");
      it.hub.close();
    }
    assert.ok(counts.sse >= 1 && counts.poll >= 1);
  });

  test("what comes again is not delivered again; another log without a word is a gap", async () => {
    const { base } = await liar({ socket: (peer) => peer.begin("1a-1", () => {
      peer.say(message(2), message(3), message(2), message(3), message(4), message(1, "new log", "b"), message(2, "and on", "b"), message(1, "again", "b"), message(3, "last", "b"));
    }) });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1");
    await until("all", () => texts(it.items.a).includes("last"));
    assert.deepEqual(it.items.a.slice(1).map((item) => item.data ?? item.reason), ["n2", "n3", "n4", "epoch", "new log", "and on", "last"]);
  });

  test("a log that was cut off is read from its new beginning", async () => {
    const gap = { type: "gap", channel: "a:1", reason: "ahead" };
    const { base } = await liar({ socket: (peer, count) => {
      if (count === 1) return peer.begin("1a-1", () => { peer.say(message(5)); peer.socket.terminate(); });
      peer.say(welcome);
      peer.oncommand = ({ id, channels, cursor }) => {
        assert.equal(cursor, "1a-5");
        peer.say({ type: "subscribed", id, channels, cursor: "10-0" }, gap, { type: "sync", cursor: "1a-2", recovered: false, gaps: 1, replayed: 0 }, message(3), message(4));
      };
    } });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", "a:1");
    await until("all", () => messages(it.items.a).length === 3);
    assert.deepEqual(texts(it.items.a), ["n5", "n3", "n4"]);
    assert.equal(it.items.a.filter((item) => item.type === "gap").length, 1);
  });

  test("a cut between two answers: the cursor waits until all are subscribed", async () => {
    const names = Array.from({ length: 100 }, (_, at) => `a:${"x".repeat(150)}${at}`);
    const cursors = [];
    const say = (peer, seq) => peer.say({ ...message(seq), channel: names[0] });
    const { base } = await liar({ socket: (peer, count) => {
      peer.say(welcome);
      peer.oncommand = ({ type, id, channels, cursor }) => {
        if (type !== "subscribe") return;
        cursors.push(cursor);
        peer.say({ type: "subscribed", id, channels, cursor: cursor ?? "1a-1" });
        if (count === 1 && peer.commands.length === 2) { peer.say({ type: "sync", cursor: "1a-5", recovered: true, gaps: 0, replayed: 0 }); say(peer, 7); peer.socket.close(4200); }
        if (count === 2) { say(peer, 9); peer.socket.close(4200); peer.oncommand = null; } // the second was not answered
        if (count === 3) say(peer, 9);
        if (count === 3 && peer.commands.length === 2) say(peer, 11);
      };
    } });
    const it = reader(base, { transports: ["websocket"] });
    it.subscribe("a", names);
    await until("the third", () => texts(it.items.a).includes("n11"));
    assert.deepEqual(cursors, [undefined, undefined, "1a-7", "1a-7", "1a-7"]);
    assert.deepEqual(texts(it.items.a), ["n7", "n9", "n11"]); // n9 has come the second time
  });

  test("what each close code asks for is done, also of codes that are not known", async () => {
    const told = [];
    for (const [code, reason, want] of [
      [4001, "bad_command", "stop"], [4002, "forbidden", "stop"], [4099, "", "stop"],
      [4100, "overloaded", "back off"], [4101, "rate_limited retry_ms=300", "back off"], [4199, "", "back off"],
      [4200, "reconnect", "now"], [4202, "slow_reader", "now"], [4204, "lifetime", "now"], [4299, "", "now"], [1001, "going_away", "now"],
      [4300, "unauthenticated", "renew"], [4302, "expired", "renew"], [4399, "", "renew"],
      [1012, "restart retry_ms=300", "wait"], [1013, "try_again retry_ms=300", "wait"], [1011, "", "lost"], [4999, "", "lost"], [3000, "", "lost"],
    ]) for (const way of ["close", "goaway", "sse"]) {
      if (way !== "close" && code < 4000 && ![1001, 1012, 1013].includes(code)) continue;
      const retryMs = Number(/retry_ms=(\d+)/.exec(reason)?.[1] ?? NaN) || undefined;
      const goaway = { code, reason: reason.split(" ")[0], retry_ms: retryMs, cursor: "1a-1" };
      const { base } = await liar({
        socket: way === "sse" ? undefined : (peer, count) => peer.begin("1a-1", () => {
          if (count > 1) return;
          if (way === "goaway") peer.say({ type: "goaway", ...goaway });
          peer.socket.close(code, way === "close" ? reason : "");
        }),
        sse: (response, _, count) => {
          events(response, "id: 1a-1\n\n", event("$sync", { cursor: "1a-1", recovered: true, gaps: 0, replayed: 0 }, "1a-1"));
          if (count === 1) response.end(event("$goaway", goaway, "1a-1"));
        },
      });
      const it = reader(base, { transports: [way === "sse" ? "sse" : "websocket"], credentials: () => ({ apiKey: "k".repeat(20) }), times: { ...TIMES, retryMs: 100 } });
      it.subscribe("a", "a:1", { slowMs: 0 });
      await decided(it, `${code} by ${way}`);
      told.push([code, way, want, verdict(it)]);
      it.hub.close();
    }
    assert.deepEqual(told.filter(([, , want, got]) => want !== got), []);
  });

  test("who is told to come back at once, for ever, does not spin", async () => {
    for (const code of [4200, 4300, 1001, 1006]) {
      const { base, counts } = await liar({ socket: (peer) => peer.begin("1a-1", () => { if (code === 1006) peer.socket.terminate(); else peer.socket.close(code); }) });
      const it = reader(base, { transports: ["websocket"], credentials: ({ reason }) => (reason === "first" ? null : { apiKey: "k" }) });
      it.subscribe("a", "a:1");
      await until("waits", () => it.states.filter((at) => at.state === "waiting").length > 6);
      it.hub.close();
      assert.ok(counts.ws <= checkWaits(it.states) + 2, `${code}: ${counts.ws} connections`);
    }
  });

  test("answers to polls that come at once, with nothing or with more of nothing, do not make it spin", async () => {
    for (const more of [false, true]) {
      const at = [];
      const { base } = await liar({ poll: (response) => { at.push(performance.now()); json(response, 200, body("1a-1", [], { more })); } });
      const it = reader(base, { transports: ["poll"] });
      const begun = performance.now();
      it.subscribe("a", "a:1");
      await until("polls", () => at.length >= 6);
      it.hub.close();
      // Rests count from when the client asks: between two polls as the server has them there may be less.
      assert.ok(at[5] - begun >= 4 * TIMES.shortPollMs - 50, `${at.map((ms) => Math.round(ms - begun))}`);
    }
  });

  test("Retry-After, retry: and a retry_ms beyond all reason", async () => {
    const { base } = await liar({
      poll: (response) => json(response, 503, { error: { code: "overloaded", message: "no room" } }, { "Retry-After": "1" }),
      sse: (response) => { events(response, "id: 1a-1\nretry: 1700\n\n"); setTimeout(() => response.end(), 20); },
      socket: (peer) => peer.begin("1a-1", () => peer.say({ type: "goaway", code: 1013, reason: "try_again", retry_ms: 1e300, cursor: "1a-1" }) ?? peer.socket.close(1013)),
    });
    for (const [transport, least, most] of [["poll", 1_000, 1_500], ["sse", 1_700, 2_200], ["websocket", 600_000, 600_500]]) {
      const it = reader(base, { transports: [transport] });
      it.subscribe("a", "a:1");
      const { ms } = await state(it, "waiting");
      assert.ok(ms >= least && ms <= most, `${transport}: ${ms}`);
      if (transport === "poll") {
        const waits = await until("another wait", () => { const all = it.states.filter((at) => at.state === "waiting"); return all.length > 1 && all; });
        assert.ok(waits[1].ms >= least, `then ${waits[1].ms}`);
      }
      it.hub.close();
    }
  });

  test("an event stream without heartbeats is left for polls; a WebSocket of somebody else's is none", async () => {
    const { base, counts } = await liar({
      socket: (peer) => peer.say({ type: "hello" }),
      sse: (response) => events(response, "id: 1a-1\n\n"),
      poll: (response) => json(response, 200, body("1a-9", [message(9)])),
    });
    const it = reader(base, { times: { ...TIMES, openMs: 4_000, silenceMs: 500 } });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
    assert.deepEqual(texts(it.items.a), ["n9"]);
    assert.equal(counts.ws, 1);
    assert.ok(it.states.some((at) => at.state === "resuming" && at.transport === "sse"));
  });

  test("credentials that fail, hang or are none", async () => {
    const { base } = await liar({ sse: (response, request) => {
      assert.equal(request.headers.authorization, "Bearer t");
      events(response, "id: 1a-1\n\n", event("", message(9), "1a-9"));
    } });
    let count = 0;
    const good = reader(base, { transports: ["sse"], times: { ...TIMES, credentialsMs: 100 }, credentials: () => {
      count += 1;
      if (count === 1) throw new Error("not now");
      return count === 2 ? new Promise(() => {}) : { token: "t" };
    } });
    good.subscribe("a", "a:1");
    await until("the message", () => texts(good.items.a).length > 0);
    assert.equal(count, 3);
    for (const wrong of [{}, { token: 7 }, { token: "t", ticket: "t" }, "t", 7]) {
      const bad = reader(base, { transports: ["sse"], credentials: () => wrong });
      bad.subscribe("a", "a:1");
      assert.equal((await state(bad, "stopped")).error, "bad_credentials");
    }
  });

  test("who has nothing to show comes back all the same", async () => {
    const { base, counts } = await liar({ socket: (peer, count) => peer.begin("1a-1", () => (count < 4 ? peer.socket.terminate() : peer.say(message(9)))) });
    const it = reader(base, { transports: ["websocket"], credentials: () => null });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
    assert.deepEqual(it.asked.map((at) => at.reason), Array(counts.ws).fill("first"));
  });

  test("a request that is refused for another reason than its channels does not lose them", async () => {
    const { base } = await liar({
      sse: (response) => json(response, 431, { error: { code: "head_too_large", message: "the headers are too large" } }),
      poll: (response, _, count) => (count < 3 ? json(response, 400, { error: { code: "bad_http", message: "what?" } }) : json(response, 200, body("1a-9", [message(9)]))),
    });
    const it = reader(base, { transports: ["sse", "poll"] });
    it.subscribe("a", "a:1");
    await until("the message", () => texts(it.items.a).length > 0);
    assert.deepEqual(it.items.a.filter((item) => item.type === "refused"), []);
  });

  test("the first items of all, not taken yet, are behind the cursor", async () => {
    const { base } = await liar({ poll: (response, _, count) => { if (count === 1) json(response, 200, body("1a-9", [message(8), message(9)])); } });
    const it = reader(base, { transports: ["poll"] });
    it.subscribe("a", "a:1", { cursor: "earliest", slowMs: 1e9 });
    await until("the first", () => texts(it.items.a).length === 1);
    await state(it, "live"); // all of the answer is there
    assert.equal(it.hub.cursor, "earliest");
  });

  test("what is called wrongly is refused, and what is closed stays closed", async () => {
    const { base } = await liar({});
    assert.throws(() => new Reader("ftp://x", {}), TypeError);
    assert.throws(() => new Reader(base, { transports: ["pigeon"] }), TypeError);
    assert.throws(() => new Reader(base, { transports: [] }), TypeError);
    const it = reader(base);
    it.subscribe("a", "a:1");
    for (const [names, options] of [[[], {}], ["a:1", {}], [[""], {}], ["x".repeat(201), {}], ["b", { cursor: "a b" }], ["b", { cursor: "x".repeat(97) }]]) {
      assert.throws(() => it.subscribe("b", names, options), TypeError);
    }
    assert.throws(() => it.subscribe("b", Array.from({ length: 128 }, (_, at) => `b:${at}`)), RangeError);
    assert.deepEqual(await it.call("publish", "a:1"), { failed: "no data" });
    it.hub.close();
    assert.throws(() => it.subscribe("b", "b"), { code: "closed" });
    assert.equal(it.states.at(-1).state, "closed");
  });

  test("more publications at once than are answered", async () => {
    const { base, counts } = await liar({ publish: () => {} });
    const it = reader(base, { times: { ...TIMES, openMs: 1_000, publishMs: 1_500 } });
    const results = await Promise.all(Array.from({ length: 300 }, (_, at) => it.call("publish", "a:1", at)));
    assert.equal(results.filter((at) => at.failed === "too_many_publications").length, 44);
    assert.equal(results.filter((at) => at.failed === "unanswered").length, 256);
    assert.ok(counts.publish <= 768, `${counts.publish} requests`);
  });
});

/** Until it is seen what a reader does about the end of its first connection. */
async function decided(it, what) {
  const first = () => it.states.findIndex((at) => at.state === "live");
  await until(what, () => first() >= 0 && it.states.slice(first() + 1).some((at) => ["stopped", "waiting"].includes(at.state)));
}

function verdict(it) {
  const next = it.states.slice(it.states.findIndex((at) => at.state === "live") + 1).find((at) => ["stopped", "waiting"].includes(at.state));
  if (next.state === "stopped") return "stop";
  const { code = 0, ms } = next;
  if (code >= 4100 && code < 4200 && ms >= 50) return ms >= 300 || code !== 4101 ? "back off" : "too soon";
  if (code >= 4300 && code < 4400) return ms === 0 ? "renew" : "late";
  if (ms === 0 && code !== 0) return "now";
  if (code === 1012 || code === 1013) return ms >= 300 ? "wait" : "too soon";
  return "lost";
}
