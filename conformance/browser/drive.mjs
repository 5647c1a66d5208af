// Drives headless Chromium over the demo page: node drive.mjs BINARY OUTDIR PROXIES
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { launch } from "../harness/chromium.mjs";
import { freePort } from "../harness/ports.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { Watch, check, same, tally, until } from "./checks.mjs";
import { checkAdmin, checkDurable, checkHub, checkMemoryOnly } from "./hub.mjs";
import { checkNodes } from "./nodes.mjs";
import { checkSecure } from "./secure.mjs";

const [binary, out, proxies] = process.argv.slice(2);
const MEBIBYTE = 1 << 20;

/** The page as its tests see it. */
class Demo {
  constructor(page) {
    this.page = page;
    this.rows = this.at("echo-log").locator("li");
  }

  at(id) {
    return this.page.getByTestId(id);
  }

  text(id) {
    return this.at(id).innerText();
  }

  state(id, want) {
    return until(`${id} ${want}`, async () => (await this.at(id).getAttribute("data-state")) === want);
  }

  /** Does `action` and gives the log row that it leads to. */
  async logs(kind, action) {
    const row = this.at("echo-log").locator(`li[data-kind="${kind}"]`).first();
    await this.rows.evaluateAll((nodes) => { for (const node of nodes) node.dataset.seen = "true"; });
    await action();
    await until(`a row of kind ${kind}`, async () =>
      (await row.count()) > 0 && (await row.getAttribute("data-seen")) === null);
    return row.evaluate((node) => ({ ...node.dataset, body: node.querySelector(".body").textContent }));
  }

  async echoes(text, bytes) {
    await this.at("echo-input").fill(text);
    const row = await this.logs("text", () => this.at("echo-send").click());
    same(row.echo, "same", "the echo");
    same(row.bytes, String(bytes), "its size");
    return row;
  }

  /** All that the clock shows, at one moment. */
  clock() {
    return this.page.evaluate(() => {
      const text = (id) => document.querySelector(`[data-testid="${id}"]`).textContent;
      const chips = [...document.querySelectorAll("[data-testid=clock-list] li[data-n]")];
      return {
        ticks: chips.map((chip) => Number(chip.dataset.n)),
        faults: text("clock-faults"), lastId: text("clock-last-id"), reconnects: text("clock-reconnects"),
      };
    });
  }

  async ticks() {
    return (await this.clock()).ticks;
  }
}

async function checkPage(demo, origin) {
  await check("page is served as HTML under a content security policy", async () => {
    const response = await demo.page.goto(`${origin}/`);
    same(response.status(), 200, "the status");
    same(response.headers()["content-type"], "text/html; charset=utf-8", "the type");
    const policy = response.headers()["content-security-policy"] ?? "";
    if (!policy.includes("default-src 'none'")) throw new Error(`the policy is ${JSON.stringify(policy)}`);
  });
  await check("page says by which protocol it came, above all cards", async () => {
    const protocol = demo.page.locator("header").getByTestId("page-protocol");
    same(await protocol.innerText(), "HTTP/1.1", "the protocol");
  });
  await check("page says what it is", async () => {
    same(await demo.page.title(), "Sockeye — real-time delivery from first principles", "the title");
  });
}

async function checkEcho(demo) {
  await check("WebSocket opens", () => demo.state("echo-state", "open").then(() => undefined));
  await check("permessage-deflate is agreed", async () => {
    const extensions = await demo.text("echo-extensions");
    if (!/^permessage-deflate\b/.test(extensions)) throw new Error(`the extensions are ${extensions}`);
    return extensions;
  });
  await check("echo of text", () => demo.echoes("hello", 5).then((row) => same(row.body, "hello", "the text")));
  await check("echo of text beyond ASCII", async () => {
    const text = "Grüße, 鮭, лосось, 🐟\u{10FFFF}";
    const row = await demo.echoes(text, Buffer.byteLength(text));
    same(row.body, text, "the text");
  });
  await check("echo of an empty message", () => demo.echoes("", 0).then(() => undefined));
  await check("echo of 1 MiB of text", () => demo.echoes("sockeye ".repeat(MEBIBYTE / 8), MEBIBYTE).then(() => undefined));
  await check("echo of binary", async () => {
    const row = await demo.logs("binary", () => demo.at("echo-binary").click());
    same(row.echo, "same", "the echo");
    same(row.bytes, "4096", "its size");
  });
  await check("burst of 200 messages", async () => {
    const row = await demo.logs("burst", () => demo.at("echo-burst").click());
    same(row.echo, "same", "the echo");
  });
  await check("sending from the keyboard", async () => {
    await demo.at("echo-input").focus();
    await demo.page.keyboard.type("typed");
    const row = await demo.logs("text", () => demo.page.keyboard.press("Enter"));
    same(row.body, "typed", "the text");
  });
  await check("round trips are measured and drawn", async () => {
    const count = Number((await demo.text("rtt-count")).replaceAll(",", ""));
    if (count < 206) throw new Error(`${count} round trips`);
    for (const id of ["rtt-min", "rtt-median", "rtt-p99"]) {
      if (!/^[\d.]+ ms$/.test(await demo.text(id))) throw new Error(`${id} is ${await demo.text(id)}`);
    }
    const line = await demo.at("echo-chart").locator(".line").getAttribute("d");
    if (line.split("L").length < 200) throw new Error("the line has too few points");
    return `median ${await demo.text("rtt-median")}, p99 ${await demo.text("rtt-p99")}`;
  });
}

