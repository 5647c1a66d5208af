// One pane: a reader of the channel over one transport, and the judgement whether it has everything.

import { Sockeye } from "/sockeye.js";
import { badge, element, ms } from "./common.js";
import { place } from "./ledger.js";

const ROWS_MAX = 200;
/** Messages remembered, to know a repetition and what is missing: more than the ledger has. */
const REMEMBERED_MAX = 4_000;
/** A page that somebody looks at does not wait for long. */
const RETRY_MS_MAX = 5_000;

/** The end of a list, which stays in view unless its reader has scrolled up. */
class End {
  constructor(list) {
    Object.assign(this, { list, isFollowed: true, top: 0 });
    list.addEventListener("scroll", () => this.scrolled());
    new ResizeObserver(() => this.show()).observe(list); // a narrower list has longer rows
  }

  /** Rows that come or grow leave `scrollTop` as it is. So only its reader makes it smaller, or a list that shrinks. */
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    if (scrollHeight - scrollTop - clientHeight < 8) this.isFollowed = true;
    else if (scrollTop < this.top) this.isFollowed = false;
    this.top = scrollTop;
  }

  show() {
    if (this.isFollowed) this.move(this.list.scrollHeight);
  }

  /** Drops a row. What a reader sees who has scrolled up stays where it is. */
  drop(row) {
    const before = this.list.scrollHeight;
    row.remove();
    if (!this.isFollowed) this.move(this.list.scrollTop - before + this.list.scrollHeight);
  }

  move(top) {
    this.list.scrollTop = top;
    this.top = this.list.scrollTop;
  }
}

