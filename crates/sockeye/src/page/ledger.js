// What the page knows to have been published, from whatever told it: the receipts of what it published
// itself, and the messages that any of the panes got. Against this each pane is judged.

const ENTRIES_MAX = 2000;

/**
 * The two numbers of a cursor (docs/protocol.md, "Cursors"). A client needs neither to resume; this
 * page looks inside only to prove that nothing is missing.
 */
export function place(cursor) {
  const match = /^1([0-9a-z]+)-([0-9a-z]+)(?:\.[0-9a-z]+)?(~.*)?$/.exec(cursor ?? "");
  return match ? { epoch: match[1], seq: parseInt(match[2], 36) } : { epoch: "", seq: 0 };
}

export class Ledger {
  constructor(changed) {
    this.changed = changed;
    this.clear();
  }

  clear() {
    this.entries = new Map();
    this.epochs = [];
    this.changed();
  }

  /** How many lives of the log were seen before this one. */
  age(epoch) {
    if (!this.epochs.includes(epoch)) this.epochs.push(epoch);
    return this.epochs.indexOf(epoch);
  }

  /** The entry at a cursor, made if nobody has told of it before. */
  at(cursor) {
    const { epoch, seq } = place(cursor);
    const key = `${epoch}-${seq}`;
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { key, epoch, seq, age: this.age(epoch), arrivals: [] };
      this.entries.set(key, entry);
      if (this.entries.size > ENTRIES_MAX) this.entries.delete(this.entries.keys().next().value);
      this.changed();
    }
    return entry;
  }

  /** The page published this itself, then. */
  published(cursor, at) {
    const entry = this.at(cursor);
    entry.published = at;
    for (const tell of entry.arrivals.splice(0)) tell(at);
  }

  /** Tells when an entry was published by this page, now or once it is known. */
  whenPublished(entry, tell) {
    if (entry.published !== undefined) tell(entry.published);
    else entry.arrivals.push(tell);
  }

  /** Entries after a place: in its life of the log, and in later ones. */
  after({ epoch, seq }) {
    const age = this.age(epoch);
    return [...this.entries.values()].filter((it) => it.age > age || (it.age === age && it.seq > seq));
  }
}