async function checkClose(demo) {
  await check("message log is bounded", async () => {
    for (let i = 0; i < 110; i += 1) await demo.at("echo-send").click();
    await until("100 rows", async () => (await demo.rows.count()) === 100);
    await sleep(200);
    same(await demo.rows.count(), 100, "the number of rows");
  });
  await check("close code", async () => {
    await demo.at("echo-close").click();
    await demo.state("echo-state", "closed");
    same(await demo.at("echo-close-code").getAttribute("data-code"), "1000", "the code");
    await sleep(1500); // it would come back by now
    same(await demo.at("echo-state").getAttribute("data-state"), "closed", "the state of what the person ended");
    return demo.text("echo-close-code");
  });
  await check("reconnect", async () => {
    await demo.at("echo-reconnect").click();
    await demo.state("echo-state", "open");
    await demo.echoes("again", 5);
  });
}

/** All ticks, whether the browser saw a restart or not, are consecutive. */
async function consecutive(demo) {
  const { ticks, faults, lastId } = await demo.clock();
  for (let i = 1; i < ticks.length; i += 1) same(ticks[i], ticks[i - 1] + 1, `the tick after ${ticks[i - 1]}`);
  same(faults, "0", "the count of lost and repeated ticks");
  same(lastId, String(ticks.at(-1)), "the last event ID");
  return `${ticks.at(0)} to ${ticks.at(-1)}`;
}

async function checkClock(demo) {
  await check("event stream opens and ticks", async () => {
    await demo.page.reload(); // the list is bounded: it begins here
    await demo.state("clock-state", "open");
    await until("3 ticks", async () => (await demo.ticks()).length >= 3);
    return consecutive(demo);
  });
  await check("clock's headline is a time for people", async () => {
    const [time, date] = [await demo.text("clock-time"), await demo.text("clock-date")];
    if (!/^\d{1,2}:\d\d:\d\d( [AP]M)?$/.test(time.replace("\u202f", " "))) throw new Error(`it is ${time}`);
    if (!date.includes(String(new Date().getFullYear()))) throw new Error(`the date is ${date}`);
    return `${time}, ${date}`;
  });
}

/** The line of JavaScript, as somebody pastes it into the console. */
async function checkScript(demo, origin) {
  await check("line of JavaScript subscribes", async () => {
    const line = await demo.page.locator("[data-fill=script]").innerText();
    let heard = false;
    demo.page.on("console", (message) => { heard ||= message.text() === "for the line"; });
    await demo.page.evaluate(`void (${line})`);
    await until("a message", async () => {
      await fetch(`${origin}/v1/channels/news`, { method: "POST", body: "for the line" });
      return heard;
    });
  });
}

