// What all checks share: counting them, waiting, and watching the console.
import { setTimeout as sleep } from "node:timers/promises";

const WAIT_MS = 60_000;

export const tally = { passed: 0, failed: 0 };

export async function check(name, action) {
  try {
    const detail = await action();
    tally.passed += 1;
    console.log(`ok   ${name}${detail === undefined ? "" : `: ${detail}`}`);
  } catch (error) {
    tally.failed += 1;
    console.log(`FAIL ${name}: ${error.message.split("\n")[0]}`);
  }
}

export function same(got, want, what) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what} is ${a}, not ${b}`);
}

export async function until(what, probe) {
  for (const late = Date.now() + WAIT_MS; Date.now() < late; await sleep(50)) {
    const value = await probe();
    if (value) return value;
  }
  throw new Error(`${what}: not within ${WAIT_MS / 1000} s`);
}

/** Everything the page says on the console, and every request that leaves its origin. */
export class Watch {
  constructor(page, origin) {
    this.restarting = false;
    this.wrong = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !this.expected(message, origin)) {
        this.wrong.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on("pageerror", (error) => this.wrong.push(error.message));
    page.on("request", (request) => {
      if (!/^data:/.test(request.url()) && new URL(request.url()).host !== new URL(origin).host) {
        this.wrong.push(`request to ${request.url()}`);
      }
    });
  }

  /** Only the readers and publishing, only while the server is away, and only the loss of their connections. */
  expected(message, origin) {
    const url = message.location().url;
    const isReader = /^\/clock(\?|$)/.test(url.slice(origin.length)) || url.startsWith(`${origin}/v1/sse?`) || url.startsWith(`${origin}/v1/poll?`);
    const isPublishing = [`${origin}/v1/channels/news`, `${origin}/v1/batch`].includes(url);
    const lost = /^Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING)$/;
    const refused = /^WebSocket connection to 'ws:[^']*\/(v1\/ws|echo)' failed: .*net::ERR_CONNECTION_(REFUSED|RESET)$/;
    return this.restarting && (((isReader || isPublishing) && lost.test(message.text())) || refused.test(message.text()));
  }

  none() {
    if (this.wrong.length > 0) throw new Error(this.wrong.join("; "));
  }
}
