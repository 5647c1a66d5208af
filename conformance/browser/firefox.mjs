// Headless Firefox, driven by WebDriver BiDi: JSON over a WebSocket of its own.
import { openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { end, start } from "../harness/processes.mjs";

const START_MS = 120_000;

export class Firefox {
  /** Its network log is `net` and `.moz_log`. */
  constructor(profile, log, net) {
    Object.assign(this, { profile, log, net, child: null, socket: null, waiting: new Map(), last: 0 });
  }

  async start() {
    const log = openSync(this.log, "w");
    const args = ["--headless", "--no-remote", "--profile", this.profile, "--remote-debugging-port", "0"];
    const logging = { MOZ_LOG: "sync,nsHttp:3", MOZ_LOG_FILE: this.net };
    const env = { ...process.env, ...logging, HOME: this.profile, MOZ_HEADLESS: "1" };
    this.child = start("firefox-esr", args, { stdio: ["ignore", log, log], env });
    const address = await this.address();
    this.socket = new WebSocket(`${address}/session`);
    await new Promise((resolve, reject) => { this.socket.onopen = resolve; this.socket.onerror = reject; });
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    await this.ask("session.new", { capabilities: {} });
    const { contexts } = await this.ask("browsingContext.getTree", {});
    this.context = contexts[0].context;
  }

  async address() {
    for (const late = Date.now() + START_MS; Date.now() < late; await sleep(100)) {
      const said = /WebDriver BiDi listening on (ws:\S+)/.exec(readFileSync(this.log, "utf8"));
      if (said) return said[1];
      if (this.child.exitCode !== null) break;
    }
    throw new Error(`Firefox does not listen: see ${this.log}`);
  }

  take({ id, error, message, result }) {
    const waiting = this.waiting.get(id);
    if (waiting === undefined) return;
    this.waiting.delete(id);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(`${error}: ${message}`));
  }

  ask(method, params) {
    this.last += 1;
    const id = this.last;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  open(url) {
    return this.ask("browsingContext.navigate", { context: this.context, url, wait: "complete" });
  }

  /** The value of an expression, which is text or a promise of it. */
  async evaluate(expression) {
    const target = { context: this.context };
    const answer = await this.ask("script.evaluate", { expression, target, awaitPromise: true });
    if (answer.type !== "success") throw new Error(answer.exceptionDetails.text);
    return answer.result.value;
  }

  async end() {
    this.socket?.close();
    await end(this.child, "SIGTERM");
  }
}
