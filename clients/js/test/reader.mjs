// A reader as the tests see it, in Node and in a page alike: it notes what it is given.
import { Sockeye } from "./sockeye.js";

export class Reader {
  items = {};
  states = [];
  cursors = [];
  asked = [];
  #subs = {};
  #ends = {};

  constructor(base, { credentials, ...options }) {
    const ask = credentials && (async ({ reason, code }) => {
      this.asked.push({ reason, code });
      return credentials({ reason, code });
    });
    this.hub = new Sockeye(base, { ...options, credentials: ask });
    this.hub.on("state", (state) => this.states.push({ ...state, at: Date.now(), error: state.error?.code }));
    this.hub.on("cursor", (cursor) => this.cursors.push(cursor));
  }

  /** Reads under a name; `slowMs` between two items makes it a slow one. */
  subscribe(name, channels, { slowMs, ...options } = {}) {
    const items = this.items[name] = [];
    if (slowMs === undefined) {
      this.#subs[name] = this.hub.subscribe(channels, { ...options, onitem: (item) => items.push(item) });
      return;
    }
    const sub = this.#subs[name] = this.hub.subscribe(channels, options);
    const read = async () => {
      for await (const item of sub) {
        items.push(item);
        if (slowMs > 0) await new Promise((resolve) => { setTimeout(resolve, slowMs).unref?.(); });
      }
      return "done";
    };
    read().catch((error) => error.code ?? error.message).then((end) => { this.#ends[name] = end; });
  }

  leave(name) {
    this.#subs[name].close();
  }

  /** Calls the hub; an error is given as its code. */
  async call(method, ...args) {
    try {
      return await this.hub[method](...args) ?? null;
    } catch (error) {
      return { failed: error.code ?? error.message };
    }
  }

  /** All that was noted, as it is now. */
  look() {
    const { items, states, cursors, asked } = this;
    return { items, states, cursors, asked, ends: this.#ends, state: states.at(-1), cursor: this.hub.cursor,
      channels: Object.fromEntries(Object.entries(this.#subs).map(([name, sub]) => [name, sub.channels])) };
  }
}
