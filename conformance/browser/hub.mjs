// The channel and its four panes: everything arrives in each, once and in order, or a gap is declared.
import { rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../harness/ports.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { Watch, check, same, until } from "./checks.mjs";

const TRANSPORTS = ["websocket", "sse", "long-poll", "short-poll"];

/** The panes as a person sees them. */
export class Panes {
  constructor(page) {
    this.page = page;
  }

  at(id) {
    return this.page.getByTestId(id);
  }

  part(transport, part) {
    return this.at(`pane-${transport}`).locator(`[data-part="${part}"]`);
  }

  /** All that they show, at one moment. */
  look() {
    return this.page.evaluate((transports) => transports.map((transport) => {
      const pane = document.querySelector(`[data-testid="pane-${transport}"]`);
      const part = (name) => pane.querySelector(`[data-part="${name}"]`);
      return {
        transport, cursor: part("cursor").textContent, count: part("count").textContent,
        state: part("state").dataset.state, verdict: part("verdict").dataset.state,
        rows: [...part("list").children].map((row) => ({
          kind: row.dataset.kind, cursor: row.dataset.cursor, text: row.dataset.text, reason: row.dataset.reason,
          body: row.querySelector(".body").textContent, note: row.querySelector(".note")?.textContent,
        })),
      };
    }), TRANSPORTS);
  }

  /** Waits until this holds for each pane, and gives what they show then. */
  async each(what, holds) {
    try {
      return await until(what, async () => {
        const panes = await this.look();
        return panes.every(holds) && panes;
      });
    } catch (error) {
      const panes = (await this.look()).map(({ transport, state, verdict, count }) => ({ transport, state, verdict, count }));
      throw new Error(`${error.message}: ${JSON.stringify(panes)}`);
    }
  }

  live(verdict) {
    return this.each(`four panes live and ${verdict}`, (pane) => pane.state === "live" && pane.verdict === verdict);
  }

  /** Publishes by the form, each once the one before is in. */
  async publish(...texts) {
    for (const text of texts) {
      await this.at("publish-input").fill(text);
      const before = await this.at("publish-status").innerText();
      await this.at("publish").click();
      await until("a receipt", async () => (await this.at("publish-status").innerText()) !== before);
      same(await this.at("publish-status").getAttribute("data-state"), "done", "the state of publishing");
    }
  }
}

const isMessage = (row) => row.kind !== "gap";
export const texts = (pane) => pane.rows.filter(isMessage).map((row) => row.text);

/** Each pane has exactly these messages, in this order, and none is marked as a repetition. */
export function received(panes, want) {
  for (const pane of panes) {
    same(texts(pane), want, `what ${pane.transport} got`);
    const cursors = pane.rows.filter(isMessage).map((row) => row.cursor);
    same(new Set(cursors).size, cursors.length, `the number of different cursors over ${pane.transport}`);
    same(pane.rows.some((row) => row.kind === "repeated"), false, `a repetition over ${pane.transport}`);
  }
  return `${want.length} in each of ${panes.length}`;
}

/** The same on one server, where nothing but messages has a place: all have the same cursor, too. */
function have(panes, want) {
  const counted = received(panes, want);
  same(new Set(panes.map((pane) => pane.cursor)).size, 1, "the number of different last cursors");
  return counted;
}

export async function publishElsewhere(origin, channel, body, headers = {}) {
  const response = await fetch(`${origin}/v1/channels/${channel}`, { method: "POST", body, headers });
  same(response.status, 200, "the status of publishing");
}

export async function checkHub(page, origin) {
  const panes = new Panes(page);
  const sent = [];
  const all = async (verdict) => have(await panes.live(verdict), sent);
  await page.goto(`${origin}/`);

  await check("four panes begin at the same cursor", async () => {
    const seen = await panes.live("complete");
    same(new Set(seen.map((pane) => pane.cursor)).size, 1, "the number of different cursors");
    return seen[0].cursor;
  });
  await check("all four transports show the same message", async () => {
    sent.push("hello to all four");
    await panes.publish("hello to all four");
    await panes.each("one message", (pane) => texts(pane).length === 1);
    const notes = (await panes.look()).map((pane) => `${pane.transport} ${pane.rows[0].note}`);
    if (!notes.every((note) => /^\S+ [\d.]+ ms$/.test(note))) throw new Error(`the times are ${notes}`);
    await all("complete");
    return notes.join(", ");
  });
  await check("texts, JSON and names of events from another client", async () => {
    const odd = ["<b>not bold</b>", "Grüße, 鮭 🐟", "two\nlines", ""];
    for (const text of odd) await publishElsewhere(origin, "news", text);
    const json = { "Content-Type": "application/json", "Sockeye-Event": "sold" };
    await publishElsewhere(origin, "news", '{"seat":12}', json);
    sent.push(...odd, '{"seat":12}');
    await panes.each("the last", (pane) => texts(pane).length === sent.length);
    same((await panes.look()).map((pane) => pane.rows.at(-1).body), Array(4).fill('sold: {"seat":12}'), "the last row");
    return all("complete");
  });
  await checkCuts(panes, origin, sent, all);
  await checkChannels(panes, origin);
  await checkScrolling(panes, origin);
}

/** Long rows, several in one frame, and times that lengthen a row after it was shown. */
async function checkScrolling(panes, origin) {
  const lists = panes.page.locator(".messages");
  const below = () => lists.evaluateAll((all) => all.map((it) => Math.round(it.scrollHeight - it.scrollTop - it.clientHeight)));
  let number = 0;
  const publish = async (count) => {
    const before = (await panes.look())[0].rows.length;
    const text = () => `${number += 1} ${"long ".repeat(20 * (number % 4))}`;
    await Promise.all(Array.from({ length: count }, () => publishElsewhere(origin, "scrolling", text())));
    await panes.publish(text());
    await panes.each("the newest", (pane) => pane.rows.length === before + count + 1);
    await panes.live("complete");
    await sleep(100); // a frame
  };
  await panes.at("channel").fill("scrolling");
  await panes.at("channel").press("Enter");
  await until("empty panes", async () => (await panes.look()).every((pane) => pane.rows.length === 0));
  await panes.live("complete");
  await check("the newest message is in view, also behind long ones", async () => {
    for (let round = 0; round < 12; round += 1) {
      await publish(round % 4);
      same(await below(), [0, 0, 0, 0], `what is below the view of each pane in round ${round}`);
    }
    await panes.page.setViewportSize({ width: 390, height: 844 });
    await until("the end in narrow panes", async () => (await below()).every((it) => it === 0));
    await panes.page.setViewportSize({ width: 1280, height: 800 });
  });
  await check("a reader who has scrolled up is not moved, and one who is back at the end is", async () => {
    for (const [top, want] of [[10, [10, 10, 10, 10]], [1e6, [0, 0, 0, 0]]]) {
      await lists.evaluateAll((all, it) => { for (const list of all) list.scrollTop = it; }, top);
      await sleep(100); // the events of scrolling come with the next frame
      await publish(3);
      const places = top === 10 ? await lists.evaluateAll((all) => all.map((it) => it.scrollTop)) : await below();
      same(places, want, "the places");
    }
  });
  await panes.at("channel").fill("news");
  await panes.at("channel").press("Enter");
  await panes.live("complete");
}

async function checkCuts(panes, origin, sent, all) {
  await check("all lines cut, three published meanwhile, all restored", async () => {
    await panes.at("cut-all").click();
    await panes.each("cut", (pane) => pane.state === "cut");
    await panes.publish("missed 1", "missed 2", "missed 3");
    const seen = await panes.each("three to come", (pane) => pane.verdict === "waiting");
    have(seen, sent); // nothing came over a line that is cut
    await panes.at("cut-all").click();
    sent.push("missed 1", "missed 2", "missed 3");
    const counted = await all("complete");
    for (const pane of await panes.look()) {
      same(pane.rows.slice(-3).map((row) => row.kind), Array(3).fill("caught-up"), `the marks of ${pane.transport}`);
    }
    return counted;
  });
  for (const transport of TRANSPORTS) {
    await check(`one line cut: ${transport}`, async () => {
      await panes.part(transport, "cut").click();
      await panes.publish(`without ${transport}`);
      const others = (pane) => pane.transport === transport ? pane.verdict === "waiting" : pane.verdict === "complete";
      await panes.each(`all but ${transport}`, others);
      sent.push(`without ${transport}`);
      if (transport !== "sse") await panes.part(transport, "cut").click(); // that one comes back by itself
      return all("complete");
    });
  }
  await check("cut again and again while much is published", async () => {
    for (let round = 0; round < 4; round += 1) {
      await panes.at("cut-all").click();
      await panes.at("publish-several").click();
      await panes.at("publish-several").click();
      await sleep(100 * round);
      await panes.at("cut-all").click();
    }
    await panes.each("forty more", (pane) => texts(pane).length >= sent.length + 40);
    const seen = await panes.live("complete");
    sent.push(...texts(seen[0]).slice(sent.length));
    same(sent.length, new Set(sent).size, "the number of different texts");
    return have(seen, sent);
  });
  await check("a page that is not looked at rests, and resumes", async () => {
    const look = (hidden) => panes.page.evaluate((it) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => it });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await look(true);
    await panes.each("resting", (pane) => pane.state === "resting");
    await publishElsewhere(origin, "news", "nobody looked");
    sent.push("nobody looked");
    await look(false);
    await panes.each("the missed one", (pane) => texts(pane).length === sent.length);
    return all("complete");
  });
}

