// Sockeye's client for browsers and Node: channels over a WebSocket, an event stream or polls, whichever gets
// through, with one cursor for all of it. What goes over the line is in docs/protocol.md; README.md says how to
// use this and what its limits are.
//
// From the bottom up: `EventStreamParser` reads text/event-stream. `Ledger` knows what is subscribed, what each
// name has had and where the stream is: it decides what is delivered, and does no I/O. `Wire` makes requests
// with credentials. `Sockeye` opens one connection at a time, each of which is a promise of how it ended (`End`),
// and does what that end asks for.

/** @typedef {import("./sockeye.d.ts").Item} Item */
/** @typedef {import("./sockeye.d.ts").Transport} Transport */
/** @typedef {import("./sockeye.d.ts").State} State */
/** @typedef {import("./sockeye.d.ts").Times} Times */
/** @typedef {import("./sockeye.d.ts").Credentials} Credentials */
/** @typedef {import("./sockeye.d.ts").Receipt} Receipt */
/** @typedef {{ epoch: string, seq: number }} Place */
/** @typedef {Record<string, any>} Said what a server says: nothing about it is certain */
/**
 * @typedef {object} End how a connection ended
 * @property {string} why in words, for people
 * @property {number} [code] of `goaway` or the Close frame; what a status says is put as one
 * @property {string} [reason] the word that comes with it
 * @property {number} [retryMs] how long the server asks to wait
 * @property {boolean} [isAway] nobody answered: another transport would not help
 * @property {boolean} [isSilent] nothing came in time
 * @property {boolean} [isOurs] we ended it, and go on at once
 */

const SUBPROTOCOL = "sockeye.v1.json";
/** Longest time to wait that a server is believed. */
const RETRY_MS_MAX = 600_000;
const AGAIN_MS_MAX = 960_000;
/** A connection that was live for so long was a good one. */
const STEADY_MS = 2_000;
/** So many that were not, one after the other and without a word, and another transport is tried. */
const STRIKES = 3;
/** Characters of one message, event or answer: more is not believed to come from a Sockeye. */
const TEXT_MAX = 16 * 1024 * 1024;
/** Characters of channel names in one command, and bytes of a publication on a WebSocket: a server takes
    16 KiB by default, and ends the connection where it is more. */
const NAMES_MAX = 8_000, COMMAND_BYTES_MAX = 8_192;
const CHANNELS_MAX = 128, PUBLISHING_MAX = 256, NAME_MAX = 200;
/** Bytes of a WebSocket's message, for the package `ws`: it gathers all of one before it shows it. */
const PAYLOAD_MAX = 3 * TEXT_MAX;
/** What a WebSocket may say before something is subscribed on it: a Sockeye says nothing there. */
const EARLY_MAX = 16;
/** Twelve days: timers cannot wait for much longer, and with more than they can they do not wait at all. */
const TIME_MS_MAX = 2 ** 30;

/** @type {Times} */
const TIMES = {
  openMs: 10_000, silenceMs: 60_000, pollMs: 25_000, shortPollMs: 1_000, retryMs: 500, retryMaxMs: 30_000,
  againMs: 60_000, credentialsMs: 30_000, publishMs: 30_000,
};
/** @type {readonly Transport[]} */
const TRANSPORTS = ["websocket", "sse", "poll"];

/** A refusal of the server's, or why this client has given up. `code` is for programs. */
export class SockeyeError extends Error {
  /** @param {string} code @param {string} message @param {{ closeCode?: number, status?: number, cause?: unknown }} [more] */
  constructor(code, message, { closeCode, status, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "SockeyeError";
    this.code = code;
    this.closeCode = closeCode;
    this.status = status;
  }
}

/** The server says what no Sockeye says. */
class Garbage extends Error {}

// --- Cursors and names ---------------------------------------------------------------------------

/** The two numbers of a cursor; null of words such as `earliest`, and of what cannot be read.
    @param {unknown} cursor @returns {Place | null} */
function place(cursor) {
  if (typeof cursor !== "string" || cursor.length > 96) return null;
  const match = /^1([0-9a-z]{1,13})-([0-9a-z]{1,13})(?:\.[0-9a-z]{1,4})?(?:~[-\w.~]*)?$/.exec(cursor);
  const seq = match ? parseInt(match[2], 36) : NaN;
  return match && Number.isSafeInteger(seq) ? { epoch: match[1], seq } : null;
}

/** Whether `at` is at or before `end`, in one life of the log. @param {Place} at @param {Place | null} end */
const isWithin = (at, end) => end !== null && at.epoch === end.epoch && at.seq <= end.seq;

/** The earlier of two cursors, or null if there is no saying. @param {string} a @param {string} b */
function earlier(a, b) {
  if (a === b || a === "earliest") return a;
  if (b === "earliest") return b;
  const [one, other] = [place(a), place(b)];
  if (!one || !other || one.epoch !== other.epoch) return null;
  return one.seq <= other.seq ? a : b;
}

/** @param {string} pattern @param {string} channel */
function matches(pattern, channel) {
  const want = pattern.split(":"), got = channel.split(":");
  const hasRest = want.at(-1) === ">";
  if (hasRest ? got.length < want.length : got.length !== want.length) return false;
  return want.every((it, at) => it === "*" || it === got[at] || (hasRest && at === want.length - 1));
}

/** Whether there may be a channel that is in both. @param {string} one @param {string} other */
function overlap(one, other) {
  const [a, b] = [one.split(":"), other.split(":")];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    if (a[at] === ">" || b[at] === ">") return true;
    if (a[at] !== b[at] && a[at] !== "*" && b[at] !== "*") return false;
  }
  return a.length === b.length;
}

/** @param {unknown} value @param {number} max */
const waitOf = (value, max) =>
  typeof value === "number" && value >= 0 ? Math.min(value, max) : undefined;

/** An object, or it is garbage. @param {string} text @returns {Said} */
function parse(text) {
  if (text.length > TEXT_MAX) throw new Garbage(`${text.length} characters at once`);
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Garbage("not JSON");
  }
  if (said === null || typeof said !== "object" || Array.isArray(said)) throw new Garbage("not an object");
  return said;
}

// --- Event streams -------------------------------------------------------------------------------

const LINE_ENDS = /\r\n?|\n/g;

/** Reads an event stream by the rules of the HTML standard, §9.2.6, in pieces of any size. */
export class EventStreamParser {
  /** The last event's ID. */
  lastEventId = "";
  /** The reconnection time, once it was told. @type {number | undefined} */
  retryMs = undefined;
  /** What has come of a line. @type {string[]} */
  #line = [];
  #chars = 0;
  #charsMax;
  #isFirst = true;
  #endsInCr = false;
  /** @type {string[] | null} */
  #data = null;
  #event = "";
  #id = "";

  /** @param {{ charsMax?: number }} [options] how much of one event is held at the most */
  constructor({ charsMax = TEXT_MAX } = {}) {
    this.#charsMax = charsMax;
  }

  /** The blocks that end in this text. One that only sets an ID fires nothing: its `data` is null.
      @param {string} text @returns {{ event: string, data: string | null, id: string }[]} */
  feed(text) {
    /** @type {{ event: string, data: string | null, id: string }[]} */
    const blocks = [];
    if (text === "") return blocks;
    let from = (this.#isFirst && text[0] === "\uFEFF") || (this.#endsInCr && text[0] === "\n") ? 1 : 0;
    this.#isFirst = this.#endsInCr = false;
    LINE_ENDS.lastIndex = from;
    for (let end; (end = LINE_ENDS.exec(text)) !== null; from = LINE_ENDS.lastIndex) {
      this.#hold(text.slice(from, end.index));
      const block = this.#take(this.#line.join(""));
      this.#line = [];
      if (block) blocks.push(block);
      this.#endsInCr = end[0] === "\r" && LINE_ENDS.lastIndex === text.length;
    }
    this.#hold(text.slice(from));
    return blocks;
  }

  /** @param {string} text */
  #hold(text) {
    this.#chars += text.length;
    if (this.#chars > this.#charsMax) throw new Garbage("an endless event");
    if (text !== "") this.#line.push(text);
  }

  /** @param {string} line */
  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (name === "data") (this.#data ??= []).push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
    // Only data stays until the blank line, and each line of it counts, also an empty one.
    this.#chars += name === "data" ? 1 : -line.length;
    return null;
  }

  #dispatch() {
    const isNews = this.#id !== this.lastEventId;
    const block = { event: this.#event || "message", data: this.#data?.join("\n") ?? null, id: this.#id };
    this.lastEventId = this.#id;
    this.#chars = 0;
    this.#data = null;
    this.#event = "";
    return block.data !== null || isNews ? block : null;
  }
}

// --- What is subscribed --------------------------------------------------------------------------

/** Channels and patterns that were subscribed together: items for a function, or for `for await`. */
export class Subscription {
  /** @type {Ledger} */
  #ledger;
  /** @type {((item: Item) => void) | null} */
  #onitem;
  #bound;
  /** Each with the cursor behind which it came. @type {{ item: Item, before: string | null, chars: number }[]} */
  #queue = [];
  #chars = 0;
  #isIterated = false;
  #isOver = false;
  /** @type {SockeyeError | null} */
  #error = null;
  /** @type {(() => void) | null} */
  #wake = null;

  /** Only `Sockeye.subscribe` makes these.
      @param {Ledger} ledger @param {((item: Item) => void) | null} onitem @param {{ items: number, chars: number }} bound */
  constructor(ledger, onitem, bound) {
    this.#ledger = ledger;
    this.#onitem = onitem;
    this.#bound = bound;
  }