async function checkPerformance(page, origin) {
  await check("measurements are a page", async () => {
    const markdown = await (await fetch(`${origin}/performance.md`)).text();
    await page.goto(`${origin}/performance`);
    const lines = markdown.split("\n");
    const count = (line) => lines.filter((it) => line.test(it)).length;
    await until("its text", () => page.locator(".prose table").first().isVisible());
    same(await page.locator("h1").innerText(), lines[0].slice(2), "the title");
    same(await page.locator("tr").count(), count(/^\|/) - count(/^\|-/), "the number of rows");
    same(await page.locator(".prose > h2").count(), count(/^## /), "the number of headings");
    same(await page.locator(".prose li").count(), count(/^- /), "the number of items");
    const text = await page.locator("main").innerText();
    for (const mark of ["**", "](", "|--", "<!--", "```", "## "]) {
      if (text.includes(mark)) throw new Error(`it shows ${mark}`);
    }
    return `${text.length} characters`;
  });
}

/** After the check of the panes, which hides the page for a while. */
async function checkRested(demo) {
  await check("clock that rested goes on without a gap", async () => {
    await until("a tick after it", () => demo.page.evaluate(() => {
      const kinds = [...document.querySelectorAll("[data-testid=clock-list] li")].map((it) => it.dataset.kind);
      return kinds.includes("resumed") && kinds.at(-1) === "tick";
    }));
    return consecutive(demo);
  });
}

async function checkRestart(demo, server, watch, signal, round) {
  await check(`event stream resumes over a restart by ${signal}`, async () => {
    const before = (await demo.ticks()).at(-1);
    watch.restarting = true;
    await server.end(signal);
    await demo.state("clock-state", "connecting");
    await demo.state("echo-state", "connecting");
    await sleep(2500); // long enough for ticks to be missed, were they not resumed
    await server.start();
    await demo.state("clock-state", "open");
    watch.restarting = false;
    await until("3 more ticks", async () => (await demo.ticks()).at(-1) >= before + 5);
    const { ticks, reconnects } = await demo.clock();
    same(reconnects, String(round), "the number of reconnects");
    if (!ticks.includes(before)) throw new Error("the list forgot the ticks before");
    return consecutive(demo);
  });
  await check(`echo comes back by itself after ${signal}`, async () => {
    const code = await demo.text("echo-close-code");
    await demo.state("echo-state", "open");
    await demo.echoes("after the restart", 17);
    return `was closed with ${code}`;
  });
}

async function checkLooks(page, name) {
  for (const [device, width, height] of [["phone", 390, 844], ["desktop", 1280, 800]]) {
    for (const colorScheme of ["light", "dark"]) {
      await check(`layout of the ${name} at ${width}×${height}, ${colorScheme}`, async () => {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        await page.evaluate(() => scrollTo(0, 0));
        await sleep(300);
        same(await page.evaluate(() => document.documentElement.scrollWidth), width, "the width of the page");
        const file = path.join(out, `${name}-${device}-${colorScheme}.png`);
        await page.screenshot({ path: file });
        await page.screenshot({ path: file.replace(".png", "-full.png"), fullPage: true });
        return file;
      });
    }
  }
}

/** In a narrow window: what a wide one shows is there, and no cell of a table is beyond the edge. */
async function checkNarrow(page, name) {
  await page.setViewportSize({ width: 390, height: 844 });
  await check(`nothing of the ${name} is hidden or beyond the edge at 390 pixels`, async () => {
    const lost = await page.evaluate(() => [...document.querySelectorAll(".pane .mono, .log time, td, td > span")]
      .filter((it) => it.textContent !== "").filter((it) => {
        const { left, right, width } = it.getBoundingClientRect();
        return width === 0 || left < 0 || right > innerWidth || it.scrollWidth > it.clientWidth + 1 && getComputedStyle(it).display !== "inline";
      }).map((it) => it.textContent));
    same(lost, [], "what is not seen");
  });
}

/* In a wide window: no half of a card is empty, and no state of a pane moves what is below it. */
async function checkFit(page) {
  await page.setViewportSize({ width: 1280, height: 800 });
  await check("the halves of the echo end at the same height", async () => {
    const ends = await page.evaluate(() => [...document.querySelectorAll(".half")].map((half) =>
      Math.round(half.lastElementChild.getBoundingClientRect().bottom)));
    if (ends.length !== 2 || Math.abs(ends[0] - ends[1]) > 12) throw new Error(`they end at ${ends}`);
  });
  await check("a pane that opens its line is as high as one that is live", async () => {
    const found = await page.evaluate(() => {
      const titles = [...document.querySelectorAll(".pane .title")];
      return ["Live", "Opening", "Retrying", "Resting"].map((text) => titles.map((title) => {
        const badge = title.querySelector(".badge"), before = badge.textContent;
        badge.textContent = text;
        const height = title.offsetHeight;
        badge.textContent = before;
        return height;
      }));
    });
    same(new Set(found.flat()).size, 1, "the number of heights of a title");
  });
}

async function main() {
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = new Sockeye(binary, port, path.join(out, "server.log"));
  await server.start();
  const browser = await launch();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const watch = new Watch(page, origin);
    const demo = new Demo(page);
    await checkPage(demo, origin);
    await checkEcho(demo);
    await checkClose(demo);
    await checkClock(demo);
    await checkRestart(demo, server, watch, "SIGTERM", 1);
    await checkRestart(demo, server, watch, "SIGKILL", 2);
    await checkHub(page, origin);
    await checkRested(demo);
    await checkMemoryOnly(page, server, watch);
    await demo.state("echo-state", "open");
    await demo.at("echo-burst").click();
    await checkScript(demo, origin);
    await checkLooks(page, "page");
    await checkNarrow(page, "page");
    await checkFit(page);
    await checkPerformance(page, origin);
    await checkLooks(page, "performance");
    await checkNarrow(page, "performance");
    await checkAdmin(page, origin);
    await checkLooks(page, "admin");
    await check("nothing unexpected on the console, no request elsewhere", () => watch.none());
    await page.close();
    await checkDurable(browser, binary, out);
    await checkNodes(browser, binary, out, proxies);
  } finally {
    await browser.close();
    await server.end("SIGTERM");
  }
  await checkSecure(binary, out, checkLooks);
}

await main().catch((error) => check("the run itself", () => { throw error; }));
const { passed, failed } = tally;
console.log(`browser: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