async function checkChannels(panes, origin) {
  const go = async (name) => {
    await panes.at("channel").fill(name);
    await panes.at("channel").press("Enter");
  };
  await check("another channel", async () => {
    await go("team/7:chat");
    await until("empty panes", async () => (await panes.look()).every((pane) => pane.rows.length === 0));
    await panes.live("complete");
    await publishElsewhere(origin, "news", "not for this channel");
    await panes.publish("for this channel");
    await panes.each("one message", (pane) => texts(pane).length === 1);
    return have(await panes.live("complete"), ["for this channel"]);
  });
  await check("a name that is none is refused in words, and the panes stay as they are", async () => {
    await go("no spaces");
    await until("a complaint", async () => (await panes.at("publish-status").getAttribute("data-state")) === "failed");
    await panes.at("publish").click(); // into a channel that cannot be
    have(await panes.live("complete"), ["for this channel"]);
    await go("news");
    await until("empty panes", async () => (await panes.look()).every((pane) => pane.rows.length === 0));
    await panes.live("complete");
  });
}

export async function checkMemoryOnly(page, server, watch) {
  const panes = new Panes(page);
  await check("a server in memory killed and restarted: a gap is declared in each pane", async () => {
    await panes.publish("before the end");
    await panes.each("the last message", (pane) => texts(pane).at(-1) === "before the end");
    watch.restarting = true;
    await server.end("SIGKILL");
    await panes.each("reconnecting", (pane) => pane.state === "connecting");
    await publishIntoNothing(panes);
    await server.start();
    const seen = await panes.live("gap");
    watch.restarting = false;
    for (const pane of seen) {
      const gaps = pane.rows.filter((row) => row.kind === "gap").map((row) => row.reason);
      same(gaps, ["epoch"], `the gaps of ${pane.transport}`);
    }
    await panes.publish("after the gap");
    await panes.each("one more", (pane) => texts(pane).at(-1) === "after the gap");
    return have(await panes.live("gap"), ["before the end", "after the gap"]);
  });
  await check("publishing while the server is away is red, and no longer once it is back", async () => {
    const text = () => panes.at("publish-status").innerText();
    for (const button of ["publish", "publish-several"]) {
      watch.restarting = true;
      await server.end("SIGTERM");
      await panes.each("reconnecting", (pane) => pane.state === "connecting");
      await publishIntoNothing(panes, button);
      await sleep(2000); // the panes have tried again, in vain
      same(await text(), "The server does not answer.", "what is said while it is away");
      await server.start();
      await panes.each("live", (pane) => pane.state === "live");
      watch.restarting = false;
      await until("no red", async () => (await panes.at("publish-status").getAttribute("data-state")) === "idle");
    }
    return text();
  });
}

