// Publishes until each message has its receipt: a repeat has the same key, and so is published once.
import { randomUUID } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

const TRY_MS = 3_000;
const GIVE_UP_MS = 120_000;

const over = (url) => (url.startsWith("https:") ? https : http);

function post(url, body, headers, agent) {
  return new Promise((resolve, reject) => {
    const request = over(url).request(url, { method: "POST", headers: { ...headers, "Content-Length": Buffer.byteLength(body) }, agent, timeout: TRY_MS });
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer")));
    request.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece) => { text += piece; });
      response.on("error", reject).on("end", () => resolve({ status: response.statusCode, text }));
    });
    request.end(body);
  });
}

export class Publisher {
  constructor(base, channel, headers) {
    Object.assign(this, { base, channel, headers, receipts: [], repeats: 0, agent: new (over(base).Agent)({ keepAlive: true, maxSockets: 1 }) });
    this.url = `${base}/v1/channels/${encodeURIComponent(channel)}`;
  }

  async publish(data) {
    const headers = { "Content-Type": "text/plain; charset=utf-8", "Idempotency-Key": randomUUID(), ...this.headers };
    for (const late = Date.now() + GIVE_UP_MS; Date.now() < late; await sleep(50)) {
      let answer;
      try {
        answer = await post(this.url, data, headers, this.agent);
      } catch {
        this.repeats += 1;
        continue;
      }
      if (answer.status === 200) {
        const { cursor, seq } = JSON.parse(answer.text);
        this.receipts.push({ cursor, seq, data });
        return;
      }
      // What a proxy says while the server is away is not the last word; a refusal of the server's is.
      if (answer.status < 500) throw new Error(`publishing: ${answer.status} ${answer.text}`);
      this.repeats += 1;
    }
    throw new Error(`publishing: not within ${GIVE_UP_MS / 1000} s`);
  }

  /** `count` messages, `rate` a second if nothing stands in the way. */
  async run(name, count, rate) {
    const begun = Date.now();
    for (let i = 0; i < count; i += 1) {
      await sleep(Math.max(0, begun + (i * 1000) / rate - Date.now()));
      await this.publish(`${name} ${i}`);
    }
  }

  close() {
    this.agent.destroy();
  }
}
