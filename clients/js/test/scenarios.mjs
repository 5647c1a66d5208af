// What a reader has to do against the real program, in Node and in Chromium alike.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { House, checkAccount, checkWaits, messages, texts, until } from "./house.mjs";

const TRANSPORTS = ["websocket", "sse", "poll"];
const TIMES = { retryMs: 50, retryMaxMs: 400, againMs: 500, openMs: 10_000, pollMs: 5_000, silenceMs: 20_000 };

export const scenarios = (name, placeOf) => describe(name, () => {
  let place;
  let house = null;
  before(async () => { place = await placeOf(); });
  after(() => place.end());
  afterEach(async () => {
    const given = house;
    house = null;
    try {
      await place.clear();
    } finally {
      await given?.close();
    }
  });
  const build = async (options) => { house = await House.build(options); return house; };
  const open = (options) => place.reader(house.base, { times: TIMES, ...options });
  const reaches = (reader, want, ms) =>
    until(`state ${want}`, async () => { const it = await reader.look(); return it.state?.state === want && it; }, ms);
  const has = (reader, name, count, ms) =>
    until(`${count} messages`, async () => { const it = await reader.look(); return messages(it.items[name]).length >= count && it; }, ms);
  /** A reader of one channel that is live. */
  const listen = async (channel, options = {}, subscribing = {}) => {
    const reader = await open(options);
    await reader.subscribe("a", channel, subscribing);
    await reaches(reader, "live");
    return reader;
  };
  const gaps = (look, name = "a") => look.items[name].filter((it) => it.type === "gap");

  for (const transport of TRANSPORTS) describe(transport, () => {
    const only = { transports: [transport] };

    test("texts, JSON and names of events, in order, and a cursor behind them", async () => {
      await build();
      const reader = await listen("a:1", only);
      const odd = ["<b>", "Grüße, 鮭 🐟", "two\nlines\r\n", "", "  "];
      for (const text of odd) await house.publish("a:1", text);
      const { cursor } = await house.publish("a:1", '{"seat":12}', { "Content-Type": "application/json", "Sockeye-Event": "sold" });
      const look = await has(reader, "a", 6);
      assert.deepEqual(texts(look.items.a), [...odd, { seat: 12 }]);
      const last = messages(look.items.a).at(-1);
      assert.equal(last.event, "sold");
      assert.equal(last.cursor, cursor);
      assert.ok(last.time > 1e12);
      assert.deepEqual(gaps(look), []);
      assert.equal(look.items.a[0].type, "sync");
      await until("the cursor", async () => (await reader.look()).cursor === cursor);
      assert.equal((await reader.look()).cursors.at(-1), cursor);
    });

    test("another client goes on from the cursor of the one before", async () => {
      await build();
      const first = await listen("a:1", only);
      await house.publish("a:1", "one");
      const { cursor } = await has(first, "a", 1);
      await first.call("close");
      await house.publish("a:1", "two");
      await house.publish("a:1", "three");
      const second = await listen("a:1", only, { cursor });
      const look = await has(second, "a", 2);
      assert.deepEqual(texts(look.items.a), ["two", "three"]);
      assert.deepEqual(gaps(look), []);
    });

    test("all that is still there, and a cursor of another log", async () => {
      await build();
      await house.publish("a:1", "one");
      const reader = await listen("a:1", only, { cursor: "earliest" });
      assert.deepEqual(texts((await has(reader, "a", 1)).items.a), ["one"]);
      const other = await listen("a:1", only, { cursor: "1abc-5" });
      const look = await until("a gap", async () => { const it = await other.look(); return gaps(it).length > 0 && it; });
      assert.deepEqual(gaps(look).map((it) => it.reason), ["epoch"]);
    });

    test("killed and started again under load, with a log on disk: each message once", async () => {
      await build({ isDurable: true });
      const reader = await listen("a:1", only);
      const stop = house.load("a:1");
      for (let round = 0; round < 2; round += 1) {
        await stop.more(40);
        await house.stop();
        await until("noticed", async () => (await reader.look()).state.state !== "live");
        await house.start();
      }
      await stop.more(40);
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
    });

    test("killed and started again under load, in memory: a gap, and nothing lost beside it", async () => {
      await build();
      const reader = await listen("a:1", only);
      const stop = house.load("a:1");
      await stop.more(30);
      await house.stop();
      await house.start();
      await until("live again", async () => gaps(await reader.look()).length > 0 && (await reader.look()).state.state === "live");
      await stop.more(30);
      const published = await stop();
      const look = await until("the last one", async () => { const it = await reader.look(); return texts(it.items.a).at(-1) === published.at(-1) && it; });
      checkAccount(look.items.a, published);
      assert.deepEqual([...new Set(gaps(look).map((it) => it.reason))], ["epoch"]);
    });

    test("told to go: it waits for as long as it is asked to", async () => {
      await build({ isDurable: true });
      const reader = await listen("a:1", only);
      await house.publish("a:1", "before");
      await has(reader, "a", 1);
      await house.stop("SIGTERM");
      const look = await until("waiting", async () => { const it = await reader.look(); return it.states.some((state) => state.state === "waiting") && it; });
      const told = look.states.find((it) => it.state === "waiting");
      if (transport !== "poll") {
        assert.equal(told.code, 1012);
        assert.ok(told.ms >= 1_000, `${told.ms} ms`);
      }
      await house.start();
      await house.publish("a:1", "after");
      const { states, items } = await has(reader, "a", 2);
      assert.deepEqual(texts(items.a), ["before", "after"]);
      assert.deepEqual(items.a.filter((it) => it.type === "gap"), []);
      assert.ok(checkWaits(states) > 0);
    });

    test("a channel that ends, and one whose end is before the cursor", async () => {
      await build();
      const reader = await listen(["a:1", "a:2"], only);
      await house.publish("a:1", "last words");
      await house.endChannel("a:1");
      const look = await until("the end", async () => { const it = await reader.look(); return it.items.a.some((item) => item.type === "end") && it; });
      assert.deepEqual(look.items.a.filter((it) => it.type !== "sync").map((it) => [it.type, it.channel]), [["message", "a:1"], ["end", "a:1"]]);
      assert.deepEqual(look.channels.a, ["a:2"]);
      const { cursor } = await house.publish("a:2", "goes on");
      await has(reader, "a", 2);
      const late = await open(only);
      await late.subscribe("a", "a:1", { cursor, slowMs: 0 });
      const end = await until("its end", async () => { const it = await late.look(); return it.ends.a && it; });
      assert.deepEqual([end.ends.a, messages(end.items.a), end.items.a.some((it) => it.type === "end")], ["done", [], true]);
      await reaches(late, "idle");
      await house.endChannel("a:2");
      await reaches(reader, "idle");
    });

    test("a channel that is forbidden is named, and the others go on", async () => {
      await build({ isGuarded: true });
      const token = house.token({ channels: ["private:1", "private:2"] });
      const reader = await open({ ...only, credentials: () => ({ token }) });
      await reader.subscribe("a", ["private:1", "staff:1", "private:2", "staff:2"]);
      await reaches(reader, "live");
      await house.publish("private:2", "for you");
      await house.publish("staff:1", "not for you");
      await house.publish("private:1", "for you as well");
      const look = await has(reader, "a", 2);
      const refused = look.items.a.filter((it) => it.type === "refused");
      assert.deepEqual(refused.map((it) => [it.channel, it.code]).sort(), [["staff:1", "forbidden"], ["staff:2", "forbidden"]]);
      assert.deepEqual(texts(look.items.a), ["for you", "for you as well"]);
      assert.deepEqual(look.channels.a, ["private:1", "private:2"]);
      await reader.subscribe("b", "staff:3", { slowMs: 0 });
      await until("refused", async () => (await reader.look()).ends.b === "done");
    });

    test("a token that expires is replaced, and nothing is missed", async () => {
      await build({ isGuarded: true });
      const word = transport === "poll" ? "token_expired" : "expired";
      const credentials = ({ reason }) => ({ token: house.token({ seconds: reason === word ? 600 : 2 }) });
      const reader = await open({ ...only, credentials });
      await reader.subscribe("a", "private:1");
      await reaches(reader, "live");
      const stop = house.load("private:1", 50);
      await until("another token", async () => (await reader.look()).asked.some((it) => it.reason === word));
      await stop.more(20);
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
      assert.equal(look.asked[0].reason, "first");
    });

    test("tickets: another one for each connection", async () => {
      await build({ isGuarded: true });
      const reader = await open({ ...only, credentials: async () => ({ ticket: await house.ticket() }) });
      await reader.subscribe("a", "private:1");
      await reaches(reader, "live");
      const stop = house.load("private:1");
      for (let round = 0; round < 2; round += 1) {
        await stop.more(20);
        const lives = async () => (await reader.look()).states.filter((it) => it.state === "live").length;
        const before = await lives();
        house.proxy.cut();
        // A poll is asked again by the browser itself.
        if (transport !== "poll") await until("live again", async () => (await lives()) > before);
      }
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
      assert.ok(look.asked.length >= (transport === "poll" ? 1 : 3) && look.asked.length <= 12, `${look.asked.length} tickets`);
    });

    test("credentials that are never good: it asks, ever less often, and gives up when there are none", async () => {
      await build({ isGuarded: true });
      const reader = await open({ ...only, credentials: () => ({ token: "no.good.one" }) });
      await reader.subscribe("a", "private:1");
      const { asked, state, states } = await until("asked", async () => { const it = await reader.look(); return it.asked.length >= 6 && it; });
      assert.ok(asked.length <= checkWaits(states) + 2, `asked ${asked.length} times`);
      assert.equal(asked[1].code, 4300);
      assert.notEqual(state.state, "stopped");
      const other = await open({ ...only, credentials: ({ reason }) => (reason === "first" ? { apiKey: "not-the-right-one-but-long-enough" } : null) });
      await other.subscribe("a", "private:1", { slowMs: 0 });
      const look = await reaches(other, "stopped");
      assert.equal(look.asked.length, 2);
      await until("told", async () => (await other.look()).ends.a === look.state.error);
      assert.deepEqual(await other.call("publish", "private:1", "x"), { failed: "closed" });
    });

    test("a slow consumer: what waits is bounded, and nothing is lost", async () => {
      await build();
      const reader = await open(only);
      const published = Array.from({ length: 300 }, (_, at) => `load ${at}`);
      // What is there already comes faster than anybody publishes.
      for (const text of published.slice(0, 250)) await house.publish("a:1", text);
      await reader.subscribe("a", "a:1", { cursor: "earliest", slowMs: 5, queue: { items: 20 } });
      for (const text of published.slice(250)) await house.publish("a:1", text);
      const look = await has(reader, "a", 300);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
      assert.ok(look.states.some((it) => it.state === "paused"), "it never paused");
      // What nobody has taken yet is not behind the cursor.
      const place = (cursor) => parseInt(cursor.split("-")[1], 36);
      const cursors = look.cursors.filter((it) => it !== null && it !== "earliest").map(place);
      assert.deepEqual(cursors, cursors.toSorted((a, b) => a - b));
    });

    test("a consumer that stops: its cursor is before what it has not taken", async () => {
      await build();
      const reader = await open(only);
      await reader.subscribe("a", "a:1", { slowMs: 1e9, queue: { items: 10 } });
      await reaches(reader, "live");
      for (let at = 0; at < 30; at += 1) await house.publish("a:1", `load ${at}`);
      await reaches(reader, "paused");
      const { cursor } = await reader.look(); // one is in its hands, and was not given back
      const other = await listen("a:1", only, { cursor });
      assert.deepEqual(texts((await has(other, "a", 30)).items.a), Array.from({ length: 30 }, (_, at) => `load ${at}`));
    });

    test("subscribing and leaving while it runs; one that begins earlier repeats nothing for the others", async () => {
      await build();
      await house.publish("a:1", "one");
      await house.publish("b:1", "two");
      const reader = await listen("a:1", only);
      await house.publish("a:1", "three");
      await has(reader, "a", 1);
      await reader.subscribe("b", ["b:1", "a:*"], { cursor: "earliest" });
      await has(reader, "b", 3);
      await house.publish("b:1", "four");
      await house.publish("a:1", "five");
      let look = await has(reader, "b", 5);
      assert.deepEqual(texts(look.items.b), ["one", "two", "three", "four", "five"]);
      assert.deepEqual(texts(look.items.a), ["three", "five"]);
      await reader.leave("b");
      await house.publish("b:1", "not read");
      await house.publish("a:1", "six");
      look = await has(reader, "a", 3);
      assert.deepEqual(texts(look.items.a), ["three", "five", "six"]);
      assert.equal(texts(look.items.b).length, 5);
      assert.deepEqual(gaps(look), []);
      await reader.leave("a");
      await reaches(reader, "idle");
    });
  });

  describe("from one transport to another", () => {
    const used = (look) => look.states.filter((it) => it.state === "live").map((it) => it.transport);

    test("a WebSocket that is refused: an event stream, and a WebSocket as soon as there is one", async () => {
      await build();
      house.proxy.upgrades = "refuse";
      const reader = await listen("a:1");
      assert.deepEqual(used(await reader.look()), ["sse"]);
      const stop = house.load("a:1");
      await until("another attempt", () => house.proxy.counts.ws >= 3);
      const began = (await reader.look()).states[0].at;
      // After 500 ms, after another 1,000, and so on.
      const most = 2 + Math.log2(1 + (Date.now() - began) / 500);
      assert.ok(house.proxy.counts.ws <= most, `${house.proxy.counts.ws} attempts`);
      house.proxy.upgrades = "pass";
      await until("a WebSocket", async () => used(await reader.look()).at(-1) === "websocket");
      await stop.more(20);
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
      assert.equal(look.states.filter((it) => it.state === "waiting").length, 0);
    });

    test("upgrades that are never answered and event streams that are held back: polls", async () => {
      await build();
      Object.assign(house.proxy, { upgrades: "ignore", streams: "buffer" });
      const reader = await open({ times: { ...TIMES, openMs: 1_000, againMs: 600_000 } });
      await reader.subscribe("a", "a:1");
      const look = await reaches(reader, "live");
      // On a slow machine the polls may be late, too, the first time.
      assert.deepEqual([...new Set(look.states.map((it) => it.transport).filter(Boolean))], ["websocket", "sse", "poll"]);
      assert.deepEqual(used(look), ["poll"]);
      await house.publish("a:1", "one");
      assert.deepEqual(texts((await has(reader, "a", 1)).items.a), ["one"]);
    });

    test("event streams that are refused by somebody else: polls", async () => {
      await build();
      Object.assign(house.proxy, { upgrades: "refuse", streams: "refuse" });
      const reader = await listen("a:1");
      assert.deepEqual(used(await reader.look()), ["poll"]);
    });

    test("event streams that are cut again and again: polls, and nothing is missed", async () => {
      await build();
      Object.assign(house.proxy, { upgrades: "refuse" });
      const reader = await open({ times: { ...TIMES, againMs: 600_000 } });
      await reader.subscribe("a", "a:1");
      await reaches(reader, "live");
      const stop = house.load("a:1");
      await until("polls", async () => {
        const { state, states } = await reader.look();
        if (state.state === "live" && state.transport === "sse") house.proxy.cut();
        return used({ states }).at(-1) === "poll";
      });
      await stop.more(20);
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      const counts = ["sse", "poll", "websocket"].map((it) => used(look).filter((at) => at === it).length);
      assert.ok(counts[0] >= 3 && counts[1] === 1 && counts[2] === 0, `${counts}`);
    });

    test("one cursor through all of them and a restart, under load", async () => {
      await build({ isDurable: true });
      const reader = await listen(["a:1", "a:2"]);
      const stop = house.load("a:1");
      const change = async (next, want) => {
        Object.assign(house.proxy, next);
        house.proxy.cut();
        await until(want, async () => { const it = await reader.look(); return it.state.state === "live" && it.state.transport === want; });
        await stop.more(10);
      };
      await change({ upgrades: "refuse" }, "sse");
      await change({ streams: "refuse" }, "poll");
      await house.stop();
      await house.start();
      await change({ streams: "pass", upgrades: "pass" }, "websocket");
      const published = await stop();
      const look = await has(reader, "a", published.length);
      assert.deepEqual(texts(look.items.a), published);
      assert.deepEqual(gaps(look), []);
    });

    test("nobody there: it tries ever less often, and connects once there is somebody", async () => {
      await build();
      const reader = await open();
      await house.stop();
      await reader.subscribe("a", "a:1");
      const { states } = await until("waits", async () => { const it = await reader.look(); return it.states.filter((at) => at.state === "waiting").length > 6 && it; });
      checkWaits(states);
      const tries = states.filter((it) => it.state === "connecting").length;
      assert.ok(tries <= 3 * (states.filter((it) => it.state === "waiting").length + 1), `${tries} connections`);
      await house.start();
      await reaches(reader, "live");
      await until("a WebSocket", async () => used(await reader.look()).at(-1) === "websocket");
    });

    test("a WebSocket that falls silent is given up after twice its pings, and nothing is missed", async () => {
      await build({ pingSeconds: 2 });
      const reader = await listen("a:1", { transports: ["websocket"] });
      await house.publish("a:1", "one");
      await has(reader, "a", 1);
      const { heard } = house.proxy;
      // A second one over the same connection: the first was answered. That there was a connection before it is no fault: slow machines are silent, too.
      await until("pings", () => house.proxy.heard >= heard + 2);
      house.proxy.frozen = true;
      const { states } = await reader.look();
      await house.publish("a:1", "two");
      await until("noticed", async () => (await reader.look()).states.slice(states.length).some((it) => /silent|does not open/.test(it.why ?? "")));
      house.proxy.frozen = false;
      assert.deepEqual(texts((await has(reader, "a", 2)).items.a), ["one", "two"]);
    });
  });

  describe("publishing", () => {
    for (const transport of TRANSPORTS) test(`a receipt, a refusal and a long one over ${transport}`, async () => {
      await build();
      const reader = await listen("a:1", { transports: [transport] });
      const receipt = await reader.call("publish", "a:1", { n: 1 }, { event: "sold", ttlMs: 60_000 });
      assert.deepEqual([receipt.channel, receipt.seq, receipt.duplicate], ["a:1", 1, false]);
      assert.deepEqual(await reader.call("publish", "a:1", "x", { expect: 7 }), { failed: "expect_failed" });
      assert.deepEqual((await reader.call("publish", "a:1", "y", { key: "k" })).duplicate, false);
      assert.deepEqual((await reader.call("publish", "a:1", "y", { key: "k" })).duplicate, true);
      const long = "鮭".repeat(15_000);
      assert.equal((await reader.call("publish", "a:1", long)).seq, 3);
      assert.deepEqual(await reader.call("publish", "a:1", "x".repeat(70_000)), { failed: "too_large" });
      await reader.call("end", "a:1");
      assert.deepEqual(await reader.call("publish", "a:1", "z"), { failed: "channel_ended" });
      const look = await until("all", async () => { const it = await reader.look(); return it.items.a.at(-1).type === "end" && it; });
      assert.deepEqual(texts(look.items.a), [{ n: 1 }, "y", long]);
      assert.equal(look.states.filter((it) => it.state === "waiting").length, 0);
    });

    test("under kills: each once, and all receipts", async () => {
      await build({ isDurable: true });
      const reader = await listen("a:1");
      const receipts = [];
      const publishing = (async () => {
        for (let at = 0; at < 150; at += 1) receipts.push(await reader.call("publish", "a:1", `own ${at}`));
      })();
      for (let round = 0; round < 3; round += 1) {
        await until("some receipts", () => receipts.length >= 30 * round + 10);
        await house.stop();
        await house.start();
      }
      await publishing;
      assert.deepEqual(receipts.filter((it) => it.failed !== undefined), []);
      const look = await has(reader, "a", 150);
      assert.deepEqual(texts(look.items.a), Array.from({ length: 150 }, (_, at) => `own ${at}`));
    });

    test("position, history and who is there", async () => {
      await build({ isGuarded: true });
      const reader = await listen("private:1", { credentials: () => ({ token: house.token() }) }, { presence: true });
      const { cursor } = await house.publish("private:1", "one");
      const position = await reader.call("position", "private:1");
      assert.deepEqual([position.cursor, position.channels[0].messages], [cursor, 1]);
      assert.deepEqual((await reader.call("history", "private:1", { limit: 5 })).messages.map((it) => it.data), ["one"]);
      assert.deepEqual((await reader.call("present", "private:1")).members, [{ user: "u1", streams: 1 }]);
      const look = await until("presence", async () => { const it = await reader.look(); return it.items.a.some((item) => item.type === "presence") && it; });
      const told = look.items.a.find((it) => it.type === "presence");
      assert.deepEqual([told.channel, told.fresh, told.joined], ["private:1", true, ["u1"]]);
      assert.deepEqual(await reader.call("history", "staff:1"), { failed: "forbidden" });
    });
  });
});