async function publishIntoNothing(panes, button = "publish") {
  await panes.at(button).click();
  await until("a complaint", async () => (await panes.at("publish-status").getAttribute("data-state")) === "failed");
}

/** The same with a durable log: the epoch stays, and so nothing is missing. */
export async function checkDurable(browser, binary, out) {
  const data = path.join(out, "data");
  rmSync(data, { recursive: true, force: true });
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = new Sockeye(binary, port, path.join(out, "durable.log"), ["--data", data]);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const watch = new Watch(page, origin);
  const panes = new Panes(page);
  const sent = ["kept 1"];
  try {
    await server.start();
    await page.goto(`${origin}/`);
    for (const signal of ["SIGKILL", "SIGTERM"]) {
      await check(`a server with --data ended by ${signal} and restarted: nothing is missing`, async () => {
        await panes.live("complete");
        if (sent.length === 1) await panes.publish("kept 1");
        await panes.each("what there is", (pane) => texts(pane).length === sent.length);
        await panes.at("cut-all").click();
        await panes.publish(`missed before ${signal}`);
        watch.restarting = true;
        await server.end(signal);
        await server.start();
        await publishElsewhere(origin, "news", `published after ${signal}`);
        sent.push(`missed before ${signal}`, `published after ${signal}`);
        if ((await panes.look()).some((pane) => pane.state === "cut")) await panes.at("cut-all").click();
        const seen = await panes.each("all of it", (pane) => pane.state === "live" && texts(pane).length >= sent.length);
        watch.restarting = false;
        same(seen.flatMap((pane) => pane.rows.filter((row) => row.kind === "gap")).length, 0, "the number of gaps");
        return have(await panes.live("complete"), sent);
      });
    }
    await check("nothing unexpected on the console with --data", () => watch.none());
  } finally {
    await page.close();
    await server.end("SIGTERM");
  }
}