export class Pane {
  /** Makes a pane out of the template; `options` are those of its reader. */
  constructor(template, { transport, title, what, options }, ledger, changed) {
    const node = template.content.firstElementChild.cloneNode(true);
    this.parts = Object.fromEntries(
      [...node.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    node.dataset.testid = `pane-${transport}`;
    this.parts.title.textContent = title;
    this.parts.title.id = `pane-title-${transport}`;
    node.setAttribute("aria-labelledby", this.parts.title.id);
    this.parts.list.setAttribute("aria-label", `Messages over ${title}`);
    this.parts.what.textContent = what;
    this.parts.cut.addEventListener("click", () => this.toggle());
    this.end = new End(this.parts.list);
    Object.assign(this, { node, title, options, ledger, changed, state: "new" });
  }

  /** Reads a channel from a cursor on; what was there before is forgotten. */
  start(channel, cursor, cutMs) {
    this.close();
    Object.assign(this, {
      channel, cursor, cutMs, from: place(cursor), got: new Set(), count: 0, repeated: 0, unsaid: 0, gaps: 0,
      sinceGap: 0, inGap: false, isCatchingUp: false, wasAway: false,
    });
    this.parts.list.replaceChildren();
    this.open();
  }

  open() {
    this.close();
    this.show("connecting", "Opening");
    this.isCatchingUp = this.wasAway;
    const { times, ...options } = this.options;
    const hub = new Sockeye(location.origin, { ...options, times: { retryMaxMs: RETRY_MS_MAX, ...times } });
    this.hub = hub;
    // What one that was closed still says is not heard.
    const hear = (kind, action) => hub.on(kind, (it) => { if (this.hub === hub) action.call(this, it); });
    hear("state", this.turn);
    hear("message", this.message);
    hear("gap", this.gap);
    hear("sync", this.synced);
    hear("cursor", this.at);
    hear("end", this.ended);
    hear("refused", ({ message }) => this.stop(message));
    hub.subscribe(this.channel, { cursor: this.cursor, onitem() {} }); // each is heard above
  }

  close() {
    clearInterval(this.ticking);
    const { hub } = this;
    this.hub = undefined;
    hub?.close();
  }

  // --- What the person does

  /** Drops the connection, and comes back after a while. */
  cut() {
    if (this.state === "new" || this.state === "ended") return;
    this.close();
    this.wasAway = true;
    const until = performance.now() + this.cutMs;
    const tick = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      if (left <= 0) this.open();
      else this.show("cut", `Cut, ${left} s`);
    };
    this.ticking = setInterval(tick, 250);
    tick();
  }

  toggle() {
    if (["cut", "stopped"].includes(this.state)) this.open();
    else this.cut();
  }

  /** The page is not looked at: the connection is left to pages that are. */
  rest() {
    if (["new", "cut", "ended", "stopped"].includes(this.state)) return;
    this.close();
    this.wasAway = true;
    this.show("resting", "Resting");
  }

  wake() {
    if (this.state === "resting") this.open();
  }

  // --- What the reader says

  turn({ state, why, error }) {
    if (state === "stopped") this.stop(error.message);
    if (state === "waiting") {
      this.isCatchingUp = this.wasAway = true;
      this.show("connecting", "Retrying", why);
    }
    if (state === "live") this.live();
  }

  live() {
    this.isCatchingUp = this.wasAway = false;
    this.show("live", "Live");
  }

  message({ cursor, data, event }) {
    const entry = this.ledger.at(cursor);
    const isRepeated = this.got.has(entry.key);
    this.got.add(entry.key);
    if (this.got.size > REMEMBERED_MAX) this.got.delete(this.got.values().next().value);
    this.at(cursor);
    if (isRepeated) this.repeated += 1;
    else this.count += 1;
    if (this.gaps > 0 && !isRepeated) this.sinceGap += 1;
    const text = typeof data === "string" ? data : JSON.stringify(data);
    const kind = isRepeated ? "repeated" : this.isCatchingUp ? "caught-up" : "message";
    const row = this.row(kind, event ? `${event}: ${text}` : text, { cursor, text });
    const note = element("span", "note", isRepeated ? "again" : this.isCatchingUp ? "caught up" : "");
    row.append(note);
    if (kind === "message") {
      const arrived = performance.now();
      this.ledger.whenPublished(entry, (then) => {
        note.textContent = ms(Math.max(0, arrived - then));
        this.changed();
      });
    }
    this.changed();
  }

  gap({ reason, missed }) {
    this.gaps += 1;
    this.sinceGap = 0;
    this.inGap = true;
    const span = missed ? `, ${missed.after + 1} to ${missed.through}` : "";
    this.row("gap", `Gap declared: ${reason}${span}`, { reason });
    this.changed();
  }

  /** What came before is complete, or a gap was declared in it. */
  synced({ cursor }) {
    this.at(cursor);
    if (this.inGap) this.from = place(cursor);
    this.inGap = false;
  }

  at(cursor) {
    const here = place(cursor);
    if (here.epoch === "0") return; // a place in no log: a gap comes next
    if (here.epoch !== this.from.epoch && !this.inGap) {
      this.unsaid += 1; // another life of the log, and nobody has said so
      this.from = here;
    }
    this.cursor = cursor;
    this.changed();
  }

  ended() {
    this.close();
    this.row("end", "The channel has ended", {});
    this.show("ended", "Ended");
  }

  stop(text) {
    this.close();
    this.show("stopped", "Stopped", text);
  }

  // --- What is seen

  show(state, text, detail = "") {
    if (state === "live" && this.state !== "live") this.liveAt = performance.now();
    this.state = state;
    badge(this.parts.state, state, text);
    this.parts.state.title = detail;
    const mends = ["cut", "stopped"].includes(state);
    this.parts.cut.textContent = mends ? "Restore" : "Cut the line";
    this.parts.cut.setAttribute("aria-label", `${mends ? "Restore" : "Cut"} the line of ${this.title}`);
    this.parts.cut.disabled = state === "ended";
    this.changed();
  }

  row(kind, text, data) {
    const list = this.parts.list;
    const item = document.createElement("li");
    Object.assign(item.dataset, { kind, ...data });
    item.append(element("span", "body", text));
    list.append(item);
    while (list.children.length > ROWS_MAX) this.end.drop(list.firstChild);
    return item;
  }

  /** What it should have by now, next to what it has. */
  judge() {
    if (this.state === "new") return;
    const here = place(this.cursor);
    const owed = this.ledger.after(this.from).filter((entry) => !this.got.has(entry.key));
    const isPast = (entry) => here.epoch === entry.epoch && entry.seq <= here.seq && !this.inGap;
    const missing = owed.filter(isPast).length;
    const toCome = owed.length - missing;
    const [verdict, text] =
      this.unsaid > 0 ? ["incomplete", "Gap not declared"] :
      missing > 0 ? ["incomplete", `${missing} missing`] :
      this.repeated > 0 ? ["incomplete", `${this.repeated} repeated`] :
      toCome > 0 ? ["waiting", `${toCome} to come`] :
      this.gaps > 0 ? ["gap", "Gap declared"] :
      ["complete", "Complete"];
    badge(this.parts.verdict, verdict, text);
    const since = this.gaps > 0 ? `${this.sinceGap} since` : "";
    this.parts.count.textContent = since || `${this.count} of ${this.count + owed.length}`;
    this.parts.cursor.textContent = this.cursor;
    this.parts.cursor.title = this.cursor;
    this.end.show();
  }
}
