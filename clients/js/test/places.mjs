// Where a reader runs: in this process, or in a page of a real Chromium.
import { readFileSync } from "node:fs";
import WebSocket from "ws";
import { Reader } from "./reader.mjs";

export class Node {
  name = "node";
  #readers = [];

  async reader(base, options = {}) {
    const reader = new Reader(base, { WebSocket, ...options });
    this.#readers.push(reader);
    return {
      subscribe: async (...args) => reader.subscribe(...args),
      leave: async (name) => reader.leave(name),
      call: (...args) => reader.call(...args),
      look: async () => structuredClone(reader.look()),
    };
  }

  /** Ends what a test has begun. */
  async clear() {
    for (const reader of this.#readers.splice(0)) reader.hub.close();
  }

  async end() {}
}

export class Chromium {
  name = "chromium";
  #pages = [];

  static async launch() {
    const { launch } = await import("../harness/chromium.mjs");
    return Object.assign(new Chromium(), { browser: await launch() });
  }

  /** In a page that comes from the server (to one that did not, Chromium opens no WebSocket on the loopback
      interface), with the module that is tested, whatever the program itself serves. */
  async reader(base, { credentials, ...options } = {}) {
    const page = await this.browser.newPage();
    this.#pages.push(page);
    page.on("pageerror", (error) => this.wrong.push(error.message));
    await page.route(/\/test\//, (route) => {
      const name = new URL(route.request().url()).pathname.slice("/test/".length);
      return route.fulfill({ contentType: "text/javascript", body: readFileSync(new URL(name, import.meta.url)) });
    });
    if (credentials) await page.exposeFunction("credentials", credentials);
    await page.goto(`${base}/healthz`);
    await page.evaluate(async ([url, given, isAsked]) => {
      const { Reader } = await import("/test/reader.mjs");
      window.reader = new Reader(url, { ...given, credentials: isAsked ? window.credentials : undefined });
    }, [base, options, credentials !== undefined]);
    const call = (method, ...args) => page.evaluate(([name, given]) => window.reader[name](...given), [method, args]);
    return {
      subscribe: (...args) => call("subscribe", ...args),
      leave: (name) => call("leave", name),
      call: (...args) => call("call", ...args),
      look: () => page.evaluate(() => JSON.parse(JSON.stringify(window.reader.look()))),
    };
  }

  wrong = [];

  async clear() {
    for (const page of this.#pages.splice(0)) await page.close();
    const wrong = this.wrong.splice(0);
    if (wrong.length > 0) throw new Error(`in the page: ${wrong.join("; ")}`);
  }

  async end() {
    await this.browser.close();
  }
}