export async function checkAdmin(page, origin) {
  await check("admin view shows what is counted, and draws it", async () => {
    await page.goto(`${origin}/admin`);
    const text = (id) => page.getByTestId(id).innerText();
    const points = async () => ((await page.getByTestId("rates-chart").locator(".line").getAttribute("d")) ?? "").split("L").length;
    await until("a curve", async () => (await points()) >= 3);
    for (let i = 0; i < 20; i += 1) await publishElsewhere(origin, "admin:test", `number ${i}`);
    await until("a rate", async () => Number(await text("published-rate")) > 0);
    for (const id of ["connections", "streams", "channels", "subscriptions", "lagged", "replayed"]) {
      if (!/^[\d,]+$/.test(await text(id))) throw new Error(`${id} is ${await text(id)}`);
    }
    return `${await text("published-rate")} published a second`;
  });
  await check("admin view describes each metric once, and folds away what is 0", () => checkFamilies(page, origin));
}

async function checkFamilies(page, origin) {
  const table = page.getByTestId("metrics");
  const seen = () => table.evaluate((node) => ({
    text: node.textContent,
    names: [...node.querySelectorAll("tr[data-kind=family] code")].map((it) => it.textContent),
    samples: [...node.querySelectorAll("tr[data-kind=sample]")].map((it) => it.cells[1].textContent),
    folded: [...node.querySelectorAll("details")].map((it) => [it.firstChild.textContent, it.querySelectorAll("code").length]),
    closed: node.querySelectorAll("details:not([open])").length,
  }));
  const metrics = await (await fetch(`${origin}/metrics`)).text();
  const told = [...metrics.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, help]) => ({ name, help }));
  const { text, names, samples, folded, closed } = await seen();
  same(names, told.map(({ name }) => name), "the order of the families");
  for (const { name, help } of told) same(text.split(help).length - 1, 1, `how often the help of ${name} is there`);
  same(samples.filter((value) => value === "0" || value === ""), [], "samples that are not folded away");
  for (const [summary, count] of folded) same(summary.replace(/ more/, ""), `${count}, all 0`, "a summary");
  same(closed, folded.length, "the number of those that are folded");
  // Each sample is there once: alone in its family, below it, or folded.
  const labelled = folded.reduce((sum, [, count]) => sum + count, samples.length);
  const lines = metrics.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const alone = lines.filter((line) => told.some(({ name }) => line.startsWith(`${name} `)));
  same(labelled + alone.length, lines.length, "the number of samples");
  await table.locator("summary").first().click();
  await sleep(2500); // it was drawn anew meanwhile
  same((await seen()).closed, folded.length - 1, "the number of those that are folded, once one was opened");
  await table.locator("summary").first().click();
  return `${names.length} metrics, ${lines.length} samples, ${lines.length - labelled + samples.length} of them in view`;
}