  /** What is still subscribed: neither ended nor refused. */
  get channels() {
    return this.#ledger.of(this).map((it) => it.name);
  }

  /** Ends it. What waits in it is dropped. */
  close() {
    this.#queue = [];
    this.#chars = 0;
    this.over(null);
    this.#ledger.leave(this);
  }

  /** One item after the other, until nothing more can come; ends the subscription when it is left. */
  async *[Symbol.asyncIterator]() {
    if (this.#onitem || this.#isIterated) throw new TypeError("its items go somewhere else");
    this.#isIterated = true;
    try {
      for (;;) {
        for (let first; (first = this.#queue[0]) !== undefined;) {
          yield first.item;
          // Who asks for the next one is done with this.
          if (this.#queue[0] !== first) continue;
          this.#queue.shift();
          this.#chars -= first.chars;
          this.#ledger.taken();
        }
        if (this.#error) throw this.#error;
        if (this.#isOver) return;
        await new Promise((/** @type {(value?: unknown) => void} */ resolve) => { this.#wake = resolve; });
      }
    } finally {
      this.close();
    }
  }

  /** @internal @param {Item} item @param {string | null} before @param {number} chars */
  push(item, before, chars) {
    if (this.#isOver) return;
    if (this.#onitem) return call(this.#onitem, item);
    this.#queue.push({ item, before, chars });
    this.#chars += chars;
    this.#wake?.();
  }

  /** @internal Nothing more comes. @param {SockeyeError | null} error */
  over(error) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#wake?.();
  }

  /** @internal The cursor before the first item that nobody has taken; undefined if all have been. */
  get before() {
    return this.#queue[0]?.before;
  }

  /** @internal */
  get isFull() {
    return !this.#isOver && (this.#queue.length >= this.#bound.items || this.#chars >= this.#bound.chars);
  }

  /** @internal Whether there is so much in it that coming back would not be worth it. */
  get isBusy() {
    return !this.#isOver && (this.#queue.length > this.#bound.items / 2 || this.#chars > this.#bound.chars / 2);
  }
}

/** Calls what is not ours: its faults are its own, and seen by nobody else. @template T @param {(it: T) => unknown} action @param {T} it */
function call(action, it) {
  try {
    action(it);
  } catch (error) {
    queueMicrotask(() => { throw error; });
  }
}

/**
 * A channel or pattern.
 * @typedef {object} Name
 * @property {string} name
 * @property {Subscription} sub
 * @property {string | null} start where it begins, as long as it was not `joined`; null is now
 * @property {boolean} joined the stream's cursor speaks for it, too
 * @property {boolean} isOn it is subscribed on this connection
 * @property {Place | null} at all up to here has reached it
 * @property {boolean} isPattern
 * @property {boolean} presence
 * @property {"ended" | "refused"} [gone] the server has nothing more for it
 */

/** @typedef {{ told(item: Item): void, moved(): void, left(): void, joined(names: Name[]): void }} Hub what a ledger tells */

/** What is subscribed, what it has had, and where the stream is. */
class Ledger {
  /** @type {Map<string, Name>} */
  names = new Map();
  /** What to come back with. @type {string | null} */
  cursor = null;
  /** @type {Place | null} */
  #place = null;
  /** It has been said that the log is another one. */
  #isDeclared = false;
  /** Cursors do not count yet: not all that they would speak for is subscribed. */
  holds = false;
  /** Characters that the item at hand has come in. */
  chars = 0;
  /** @type {Hub} */
  #hub;

  /** @param {Hub} hub */
  constructor(hub) {
    this.#hub = hub;
  }

  /** @param {string} name @param {Subscription} sub @param {string | null} start @param {boolean} presence */
  add(name, sub, start, presence) {
    this.names.set(name, { name, sub, start, joined: false, isOn: false, at: place(start), isPattern: /[*>]/.test(name), presence });
  }

  /** @param {Subscription} sub */
  of(sub) {
    return [...this.names.values()].filter((it) => it.sub === sub);
  }

  /** @param {Subscription} sub */
  leave(sub) {
    for (const { name } of this.of(sub)) this.names.delete(name);
    this.#hub.left();
  }

  /** Somebody has taken what waited. */
  taken() {
    this.#hub.moved();
  }

  get subs() {
    return new Set([...this.names.values()].map((it) => it.sub));
  }

  /** What can be come back with if all that waits in queues is lost.
      @param {Iterable<Subscription>} subs */
  safe(subs) {
    let safe = this.cursor;
    const lower = (/** @type {string | null | undefined} */ it) => {
      // Of another life of the log: who comes back with it is told of a gap, which is true.
      if (typeof it === "string") safe = safe === null ? it : earlier(safe, it) ?? it;
    };
    for (const { before } of subs) {
      if (before === null) return null;
      lower(before);
    }
    for (const it of this.names.values()) if (!it.joined) lower(it.start);
    return safe;
  }

  /** A connection begins. */
  begin() {
    for (const it of this.names.values()) it.isOn = false;
    this.#isDeclared = this.holds = false;
  }

  /** One cursor for all names, for a transport that takes but one. The stream goes back for a new name. */
  beginAsOne() {
    this.begin();
    let cursor = this.cursor;
    for (const it of this.names.values()) {
      if (it.joined || it.start === null) continue;
      const first = cursor === null ? it.start : earlier(cursor, it.start);
      if (first !== null) cursor = first;
      else {
        // Nothing says what is between its cursor and the stream's.
        it.isOn = true;
        this.#tell([it], { type: "gap", [it.isPattern ? "pattern" : "channel"]: it.name, reason: "epoch" });
        it.start = null;
        it.isOn = false;
      }
    }
    if (this.cursor !== null && cursor !== null && cursor !== this.cursor) this.#goTo(cursor);
    return cursor;
  }

  /** Whether a name has to be told what a connection would not repeat for it, as another one has had it there. */
  get needsOne() {
    const names = [...this.names.values()];
    return names.some((it) => !it.joined && it.start !== null &&
      names.some((other) => other.sub !== it.sub && overlap(it.name, other.name)));
  }

  /** From now on the cursor speaks for all that have one. */
  makeOne() {
    const cursor = this.beginAsOne();
    if (cursor !== null) this.#goTo(cursor);
    this.join([...this.names.values()].filter((it) => !it.joined && it.start !== null));
  }

  /** These are subscribed now. @param {Name[]} names */
  join(names) {
    const joined = names.filter((it) => !it.joined);
    for (const it of names) it.joined = it.isOn = true;
    this.#hub.joined(joined);
  }

  /** Takes the place that the server has given. @param {unknown} cursor */
  adopt(cursor) {
    const to = place(cursor);
    if (!to) throw new Garbage("a cursor that is none");
    if (this.holds) return;
    this.#declare(to);
    this.#goTo(/** @type {string} */ (cursor));
  }

  /** @param {string} cursor */
  #goTo(cursor) {
    const [from, to] = [this.#place, place(cursor)];
    if (from && (!to || (to.epoch === from.epoch && to.seq < from.seq))) {
      // It goes back for somebody else: these have had what is in between.
      for (const it of this.names.values()) if (it.joined && !isWithin(from, it.at)) it.at = from;
    }
    this.cursor = cursor;
    this.#place = to;
    this.#hub.moved();
  }

  /** Another life of the log without a word about it is a gap all the same. @param {Place} to */
  #declare(to) {
    const from = this.#place;
    if (!from || from.epoch === to.epoch || to.epoch === "0" || this.#isDeclared) return;
    this.#gap({ all: true, reason: "epoch" });
  }

  /** Names on this connection that a channel is for. @param {unknown} channel */
  #for(channel) {
    if (typeof channel !== "string" || channel.length > NAME_MAX) throw new Garbage("a channel that is none");
    const names = [...this.names.values()].filter((it) => it.isOn && it.isPattern && matches(it.name, channel));
    const exact = this.names.get(channel);
    if (exact?.isOn) names.push(exact);
    return names;
  }

  /** @param {Name[]} names @param {Said} item */
  #tell(names, item) {
    const it = /** @type {Item} */ (item);
    const { cursor, chars } = this;
    // Before the first cursor of all, it is where they began.
    const begun = names.length > 0 ? names[0].start : null;
    for (const sub of new Set(names.map((name) => name.sub))) sub.push(it, cursor ?? begun, chars);
    if (names.length > 0) this.#hub.told(it);
  }

  /** What the server says, by its type; types that come later are not for us.
      @param {string} type @param {Said} said @param {unknown} cursor that comes with it, which is not told for all */
  hear(type, said, cursor = said.cursor) {
    switch (type) {
      case "message": return this.#message(said, cursor);
      case "gap": return this.#gap(said);
      case "end":
        if (cursor !== null && !place(cursor)) throw new Garbage("an end without a cursor");
        this.#tell(this.#for(said.channel), { ...said, type });
        if (cursor !== null) this.adopt(cursor);
        return this.end(said.channel);
      case "sync":
        this.adopt(cursor);
        this.#tell(this.#all(), { ...said, cursor, type });
        this.#isDeclared = false;
        return undefined;
      case "presence": return this.#tell(this.#for(said.channel), { ...said, type });
      case "error":
        if (typeof said.channel === "string") this.refuse(said.channel, said);
        return undefined;
      default: return undefined;
    }
  }

  #all() {
    return [...this.names.values()].filter((it) => it.isOn);
  }

  /** @param {Said} said @param {unknown} cursor */
  #message(said, cursor) {
    const at = place(cursor);
    if (!at) throw new Garbage("a message without a cursor");
    this.#declare(at);
    const names = this.#for(said.channel);
    // Who has had it by one of its names has had it.
    const had = new Set(names.filter((it) => isWithin(at, it.at)).map((it) => it.sub));
    this.#tell(names.filter((it) => !had.has(it.sub)), { ...said, cursor, type: "message" });
    for (const it of names) if (!isWithin(at, it.at)) it.at = at;
    this.adopt(cursor);
  }

  /** @param {Said} said */
  #gap(said) {
    const { channel, pattern, reason, missed } = said;
    const isOther = reason !== "trimmed" && reason !== "limit";
    if (isOther) this.#isDeclared = true;
    let names = channel !== undefined ? this.#for(channel)
      : pattern !== undefined ? this.#all().filter((it) => it.name === pattern) : this.#all();
    // What a name has had, it does not miss: the stream went back for another one.
    const hasHad = (/** @type {Name} */ it) => !isOther && this.#place !== null && typeof missed?.through === "number" &&
      isWithin({ epoch: this.#place.epoch, seq: missed.through }, it.at);
    names = names.filter((it) => !hasHad(it));
    // In another log, or one that was cut off, old numbers mean new messages.
    if (isOther) for (const it of names) it.at = null;
    this.#tell(names, { ...said, type: "gap" });
    if (said.ended === true && channel !== undefined) {
      this.#tell(this.#for(channel), { type: "end", channel });
      this.end(channel);
    }
  }

  /** Nothing will come in this channel. @param {string} channel */
  end(channel) {
    const it = this.names.get(channel);
    if (it && !it.isPattern && it.isOn) this.#drop(it, "ended");
  }

  /** All of them have ended. */
  endAll() {
    for (const it of [...this.names.values()]) {
      it.isOn = true;
      this.#tell([it], { type: "end", channel: it.name });
      this.#drop(it, "ended");
    }
  }

  /** The server does not give us this one. @param {string} name @param {Said} why */
  refuse(name, { code, message }) {
    const it = this.names.get(name);
    if (!it) return;
    this.#tell([it], { type: "refused", channel: name, code: String(code), message: String(message ?? code) });
    this.#drop(it, "refused");
  }

  /** @param {Name} it @param {"ended" | "refused"} why */
  #drop(it, why) {
    it.gone = why;
    this.names.delete(it.name);
    if (this.of(it.sub).length === 0) it.sub.over(null);
    this.#hub.left();
  }
}

// --- Requests ------------------------------------------------------------------------------------

/** Requests to the server, with credentials. */
class Wire {
  #base;
  #options;
  #times;
  /** Tokens and keys are good until the server says otherwise. @type {Credentials} */
  #held = null;
  /** Why the next ones are wanted. @type {{ reason: string, code?: number }} */
  #reason = { reason: "first" };
  /** One question at a time. @type {Promise<unknown>} */
  #turn = Promise.resolve();
  #gone;

  /** @param {string | URL} base @param {import("./sockeye.d.ts").SockeyeOptions} options @param {Times} times
      @param {AbortSignal} gone nobody waits for anything any more */
  constructor(base, options, times, gone) {
    this.#gone = gone;
    const url = new URL(base, globalThis.location?.href);
    if (!/^https?:$/.test(url.protocol)) throw new TypeError(`not an http or https URL: ${url}`);
    if (url.username !== "" || url.password !== "") throw new TypeError("credentials in a URL are not sent: see `credentials`");
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    this.#base = url;
    this.#options = options;
    this.#times = times;
  }

  /** @param {string} path @param {[string, string][]} [query] */
  url(path, query = []) {
    const url = new URL(`v1/${path}`, this.#base);
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  /** Whether there are credentials to ask for. */
  get isAsked() {
    return this.#options.credentials !== undefined;
  }

  /** Whether each request needs a ticket of its own. */
  get hasTickets() {
    return this.#reason.reason === "ticket";
  }

  /** The next credentials have to be others. @param {string} reason @param {number} [code] */
  renew(reason, code) {
    this.#held = null;
    this.#reason = { reason, code };
  }

  /** What to show next. A ticket is for one connection or request. @returns {Promise<Credentials>} */
  shown() {
    const next = this.#turn.then(() => this.#held ?? this.#ask());
    this.#turn = next.catch(() => {});
    return next;
  }

  async #ask() {
    const { credentials } = this.#options;
    if (!credentials) return null;
    if (this.#gone.aborted) throw new Error("closed");
    const why = this.#reason;
    const shown = await within(this.#times.credentialsMs, this.#gone, (signal) =>
      Promise.race([credentials({ ...why, signal }), aborted(signal)])).catch((error) => {
      // Whatever it throws is not ours, also a SockeyeError: it is asked again.
      throw new Error(String(error?.message ?? error), { cause: error });
    }) ?? null;
    const kinds = ["token", "ticket", "apiKey"].filter((it) => typeof (/** @type {Said} */ (shown ?? {}))[it] === "string");
    if (shown !== null && kinds.length !== 1) {
      throw new SockeyeError("bad_credentials", "credentials are one of { token }, { ticket } and { apiKey }, or null");
    }
    if (shown === null && why.reason !== "first") throw new SockeyeError(why.reason, "there are no other credentials", { closeCode: why.code });
    this.#reason = { reason: shown !== null && "ticket" in shown ? "ticket" : "first" };
    if (shown !== null && !("ticket" in shown)) this.#held = shown;
    return shown;
  }

  /** @param {string} path @param {[string, string][]} query @param {Credentials} shown @param {RequestInit} init */
  fetch(path, query, shown, init) {
    const headers = new Headers(init.headers);
    if (shown && "token" in shown) headers.set("Authorization", `Bearer ${shown.token}`);
    if (shown && "apiKey" in shown) headers.set("Authorization", `ApiKey ${shown.apiKey}`);
    /** @type {[string, string][]} */
    const ticket = shown && "ticket" in shown ? [["ticket", shown.ticket]] : [];
    return fetch(this.url(path, [...query, ...ticket]), {
      cache: "no-store", credentials: this.#options.withCredentials ? "include" : "same-origin", ...init, headers,
    });
  }
}

/** Does something that is given up after a while, or when the outer signal says so.
    @template T @param {number} ms @param {AbortSignal | undefined} outer @param {(signal: AbortSignal) => Promise<T>} action */
async function within(ms, outer, action) {
  const inner = new AbortController();
  const stop = () => inner.abort();
  const timer = setTimeout(stop, ms);
  outer?.addEventListener("abort", stop);
  if (outer?.aborted) stop();
  try {
    return await action(inner.signal);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", stop);
  }
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
const aborted = (signal) => new Promise((_, reject) => {
  signal.addEventListener("abort", () => reject(new Error("not in time")));
});

/** The text of an answer, as far as it is not too long. @param {Response} response @param {AbortSignal} signal that of its request */
async function textOf(response, signal, max = TEXT_MAX) {
  let text = "";
  for await (const piece of pieces(response, signal)) {
    text += piece;
    if (text.length > max) throw new Garbage("an endless answer");
  }
  return text;
}

/** @param {Response} response @param {AbortSignal} signal that of its request */
async function* pieces(response, signal) {
  if (!response.body) return;
  const reader = response.body.getReader();
  // Node 20 leaves a read for ever if its request is aborted and the content is compressed.
  const stop = () => { reader.cancel().catch(() => {}); };
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // the parser knows what to do with it
  try {
    for (let it; !(it = await reader.read()).done;) yield decoder.decode(it.value, { stream: true });
    signal.throwIfAborted();
    yield decoder.decode();
  } finally {
    signal.removeEventListener("abort", stop);
    stop(); // who stops reading wants no more of it
  }
}

/** @param {Response} response */
function retryAfter(response) {
  const value = response.headers.get("Retry-After");
  if (value === null) return undefined;
  const ms = /^[0-9]+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return waitOf(Math.max(0, ms), RETRY_MS_MAX);
}

/** What is wrong by the answer's own words: null of an answer that is no Sockeye's.
    @param {Response} response @param {AbortSignal} signal that of its request */
async function problemOf(response, signal) {
  try {
    const { error } = parse(await textOf(response, signal, 65_536));
    return typeof error?.code === "string" ? { code: error.code, message: String(error.message ?? error.code) } : null;
  } catch {
    return null;
  }
}

/** Refusals of a request that are about its channels, beside all with 403. */
const OF_CHANNELS = ["bad_channel", "bad_query", "too_many_channels", "too_many_subscriptions"];
/** Refusals of a request that no other channels would help. */
const FINAL = ["credentials_malformed", "credentials_ambiguous", "ticket_too_large", "origin_not_allowed"];
/** What may pass, in an `error` or a publication's refusal. */
const PASSING = [
  "rate_limited", "overloaded", "unavailable", "internal", "expect_undecided", "timeout", "too_many_connections",
  "too_many_keys", "log_full",
];

/** A refused request as the end of a connection; `refusal` is there if it is about its channels.
    @param {Response} response @param {boolean} isNobody there is nothing more to show @param {AbortSignal} signal that of its request
    @returns {Promise<End & { refusal?: { code: string, message: string } }>} */
async function endOf(response, isNobody, signal) {
  const { status } = response;
  const problem = await problemOf(response, signal);
  const why = problem?.message ?? `status ${status}`;
  const retryMs = retryAfter(response);
  const reason = problem?.code;
  if (problem?.code === "credentials_required" && isNobody) return { why, refusal: problem };
  if (status === 401) return { why, code: 4300, reason: reason ?? "unauthenticated" };
  if (status === 429) return { why, code: 4101, reason, retryMs };
  // A proxy says these, too: in front of a server that is away.
  if (status >= 500) return problem ? { why, code: 1013, reason, retryMs } : { why, retryMs, isAway: true };
  if (!problem) return { why };
  if (FINAL.includes(problem.code)) return { why, code: 4002, reason };
  return status === 403 || OF_CHANNELS.includes(problem.code) ? { why, refusal: problem } : { why };
}

// --- Connections ---------------------------------------------------------------------------------

/** How a connection ended, thrown where it is not there yet. */
class Ended extends Error {
  /** @param {End} end */
  constructor(end) {
    super(end.why);
    this.end = end;
  }
}

/** What a Close frame says. @param {number} code @param {string} text @returns {End} */
function endOfClose(code, text) {
  const [, reason, retryMs] = /^(\w*)(?: retry_ms=([0-9]{1,15}))?/.exec(text) ?? [];
  const why = `closed with ${code}${text ? ` ${text}` : ""}`;
  // The others are the protocol's own: the connection is gone, and that is all.
  if (code < 4000 && ![1001, 1012, 1013].includes(code)) return { why };
  return { why, code, reason, retryMs: retryMs === undefined ? undefined : waitOf(Number(retryMs), RETRY_MS_MAX) };
}

/** @param {Said} said @returns {End} */
function endOfGoaway({ code, reason, retry_ms }) {
  if (typeof code !== "number") throw new Garbage("a goaway without a code");
  return { why: `told to go: ${code} ${reason}`, code, reason: String(reason), retryMs: waitOf(retry_ms, RETRY_MS_MAX) };
}

/** Waits, or until the signal says that it is not worth it. @param {number} ms @param {AbortSignal} signal */
const rest = (ms, signal) => new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
  const wake = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", wake);
    resolve();
  };
  const timer = setTimeout(wake, ms);
  signal.addEventListener("abort", wake);
  if (signal.aborted) wake();
});

/** One WebSocket: what it says as objects, and how it ended. */
class Socket {
  /** @type {Promise<End>} */
  ended;
  /** How often the server pings. */
  pingMs = TIMES.silenceMs;
  heardAt = performance.now();
  /** @type {(end: End) => void} */
  #end = () => {};
  /** @type {((said: Said, chars?: number) => void) | null} */
  #hear = null;
  /** What came before somebody listened: not before something was subscribed. @type {Said[]} */
  #early = [];
  /** @type {End | null} */
  #goaway = null;
  #socket;

  /** @param {typeof WebSocket} Kind @param {URL} url */
  constructor(Kind, url) {
    this.ended = new Promise((resolve) => { this.#end = resolve; });
    const Made = /** @type {new (url: string, protocol: string, options: object) => WebSocket} */ (Kind);
    this.#socket = new Made(url.href, SUBPROTOCOL, { maxPayload: PAYLOAD_MAX }); // which others than `ws` pass over
    this.#socket.onerror = () => {}; // `close` follows
    this.#socket.onclose = ({ code, reason }) => this.#end(this.#goaway ?? endOfClose(code, String(reason)));
    this.#socket.onmessage = ({ data }) => this.#take(data);
  }

  /** Until the server has let us in. @param {Credentials} shown @param {number} openMs @param {AbortSignal} signal */
  async open(shown, openMs, signal) {
    const late = setTimeout(() => this.hangUp({ why: "the WebSocket does not open", isSilent: true }), openMs);
    const stop = () => this.hangUp();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    this.#socket.onopen = () => {
      if (this.#socket.protocol !== SUBPROTOCOL) return this.hangUp({ why: "the WebSocket is no Sockeye's" });
      if (!shown) return undefined;
      const credential = "apiKey" in shown ? { api_key: shown.apiKey } : shown;
      return this.send({ type: "auth", id: "auth", ...credential });
    };
    let isKnown = shown === null, isWelcome = false;
    const letIn = new Promise((/** @type {(end: null) => void} */ resolve) => {
      this.listen((said) => {
        if (said.type === "welcome") {
          isWelcome = true;
          this.pingMs = Math.max(1_000, waitOf(said.ping_ms, RETRY_MS_MAX) ?? TIMES.silenceMs);
        }
        if (said.type === "pong" && said.id === "auth") isKnown = true;
        if (isWelcome && isKnown) {
          this.#hear = null;
          resolve(null);
        }
      });
    });
    const end = await Promise.race([letIn, this.ended]);
    clearTimeout(late);
    signal.removeEventListener("abort", stop);
    if (end) throw new Ended(end);
  }

  /** @param {(said: Said, chars?: number) => void} hear */
  listen(hear) {
    this.#hear = hear;
    for (const said of this.#early.splice(0)) this.#tell(said);
  }

  /** @param {unknown} data */
  #take(data) {
    this.heardAt = performance.now();
    try {
      if (typeof data !== "string") throw new Garbage("a binary message");
      const said = parse(data);
      if (said.type === "goaway") this.#goaway = endOfGoaway(said);
      this.#tell(said, data.length);
    } catch (error) {
      this.hangUp({ why: String(/** @type {Error} */ (error).message) });
    }
  }

  /** @param {Said} said @param {number} [chars] */
  #tell(said, chars) {
    if (this.#hear) return this.#hear(said, chars);
    if (this.#early.push(said) > EARLY_MAX) throw new Garbage("it says much before something is subscribed");
    return undefined;
  }

  /** @param {object} said */
  send(said) {
    if (this.#socket.readyState === 1) this.#socket.send(JSON.stringify(said));
  }

  /** Ends it; what it still says is not heard. @param {End} [end] */
  hangUp(end = { why: "closed", isOurs: true }) {
    const socket = /** @type {WebSocket & { terminate?(): void }} */ (this.#socket);
    socket.onmessage = socket.onclose = null;
    // Browsers complain of one that is closed before it is open.
    if (socket.readyState === 0) socket.onopen = () => socket.close(1000);
    else socket.close(1000);
    // Node's `ws` waits for an answer for half a minute, and one that never opens would stay for minutes.
    const late = /** @type {{ unref?(): void }} */ (/** @type {unknown} */ (setTimeout(() => (socket.terminate ? socket.terminate() : socket.close()), 1_000)));
    late.unref?.();
    this.#end(end);
  }
}

/** What is said on a WebSocket that is open: commands and their answers. */
class Conversation {
  #socket;
  #ledger;
  #live;
  #nextId = 1;
  /** What is subscribed on it. @type {Map<string, Name>} */
  #asked = new Map();
  /** Subscriptions that are not answered yet, by ID. @type {Map<unknown, { names: Set<Name>, isOld: boolean }>} */
  #commands = new Map();
  /** @type {Map<unknown, (answer: Answer) => void>} */
  #publications = new Map();
  /** There has been a `sync` since something was subscribed. */
  #isSynced = false;
  #isOver = false;
  /** For a server that says nothing more while a subscription is not answered. @type {ReturnType<typeof setTimeout> | undefined} */
  #unanswered;
  #openMs;

  /** @param {Socket} socket @param {Ledger} ledger @param {number} openMs @param {() => void} live it has caught up */
  constructor(socket, ledger, openMs, live) {
    this.#socket = socket;
    this.#ledger = ledger;
    this.#openMs = openMs;
    this.#live = live;
  }

  /** @returns {Promise<End>} */
  async run() {
    const socket = this.#socket;
    this.#ledger.begin();
    if (this.#ledger.needsOne) this.#ledger.makeOne();
    socket.listen((said, chars) => this.#hear(said, chars));
    this.update();
    const watch = this.#watch();
    const end = await socket.ended;
    clearInterval(watch);
    this.#isOver = true;
    this.#await();
    for (const answer of this.#publications.values()) answer(LOST);
    return end;
  }

  /** From now on, a subscription that is not answered may stay so for a while. */
  #await() {
    clearTimeout(this.#unanswered);
    if (this.#commands.size === 0 || this.#isOver) return;
    this.#unanswered = setTimeout(() => this.giveUp(this.#openMs), this.#openMs);
  }

  /** Who is silent for as long as the server's pings are apart is asked, and then has as long to answer.
      A page does not see the protocol's own pings. */
  #watch() {
    const { pingMs } = this.#socket;
    let askedAt = 0;
    return setInterval(() => {
      const now = performance.now();
      if (now - this.#socket.heardAt < pingMs) return;
      if (askedAt <= this.#socket.heardAt) {
        askedAt = now;
        this.#socket.send({ type: "ping" });
      } else if (now - askedAt >= pingMs) {
        this.#socket.hangUp({ why: "the WebSocket is silent", isSilent: true });
      }
    }, pingMs / 4);
  }

  /** Subscribes what is new, and unsubscribes what is gone. */
  update() {
    const { names } = this.#ledger;
    if (this.#asked.size > 0 && this.#ledger.needsOne) return this.#socket.hangUp();
    const left = [...this.#asked.values()].filter((it) => names.get(it.name) !== it);
    for (const it of left) this.#asked.delete(it.name);
    const gone = left.filter((it) => it.gone !== "refused").map((it) => it.name);
    for (const channels of chunks(gone, (it) => it)) this.#socket.send({ type: "unsubscribe", channels });
    /** @type {Map<string, Name[]>} */
    const groups = new Map();
    for (const it of names.values()) {
      if (this.#asked.has(it.name)) continue;
      this.#asked.set(it.name, it);
      const key = `${it.joined ? "1" : `0${it.start ?? ""}`} ${it.presence}`;
      groups.set(key, [...groups.get(key) ?? [], it]);
    }
    // First those that the cursor speaks for: until they are all subscribed, it stays where it is.
    for (const [, group] of [...groups].sort(([a], [b]) => (a < b ? 1 : -1))) {
      for (const chunk of chunks(group, (it) => it.name)) this.#subscribe(chunk);
    }
    return undefined;
  }

  /** @param {Name[]} names */
  #subscribe(names) {
    const [{ joined, start, presence }] = names;
    const id = `s${this.#nextId++}`;
    this.#commands.set(id, { names: new Set(names), isOld: joined });
    if (joined) this.#ledger.holds = true;
    // What one of them has had on this connection does not come again for another.
    for (const it of names) it.isOn = joined;
    const cursor = (joined ? this.#ledger.cursor : start) ?? undefined;
    this.#socket.send({ type: "subscribe", id, channels: names.map((it) => it.name), cursor, presence: presence || undefined });
    this.#await();
  }

  /** One publication; it is answered in any case. @param {Said} fields @returns {Promise<Answer>} */
  publish(fields) {
    return new Promise((resolve) => {
      if (this.#isOver) return resolve(LOST);
      const id = this.#nextId++;
      this.#publications.set(id, resolve);
      return this.#socket.send({ type: "publish", id, ...fields });
    });
  }

  /** @param {number} ms how long somebody has waited for an answer who now waits no more */
  giveUp(ms) {
    this.#socket.hangUp({ why: `no answer in ${ms} ms`, isSilent: true });
  }

  /** @param {Said} said @param {number} [chars] */
  #hear(said, chars = 0) {
    const ledger = this.#ledger;
    // A pong says that the line is there, and nothing about what was asked.
    if (said.type !== "pong") this.#await();
    switch (said.type) {
      case "subscribed": return this.#subscribed(said);
      case "published": return this.#answer(said.id, { receipt: /** @type {any} */ (said) });
      case "error": return this.#refused(said);
      case "pong": case "goaway":
        // Before something is subscribed it is where the log is, and not what has come.
        if (this.#isSubscribed && said.cursor !== undefined) ledger.adopt(said.cursor);
        return undefined;
      default:
        ledger.chars = chars;
        ledger.hear(said.type, said);
        if (said.type === "sync") this.#isSynced = true;
        return this.#liveIfSynced();
    }
  }

  #liveIfSynced() {
    if (this.#isSynced && this.#commands.size === 0) this.#live();
  }

  get #isSubscribed() {
    return [...this.#ledger.names.values()].some((it) => it.isOn);
  }

  /** @param {Said} said */
  #subscribed({ id, channels, cursor }) {
    const command = this.#commands.get(id);
    if (!command) return;
    const names = [...command.names].filter((it) => Array.isArray(channels) && channels.includes(it.name));
    if (names.length < command.names.size) throw new Garbage("not all is subscribed, and nothing says why");
    this.#isSynced = false;
    this.#answered(id, cursor);
    this.#ledger.join(names.filter((it) => this.#ledger.names.get(it.name) === it));
  }

  /** @param {unknown} id @param {unknown} [cursor] */
  #answered(id, cursor) {
    this.#commands.delete(id);
    this.#await();
    this.#ledger.holds = [...this.#commands.values()].some((it) => it.isOld);
    if (cursor !== undefined) this.#ledger.adopt(cursor);
  }

  /** @param {Said} said */
  #refused(said) {
    const { id, channel, code, message, retry_ms } = said;
    const command = this.#commands.get(id);
    if (this.#publications.has(id)) return this.#answer(id, { code: String(code), message: String(message ?? code) });
    if (!command) return undefined;
    if (PASSING.includes(code)) {
      return this.#socket.hangUp({ why: `${code}: ${message}`, code: 4100, reason: code, retryMs: waitOf(retry_ms, RETRY_MS_MAX) });
    }
    for (const it of [...command.names].filter((name) => channel === undefined || name.name === channel)) {
      command.names.delete(it);
      this.#asked.delete(it.name);
      if (this.#ledger.names.get(it.name) === it) this.#ledger.refuse(it.name, said);
    }
    if (command.names.size === 0) this.#answered(id);
    return this.#liveIfSynced();
  }

  /** @param {unknown} id @param {Answer} answer */
  #answer(id, answer) {
    this.#publications.get(id)?.(answer);
    this.#publications.delete(id);
  }
}

/** @typedef {{ receipt?: Receipt, code?: string, message?: string, status?: number, retryMs?: number, isLost?: boolean }} Answer */

/** @type {Answer} */
const LOST = { isLost: true, code: "unanswered", message: "the connection was lost" };

/** In parts that one command has room for. @template T @param {T[]} all @param {(it: T) => string} nameOf */
function chunks(all, nameOf) {
  /** @type {T[][]} */
  const parts = [];
  let room = 0;
  for (const it of all) {
    room -= nameOf(it).length + 3;
    if (room < 0 || (parts.at(-1)?.length ?? 0) >= CHANNELS_MAX) {
      parts.push([]);
      room = NAMES_MAX;
    }
    parts.at(-1)?.push(it);
  }
  return parts;
}

// --- The hub -------------------------------------------------------------------------------------

/**
 * One connection, or the attempt at one.
 * @typedef {object} Line
 * @property {Transport} kind
 * @property {AbortSignal} signal it is over
 * @property {(end: End) => void} cut
 * @property {boolean} isOpen the server has said something
 * @property {number} liveAt since when it has caught up, or 0
 * @property {(() => void)} update what is subscribed has changed
 * @property {Conversation | null} talk
 */

/** A Sockeye server, as a client sees it. */
export class Sockeye {
  #times;
  #Kind;
  /** @type {Transport[]} */
  #transports;
  #wire;
  #ledger;
  /** @type {Set<Subscription>} */
  #subs = new Set();
  /** @type {Map<string, Set<(event: any) => void>>} */
  #listeners = new Map();
  /** @type {State} */
  #state = { state: "idle" };
  #isRunning = false;
  #isOver = false;
  #isChanging = false;
  #isMoving = false;
  /** @type {Line | null} */
  #line = null;
  /** @type {(() => void) | null} */
  #wake = null;
  /** What is waited for in vain. */
  #gone = new AbortController();
  #failures = 0;
  /** What did not open since something last did. @type {Set<Transport>} */
  #tried = new Set();
  /** What does not get through here, until when, and for how long that was. @type {Map<Transport, { until: number, ms: number }>} */
  #blocked = new Map();
  /** @type {Map<Transport, number>} */
  #strikes = new Map();
  /** A WebSocket that was opened while something else was in use. @type {Socket | null} */
  #probed = null;
  #publishing = 0;
  /** @type {string | null} */
  #toldCursor = null;

  /** @param {string | URL} url @param {import("./sockeye.d.ts").SockeyeOptions} [options] */
  constructor(url, options = {}) {
    this.#times = timesOf(options.times ?? {});
    this.#Kind = options.WebSocket ?? globalThis.WebSocket;
    const wanted = [...options.transports ?? TRANSPORTS];
    const unknown = wanted.find((it) => !TRANSPORTS.includes(it));
    if (unknown !== undefined) throw new TypeError(`no transport: ${unknown}`);
    this.#transports = wanted.filter((it) => it !== "websocket" || this.#Kind !== undefined);
    if (this.#transports.length === 0) throw new TypeError("no transport that there is");
    this.#wire = new Wire(url, options, this.#times, this.#gone.signal);
    this.#ledger = new Ledger({
      told: (item) => this.#told(item),
      moved: () => this.#moved(),
      left: () => this.#changed(),
      joined: (names) => { this.#askForEnds(names); },
    });
  }

  /** What happens now. */
  get state() {
    return this.#state;
  }

  /** Come back with this: all before it has been taken by those who subscribed it. */
  get cursor() {
    return this.#ledger.safe(this.#subs);
  }

  /** Calls a function for each event of a kind, until the function that it returns is called.
      @param {string} kind @param {(event: any) => void} listener */
  on(kind, listener) {
    const listeners = this.#listeners.get(kind) ?? new Set();
    this.#listeners.set(kind, listeners.add(listener));
    return () => { listeners.delete(listener); };
  }

  /** @param {string} kind @param {unknown} event */
  #emit(kind, event) {
    for (const listener of [...this.#listeners.get(kind) ?? []]) call(listener, event);
  }

  /** Subscribes channels and patterns, from now on or from a cursor.
      @param {string | Iterable<string>} channels @param {import("./sockeye.d.ts").SubscribeOptions} [options] */
  subscribe(channels, { cursor = null, presence = false, onitem, queue = {} } = {}) {
    this.#check();
    const names = [...new Set(typeof channels === "string" ? [channels] : channels)];
    const start = cursor === "" || cursor === "now" ? null : cursor;
    if (names.length === 0) throw new TypeError("no channels");
    if (start !== null && !/^[-\w.~]{1,96}$/.test(start)) throw new TypeError("not a cursor");
    if (names.length + this.#ledger.names.size > CHANNELS_MAX) throw new RangeError(`more than ${CHANNELS_MAX} channels`);
    for (const name of names) {
      if (typeof name !== "string" || name === "" || name.length > NAME_MAX) throw new TypeError("not a channel's name");
      if (this.#ledger.names.has(name)) throw new TypeError(`${name} is subscribed already`);
    }
    const bound = { items: queue.items ?? 1_000, chars: queue.chars ?? 4_194_304 };
    if (!(bound.items >= 1 && bound.chars >= 1)) throw new RangeError("a queue with room for nothing");
    if (onitem !== undefined && typeof onitem !== "function") throw new TypeError("onitem is not a function");
    const sub = new Subscription(this.#ledger, onitem ?? null, bound);
    for (const name of names) this.#ledger.add(name, sub, start, presence);
    this.#subs.add(sub);
    this.#changed();
    return sub;
  }

  /** Ends everything. */
  close() {
    this.#end({ state: "closed" }, null);
  }

  /** Comes back at once if it is waiting to. */
  reconnect() {
    if (this.#state.state === "waiting") this.#nudge();
  }

  #check() {
    if (this.#isOver) throw new SockeyeError("closed", "this Sockeye is closed");
  }

  /** @param {State} state @param {SockeyeError | null} error */
  #end(state, error) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#set(state);
    for (const sub of this.#subs) sub.over(error);
    this.#gone.abort();
    this.#line?.cut({ why: "closed", isOurs: true });
    this.#dropProbed();
    this.#nudge();
  }

  /** @param {State} state */
  #set(state) {
    this.#state = state;
    this.#emit("state", state);
  }

  // --- What the ledger tells

  /** @param {Item} item */
  #told(item) {
    if (this.#isOver) return;
    this.#emit(item.type, item);
    if ([...this.#subs].some((it) => it.isFull)) this.#line?.cut({ why: "nobody takes what comes", isOurs: true });
  }

  /** The stream has, or who reads it. */
  #moved() {
    if (this.#isMoving) return;
    this.#isMoving = true;
    queueMicrotask(() => {
      this.#isMoving = false;
      if (this.#state.state === "paused" && ![...this.#subs].some((it) => it.isBusy)) this.#nudge();
      if (!this.#listeners.get("cursor")?.size) return;
      const { cursor } = this;
      if (cursor === this.#toldCursor) return;
      this.#toldCursor = cursor;
      this.#emit("cursor", cursor);
    });
  }

  /** What is subscribed has changed; what changes in one go is done in one go. */
  #changed() {
    if (this.#isChanging || this.#isOver) return;
    this.#isChanging = true;
    queueMicrotask(() => {
      this.#isChanging = false;
      const wanted = this.#ledger.subs;
      for (const sub of this.#subs) if (!wanted.has(sub) && sub.before === undefined) this.#subs.delete(sub);
      if (this.#ledger.names.size === 0) this.#line?.cut({ why: "nothing is subscribed", isOurs: true });
      else this.#line?.update();
      if (["idle", "paused"].includes(this.#state.state)) this.#nudge();
      if (!this.#isRunning) this.#run().catch((error) => queueMicrotask(() => { throw error; }));
    });
  }

  /** Who comes with a cursor behind a channel's end is told of it by nobody, and would wait for it.
      @param {Name[]} names */
  async #askForEnds(names) {
    const asked = names.filter((it) => !it.isPattern && place(it.start) !== null);
    if (asked.length === 0 || this.#wire.hasTickets) return;
    // One request for each cursor: the server says whether that one is of its log.
    for (const start of new Set(asked.map((it) => String(it.start)))) {
      await this.#askForEndsAt(start, asked.filter((it) => it.start === start));
    }
  }

  /** @param {string} start @param {Name[]} names */
  async #askForEndsAt(start, names) {
    const at = place(start);
    try {
      /** @type {[string, string][]} */
      const query = names.map((it) => ["channel", it.name]);
      const said = await this.#request("position", [...query, ["cursor", start]]);
      const now = place(said.cursor);
      // Behind a gap, numbers say nothing of what has come. The server declares it, and says then what has ended.
      if (!now || !at || said.gap !== undefined) return;
      for (const { channel, last, ended } of said.channels) {
        const it = this.#ledger.names.get(channel);
        if (!it || !names.includes(it) || ended !== true || !isWithin({ epoch: now.epoch, seq: last }, at)) continue;
        this.#ledger.hear("end", { channel }, null);
      }
    } catch {
      // Then it is as it would be without asking.
    }
  }

  // --- One connection after the other

  #nudge() {
    this.#wake?.();
  }

  /** @param {number} [ms] */
  async #sleep(ms) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#wake = null;
  }

  #dropProbed() {
    this.#probed?.hangUp();
    this.#probed = null;
  }

  async #run() {
    this.#isRunning = true;
    while (!this.#isOver) {
      if (this.#ledger.names.size === 0) {
        this.#dropProbed();
        this.#set({ state: "idle" });
        await this.#sleep();
      } else if ([...this.#subs].some((it) => it.isBusy) && (this.#state.state === "paused" || [...this.#subs].some((it) => it.isFull))) {
        this.#dropProbed();
        if (this.#state.state !== "paused") this.#set({ state: "paused" });
        await this.#sleep();
      } else {
        await this.#connect();
      }
    }
  }

  /** What gets through here, as far as is known: the first of them that was not tried yet. @returns {Transport} */
  #pick() {
    const now = performance.now();
    const open = this.#transports.filter((it) => (this.#blocked.get(it)?.until ?? 0) <= now);
    const able = (open.length > 0 ? open : this.#transports).filter((it) => !this.#tried.has(it));
    if (able.length > 0) return able[0];
    this.#tried.clear();
    return this.#transports[0];
  }

  async #connect() {
    const over = new AbortController();
    /** @type {End | null} */
    let cut = null;
    /** @type {Line} */
    const line = {
      kind: this.#probed ? "websocket" : this.#pick(), signal: over.signal, isOpen: false, liveAt: 0, talk: null, update: () => {},
      cut: (end) => { cut ??= end; over.abort(); },
    };
    this.#line = line;
    this.#set({ state: "connecting", transport: line.kind });
    const stopProbing = this.#probe(line);
    /** @type {End} */
    let end;
    try {
      end = await this.#over(line);
    } catch (error) {
      if (error instanceof SockeyeError) return this.#end({ state: "stopped", error }, error);
      end = error instanceof Ended ? error.end : { why: String(/** @type {Error} */ (error)?.message ?? error) };
    } finally {
      this.#line = null;
      stopProbing();
      over.abort();
    }
    if (!this.#isOver) await this.#after(line, cut ?? end);
  }

  /** @param {Line} line @returns {Promise<End>} */
  async #over(line) {
    if (line.kind === "websocket") return this.#overSocket(line);
    let shown;
    try {
      shown = await this.#wire.shown();
    } catch (error) {
      if (error instanceof SockeyeError) throw error;
      return { why: `no credentials: ${/** @type {Error} */ (error)?.message}`, isAway: true };
    }
    if (line.signal.aborted) return { why: "cut", isOurs: true };
    return line.kind === "sse" ? this.#overEvents(line, shown) : this.#overPolls(line, shown);
  }

  /** The server has answered: what was tried before does not get through. @param {Line} line */
  #opened(line) {
    if (line.isOpen) return;
    line.isOpen = true;
    for (const it of this.#tried) this.#block(it);
    this.#tried.clear();
    this.#set({ state: "resuming", transport: line.kind });
  }

  /** @param {Transport} kind */
  #block(kind) {
    const before = this.#blocked.get(kind)?.ms;
    const ms = before === undefined ? this.#times.againMs : Math.min(before * 2, AGAIN_MS_MAX);
    this.#blocked.set(kind, { until: performance.now() + ms, ms });
  }

  /** @param {Line} line */
  #live(line) {
    if (line.liveAt > 0) return;
    line.liveAt = performance.now();
    this.#set({ state: "live", transport: line.kind });
  }

  /** Does what the end of a connection asks for. @param {Line} line @param {End} end */
  async #after({ kind, isOpen, liveAt }, end) {
    const isSteady = liveAt > 0 && performance.now() - liveAt >= STEADY_MS;
    if (isSteady) {
      this.#failures = 0;
      this.#strikes.delete(kind);
      if (!end.isSilent) this.#blocked.delete(kind);
    }
    if (end.isOurs) return;
    const { code = 0, reason = "", why } = end;
    if (code === 4000) return this.#ledger.endAll();
    const advice = adviceOf(code);
    const error = new SockeyeError(reason || String(code), why, { closeCode: code });
    if (advice === "stop" || (advice === "renew" && !this.#wire.isAsked)) return this.#end({ state: "stopped", error }, error);
    if (advice === "renew") this.#wire.renew(reason, code);
    if (code === 0 && !end.isAway && this.#mayTryAnother(kind, isOpen, isSteady, end)) return;
    if (end.isAway) this.#tried.clear(); // it was nobody's fault but the server's
    this.#failures += 1;
    const ms = this.#waitMs(advice, end.retryMs);
    this.#set({ state: "waiting", ms, why, code: code || undefined, reason: reason || undefined });
    await this.#sleep(ms);
  }

  /** Whether there is another transport that is worth trying now.
      @param {Transport} kind @param {boolean} isOpen @param {boolean} isSteady @param {End} end */
  #mayTryAnother(kind, isOpen, isSteady, end) {
    const strikes = isSteady ? 0 : (this.#strikes.get(kind) ?? 0) + 1;
    this.#strikes.set(kind, strikes);
    const isBad = !isOpen || strikes >= STRIKES || (end.isSilent === true && kind === "sse");
    if (!isBad) return false;
    this.#strikes.delete(kind);
    this.#tried.add(kind);
    return this.#transports.some((it) => !this.#tried.has(it) && (this.#blocked.get(it)?.until ?? 0) <= performance.now());
  }

  /** Full jitter up to a bound that doubles, on top of what the server asks for.
      @param {ReturnType<typeof adviceOf>} advice @param {number} [askedMs] */
  #waitMs(advice, askedMs) {
    const { retryMs, retryMaxMs } = this.#times;
    const bound = Math.min(retryMaxMs, retryMs * 2 ** Math.min(this.#failures - 1, 30));
    const isFirst = this.#failures === 1;
    if (advice === "back off") return (askedMs ?? 0) + bound / 2 + Math.random() * bound / 2;
    if (isFirst && (advice === "resume" || advice === "renew" || askedMs !== undefined)) return askedMs ?? 0;
    return (askedMs ?? 0) + Math.random() * bound;
  }

  // --- WebSocket

  /** @param {AbortSignal} signal */
  async #openSocket(signal) {
    let shown;
    try {
      shown = await this.#wire.shown();
    } catch (error) {
      if (error instanceof SockeyeError) throw error;
      throw new Ended({ why: `no credentials: ${/** @type {Error} */ (error)?.message}`, isAway: true });
    }
    if (signal.aborted) throw new Ended({ why: "cut", isOurs: true });
    const url = this.#wire.url("ws");
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new Socket(/** @type {typeof WebSocket} */ (this.#Kind), url);
    await socket.open(shown, this.#times.openMs, signal);
    return socket;
  }

  /** @param {Line} line */
  async #overSocket(line) {
    const socket = this.#probed ?? await this.#openSocket(line.signal);
    this.#probed = null;
    line.signal.addEventListener("abort", () => socket.hangUp());
    if (line.signal.aborted) socket.hangUp();
    this.#opened(line);
    const talk = new Conversation(socket, this.#ledger, this.#times.openMs, () => this.#live(line));
    line.talk = talk;
    line.update = () => talk.update();
    return talk.run();
  }

  /** Where a WebSocket did not get through, tries again after a while, and changes over to one that does.
      @param {Line} line */
  #probe(line) {
    const { kind, signal } = line;
    const rank = this.#transports.indexOf("websocket");
    if (rank < 0 || rank >= this.#transports.indexOf(kind)) return () => {};
    /** @type {ReturnType<typeof setTimeout>} */
    let timer;
    const arm = () => {
      const until = this.#blocked.get("websocket")?.until ?? performance.now() + this.#times.againMs;
      timer = setTimeout(async () => {
        // It may have been found to be blocked since.
        if ((this.#blocked.get("websocket")?.until ?? 0) > performance.now()) return arm();
        try {
          const socket = await this.#openSocket(signal);
          if (this.#line !== line || signal.aborted) return socket.hangUp();
          this.#probed = socket;
          line.cut({ why: "a WebSocket gets through again", isOurs: true });
        } catch {
          if (signal.aborted) return undefined;
          this.#block("websocket");
          arm();
        }
        return undefined;
      }, Math.max(0, until - performance.now()));
    };
    arm();
    return () => clearTimeout(timer);
  }

  // --- Event stream

  /** @param {Line} line @param {Credentials} shown @returns {Promise<End>} */
  async #overEvents(line, shown) {
    const cursor = this.#ledger.beginAsOne();
    const names = [...this.#ledger.names.values()];
    line.update = () => this.#cutIfOthers(line, names);
    const parser = new EventStreamParser();
    const { openMs, silenceMs } = this.#times;
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), openMs);
    line.signal.addEventListener("abort", () => silent.abort());
    let isAnswered = false;
    try {
      const response = await this.#wire.fetch("sse", this.#queryOf(names, cursor, [["envelope", "json"],
        ...names.every((it) => it.presence) ? /** @type {[string, string][]} */ ([["presence", "true"]]) : []]), shown,
      { signal: silent.signal, headers: { Accept: "text/event-stream" } });
      isAnswered = true;
      const refused = await this.#refusedEvents(response, names, silent.signal);
      if (refused) return refused;
      for await (const piece of pieces(response, silent.signal)) {
        for (const block of parser.feed(piece)) {
          const end = this.#hearBlock(line, names, block, parser);
          if (end) return end;
          if (line.signal.aborted) return { why: "cut", isOurs: true };
        }
        if (!line.isOpen) continue; // before the first event it is not known to get through
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), silenceMs);
      }
      return { why: "the event stream has ended", retryMs: waitOf(parser.retryMs, RETRY_MS_MAX) };
    } catch (error) {
      if (error instanceof Garbage) throw error;
      const isSilent = silent.signal.aborted;
      return {
        why: isSilent ? "the event stream is silent" : `no event stream: ${/** @type {Error} */ (error)?.message}`,
        isSilent, isAway: !isAnswered && !isSilent, retryMs: waitOf(parser.retryMs, RETRY_MS_MAX),
      };
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
  }

  /** @param {Response} response @param {Name[]} names @param {AbortSignal} signal that of its request @returns {Promise<End | null>} */
  async #refusedEvents(response, names, signal) {
    const isEvents = /^text\/event-stream *(;|$)/i.test(response.headers.get("Content-Type") ?? "");
    if (response.status === 200 && isEvents) return null;
    if (response.status === 204) return { why: "all channels have ended", code: 4000 };
    if (response.status === 200) return { why: "not an event stream" };
    const { refusal, ...end } = await endOf(response, !this.#wire.isAsked, signal);
    if (!refusal) return end;
    for (const { name } of names) this.#ledger.refuse(name, refusal);
    return { why: refusal.message, isOurs: true };
  }

  /** @param {Line} line @param {Name[]} names @param {{ event: string, data: string | null, id: string }} block
      @param {EventStreamParser} parser @returns {End | null} */
  #hearBlock(line, names, { event, data, id }, parser) {
    if (!line.isOpen) {
      this.#opened(line);
      this.#ledger.join(names.filter((it) => this.#ledger.names.get(it.name) === it));
    }
    if (data === null) {
      if (id !== "") this.#ledger.adopt(id);
      return null;
    }
    const type = event === "message" ? event : event.startsWith("$") ? event.slice(1) : "";
    if (!/^[a-z_]+$/.test(type)) return null;
    const said = parse(data);
    this.#ledger.chars = data.length;
    if (type === "goaway") {
      if (id !== "") this.#ledger.adopt(id);
      const end = endOfGoaway(said);
      return { ...end, retryMs: end.retryMs ?? waitOf(parser.retryMs, RETRY_MS_MAX) };
    }
    this.#ledger.hear(type, said, id === "" ? undefined : id);
    if (type === "sync") this.#live(line);
    return null;
  }

  /** Another set of channels is another request. @param {Line} line @param {Name[]} names that it has asked for */
  #cutIfOthers(line, names) {
    const now = this.#ledger.names;
    const isSame = names.every((it) => it.gone !== undefined || now.get(it.name) === it) && [...now.values()].every((it) => names.includes(it));
    if (!isSame) line.cut({ why: "other channels", isOurs: true });
  }

  /** @param {Name[]} names @param {string | null} cursor @param {[string, string][]} more @returns {[string, string][]} */
  #queryOf(names, cursor, more) {
    return [...names.map((it) => /** @type {[string, string]} */ (["channel", it.name])), ...more,
      ...cursor === null ? [] : /** @type {[string, string][]} */ ([["cursor", cursor]])];
  }

  // --- Polls

  /** @param {Line} line @param {Credentials} shown @returns {Promise<End>} */
  async #overPolls(line, shown) {
    const { openMs, pollMs, shortPollMs } = this.#times;
    const begun = this.#ledger.beginAsOne();
    /** @type {Name[]} */
    let names = [];
    line.update = () => this.#cutIfOthers(line, names);
    /** @type {string | null} */
    let tag = null;
    for (let isFirst = true; !line.signal.aborted; isFirst = false) {
      names = [...this.#ledger.names.values()];
      // The first answer comes at once, and shows that the line is there.
      const waitS = isFirst ? 0 : Math.min(60, Math.ceil(pollMs / 1_000));
      const query = this.#queryOf(names, isFirst ? begun : this.#ledger.cursor, [["wait", String(waitS)]]);
      const askedAt = performance.now();
      const answer = await this.#poll(query, shown, tag, waitS * 1_000 + openMs, line.signal);
      if ("end" in answer) {
        const { refusal, ...end } = answer.end;
        if (!refusal) return { ...end, isAway: end.isAway && !line.isOpen };
        return this.#sift(names, refusal, line);
      }
      if (line.signal.aborted) break;
      this.#opened(line);
      this.#ledger.join(names.filter((it) => this.#ledger.names.get(it.name) === it));
      const before = this.#ledger.cursor;
      this.#takePoll(line, answer);
      tag = waitS === 0 ? answer.tag : null;
      const { more, count } = answer;
      if (more && this.#ledger.cursor !== before) continue;
      // A server that goes away answers at once, and one of bad intentions for ever.
      const isTooSoon = count === 0 && performance.now() - askedAt < shortPollMs;
      if (!isFirst && (pollMs === 0 || isTooSoon)) await rest(shortPollMs, line.signal);
    }
    return { why: "cut", isOurs: true };
  }

  /** @typedef {{ status: number, cursor: string | null, tag: string | null, body: Said | null, count: number, more: boolean, chars: number }} Polled */

  /** One request. @param {[string, string][]} query @param {Credentials} shown @param {string | null} tag @param {number} ms
      @param {AbortSignal} signal @returns {Promise<Polled | { end: Awaited<ReturnType<typeof endOf>> }>} */
  async #poll(query, shown, tag, ms, signal) {
    let isLate = false, isAnswered = false;
    try {
      return await within(ms, signal, async (inner) => {
        inner.addEventListener("abort", () => { isLate = !signal.aborted; });
        const headers = new Headers(tag === null ? undefined : { "If-None-Match": tag });
        const response = await this.#wire.fetch("poll", query, shown, { signal: inner, headers });
        isAnswered = true;
        const { status } = response;
        if (![200, 204, 304].includes(status)) return { end: await endOf(response, !this.#wire.isAsked, inner) };
        const text = status === 200 ? await textOf(response, inner) : "";
        const body = status === 200 ? parse(text) : null;
        const lists = ["messages", "gaps", "ended"].map((it) => (body ? body[it] : []));
        if (!lists.every(Array.isArray)) throw new Garbage("not a poll's answer");
        const count = lists.reduce((sum, it) => sum + it.length, 0);
        return {
          status, body, count, more: body?.more === true, chars: Math.ceil(text.length / Math.max(1, count)),
          cursor: body ? body.cursor : response.headers.get("Sockeye-Cursor"), tag: response.headers.get("ETag"),
        };
      });
    } catch (error) {
      if (error instanceof Garbage) return { end: { why: error.message } };
      return { end: { why: isLate ? "a poll was not answered" : `no poll: ${/** @type {Error} */ (error)?.message}`, isSilent: isLate, isAway: !isAnswered && !isLate } };
    }
  }

  /** @param {Line} line @param {Polled} answer */
  #takePoll(line, { status, body, cursor, chars, more }) {
    const ledger = this.#ledger;
    ledger.chars = chars;
    for (const gap of body?.gaps ?? []) ledger.hear("gap", gap);
    for (const message of body?.messages ?? []) {
      ledger.hear("message", message);
      if (line.signal.aborted) return; // nobody takes more: the rest comes again
    }
    if (cursor !== null) ledger.adopt(cursor);
    else if (status !== 304) throw new Garbage("an answer without a cursor");
    // Each answer says that it has caught up; once a connection is enough.
    const sync = body?.sync ?? { recovered: true, gaps: 0, replayed: 0 };
    if (!more && (line.liveAt === 0 || sync.gaps > 0)) ledger.hear("sync", sync, ledger.cursor);
    for (const end of body?.ended ?? []) ledger.hear("end", end, null);
    if (!more) this.#live(line);
  }

  /** One refused channel refuses the whole poll, without a name: looks for those that are.
      @param {Name[]} names @param {{ code: string, message: string }} refusal @param {Line} line @returns {Promise<End>} */
  async #sift(names, refusal, line) {
    const isForAll = refusal.code.startsWith("too_many") || names.length === 1;
    const refused = isForAll ? names.map(({ name }) => ({ name, refusal })) : await this.#refusedOf(names, line);
    for (const it of refused) this.#ledger.refuse(it.name, it.refusal);
    return { why: refusal.message, isOurs: refused.length > 0 };
  }

  /** @param {Name[]} names @param {Line} line @returns {Promise<{ name: string, refusal: { code: string, message: string } }[]>} */
  async #refusedOf(names, line) {
    const answer = await this.#poll(this.#queryOf(names, null, [["wait", "0"]]), await this.#wire.shown(), null, this.#times.openMs, line.signal);
    if (!("end" in answer)) return [];
    const { refusal, ...end } = answer.end;
    if (!refusal) throw new Ended(end);
    if (names.length === 1) return [{ name: names[0].name, refusal }];
    const half = names.length >> 1;
    return [...await this.#refusedOf(names.slice(0, half), line), ...await this.#refusedOf(names.slice(half), line)];
  }

  // --- Publishing, and what else can be asked

  /** Publishes, and tells where it is in the log. What is not answered is sent again with the same key.
      @param {string} channel @param {unknown} data @param {import("./sockeye.d.ts").PublishOptions} [options] @returns {Promise<Receipt>} */
  async publish(channel, data, { event, key, expect, ttlMs } = {}) {
    this.#check();
    if (this.#publishing >= PUBLISHING_MAX) throw new SockeyeError("too_many_publications", `${PUBLISHING_MAX} are not answered yet`);
    const fields = { channel, data, event, key: key === null ? undefined : key ?? newKey(), expect, ttl_ms: ttlMs };
    const text = JSON.stringify(fields);
    if (data === undefined || JSON.stringify(data) === undefined) throw new TypeError("no data");
    const isShort = new TextEncoder().encode(text).length <= COMMAND_BYTES_MAX;
    this.#publishing += 1;
    try {
      return await this.#publishUntilAnswered(fields, text, isShort);
    } finally {
      this.#publishing -= 1;
    }
  }

  /** @param {Said} fields @param {string} text @param {boolean} isShort */
  async #publishUntilAnswered(fields, text, isShort) {
    const late = performance.now() + this.#times.publishMs;
    for (let failures = 0; ; failures += 1) {
      const talk = failures === 0 && isShort && this.#line?.isOpen ? this.#line.talk : null;
      const answer = await (talk ? this.#publishOver(talk, fields) : this.#post(text));
      if (answer.receipt) return answer.receipt;
      const { code = "unanswered", message = "no answer", status } = answer;
      const error = new SockeyeError(code, message, { status });
      const mayPass = answer.isLost || PASSING.includes(code);
      if (!mayPass || fields.key === undefined || this.#isOver) throw error;
      const bound = Math.min(this.#times.retryMaxMs, this.#times.retryMs * 2 ** failures);
      const ms = (answer.retryMs ?? 0) + Math.random() * bound;
      if (performance.now() + ms > late) throw error;
      await rest(ms, this.#gone.signal);
    }
  }

  /** @param {Conversation} talk @param {Said} fields @returns {Promise<Answer>} */
  async #publishOver(talk, fields) {
    const { openMs } = this.#times;
    const timer = setTimeout(() => talk.giveUp(openMs), openMs);
    const answer = await talk.publish(fields);
    clearTimeout(timer);
    return answer;
  }

  /** @param {string} body @returns {Promise<Answer>} */
  async #post(body) {
    try {
      return { receipt: /** @type {any} */ (await this.#request("publish", [], { method: "POST", body })) };
    } catch (error) {
      if (error instanceof SockeyeError) return { code: error.code, message: error.message, status: error.status, retryMs: /** @type {any} */ (error).retryMs };
      return { isLost: true, code: "unanswered", message: String(/** @type {Error} */ (error)?.message) };
    }
  }

  /** A request and the object that answers it. @param {string} path @param {[string, string][]} query @param {RequestInit} [init]
      @returns {Promise<Said>} */
  async #request(path, query, init = {}) {
    for (let isFirst = true; ; isFirst = false) {
      this.#check();
      const shown = await this.#wire.shown();
      const { response, text, problem } = await within(this.#times.openMs, this.#gone.signal, async (signal) => {
        const got = await this.#wire.fetch(path, query, shown, { ...init, signal });
        return got.ok ? { response: got, text: await textOf(got, signal), problem: null } : { response: got, text: "", problem: await problemOf(got, signal) };
      });
      const { status } = response;
      if (response.ok) return parse(text);
      if (status === 401 && isFirst && this.#wire.isAsked) {
        this.#wire.renew(problem?.code ?? "unauthenticated", 4300);
        continue;
      }
      // Without words of its own it is not the server that refuses: it may be away.
      if (!problem && status >= 500) throw new Error(`status ${status}`);
      const error = new SockeyeError(problem?.code ?? `status_${status}`, problem?.message ?? `status ${status}`, { status });
      throw Object.assign(error, { retryMs: retryAfter(response) });
    }
  }

  /** Where channels are: read it, load your state, and subscribe from its cursor. @param {string | Iterable<string>} channels */
  position(channels) {
    const names = typeof channels === "string" ? [channels] : [...channels];
    return this.#request("position", names.map((it) => ["channel", it]));
  }

  /** A page of what was published. @param {string} channel @param {{ limit?: number, after?: number, before?: number }} [page] */
  history(channel, page = {}) {
    return this.#request(`channels/${encodeURIComponent(channel)}/history`, pairs(page));
  }

  /** Who is there. @param {string} channel @param {{ limit?: number, after?: string }} [page] */
  present(channel, page = {}) {
    return this.#request(`channels/${encodeURIComponent(channel)}/presence`, pairs(page));
  }

  /** Ends a channel for everybody. @param {string} channel */
  end(channel) {
    return this.#request(`channels/${encodeURIComponent(channel)}/close`, [], { method: "POST" });
  }
}

/** @param {Partial<Times>} given @returns {Times} */
function timesOf(given) {
  const times = Object.entries(given).filter(([, ms]) => ms !== undefined);
  const wrong = times.find(([, ms]) => !(ms >= 0 && ms <= TIME_MS_MAX));
  if (wrong) throw new RangeError(`${wrong[0]}: not a time in milliseconds: ${wrong[1]}`);
  return { ...TIMES, ...Object.fromEntries(times) };
}

/** What the number of a `goaway` asks for, also one that is not known. @param {number} code */
function adviceOf(code) {
  if (code >= 4000 && code < 4100) return "stop";
  if (code >= 4100 && code < 4200) return "back off";
  if (code === 1001 || (code >= 4200 && code < 4300)) return "resume";
  if (code >= 4300 && code < 4400) return "renew";
  return "wait";
}

/** @param {Record<string, string | number | undefined>} fields @returns {[string, string][]} */
const pairs = (fields) => Object.entries(fields).filter(([, it]) => it !== undefined).map(([name, it]) => [name, String(it)]);

/** A key that nobody can guess: `randomUUID` is not there on pages without TLS. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((it) => it.toString(16).padStart(2, "0")).join("");
