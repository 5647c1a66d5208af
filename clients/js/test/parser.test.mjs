// The event-stream parser: the project's vectors in every chunking they list, every cut in two, and an oracle.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { EventStreamParser } from "./sockeye.js";

const { vectors } = JSON.parse(readFileSync(new URL("./event-stream.json", import.meta.url), "utf8"));

function bytesOf({ input, input_b64: b64, input_parts: parts }) {
  if (parts) return Buffer.concat(parts.flatMap((it) => Array(it.times ?? 1).fill(bytesOf({ input: it.text, input_b64: it.b64 }))));
  return b64 === undefined ? Buffer.from(input, "utf8") : Buffer.from(b64, "base64");
}

function* pieces(bytes, chunking) {
  const cuts = chunking === "whole" ? [] : chunking === "bytes" ? [...bytes.keys()].slice(1)
    : Array.isArray(chunking) ? chunking : Array.from({ length: Math.ceil(bytes.length / chunking.size) - 1 }, (_, at) => (at + 1) * chunking.size);
  let from = 0;
  for (const to of [...cuts, bytes.length]) {
    yield bytes.subarray(from, to);
    from = to;
  }
}

function read(bytes, chunking) {
  const parser = new EventStreamParser({ charsMax: 1 << 26 });
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const blocks = [];
  for (const piece of pieces(bytes, chunking)) for (const it of parser.feed(decoder.decode(piece, { stream: true }))) blocks.push(it);
  const events = blocks.filter((it) => it.data !== null).map(({ event, data, id }) => ({ type: event, data, lastEventId: id }));
  return { events, retry: parser.retryMs ?? null, id: parser.lastEventId };
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function compare(got, want) {
  if (want.event_count !== undefined) {
    assert.equal(got.events.length, want.event_count);
    assert.equal(sha256(got.events.map((it) => `${it.type}\0${it.data}\0${it.lastEventId}\n`).join("")), want.events_sha256);
  } else {
    assert.equal(got.events.length, want.events.length);
    for (const [at, { data_utf8_len: length, data_sha256: sum, ...event }] of want.events.entries()) {
      const { data, ...rest } = got.events[at];
      if (sum === undefined) assert.deepEqual(got.events[at], event);
      else assert.deepEqual([rest, Buffer.byteLength(data), sha256(data)], [event, length, sum]);
    }
  }
  assert.equal(got.retry, want.retry === null ? null : Number(want.retry));
  assert.equal(got.id, want.final_last_event_id);
}

/** The standard's own words, over the whole text at once. */
function oracle(text) {
  const events = [];
  let [data, event, id, last] = ["", "", "", ""];
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  for (const line of lines.slice(0, -1)) {
    const [name, value] = line.includes(":") ? [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")] : [line, ""];
    if (line === "") {
      last = id;
      if (data !== "") events.push({ type: event === "" ? "message" : event, data: data.replace(/\n$/, ""), lastEventId: last });
      [data, event] = ["", ""];
    } else if (line.startsWith(":")) {
      continue;
    } else if (name === "data") {
      data += `${value}\n`;
    } else if (name === "event") {
      event = value;
    } else if (name === "id" && !value.includes("\0")) {
      id = value;
    }
  }
  return { events, id: last };
}

describe("event stream", () => {
  test("the project's vectors in each of their chunkings", () => {
    let count = 0;
    for (const vector of vectors.filter((it) => it.initial_last_event_id === undefined)) {
      for (const chunking of vector.chunkings) {
        // Millions of single characters take half a minute, and show what thousands do.
        if (bytesOf(vector).length / (chunking.size ?? Infinity) > 500_000) continue;
        try {
          compare(read(bytesOf(vector), chunking), vector.expected);
        } catch (error) {
          error.message = `${vector.name}, ${JSON.stringify(chunking)}: ${error.message}`;
          throw error;
        }
        count += 1;
      }
    }
    assert.ok(count > 200, `${count} readings`);
  });

  test("every cut in two of the short vectors", () => {
    for (const vector of vectors.filter((it) => it.initial_last_event_id === undefined)) {
      const bytes = bytesOf(vector);
      if (bytes.length > 400) continue;
      const want = read(bytes, "whole");
      for (let at = 0; at <= bytes.length; at += 1) assert.deepEqual(read(bytes, [at]), want, `${vector.name} cut at ${at}`);
    }
  });

  test("whatever comes is read as the standard's words say, in any pieces", () => {
    const words = ["data", "id", "event", "retry", ":", " ", "\r", "\n", "\r\n", "\n\n", "\uFEFF", "\0", "x", "5", "鮭", "$gap"];
    let seed = 7;
    const random = (below) => { seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648; return Math.floor((seed / 2_147_483_648) * below); };
    for (let round = 0; round < 20_000; round += 1) {
      const text = Array.from({ length: random(24) }, () => words[random(words.length)]).join("");
      const parser = new EventStreamParser();
      const blocks = [];
      for (let from = 0; from < text.length;) {
        const to = Math.min(text.length, from + random(5));
        blocks.push(...parser.feed(text.slice(from, to)));
        from = to;
      }
      const events = blocks.filter((it) => it.data !== null).map(({ event, data, id }) => ({ type: event, data, lastEventId: id }));
      // A CR at the very end has ended its line; the oracle sees that only with what follows.
      assert.deepEqual({ events, id: parser.lastEventId }, oracle(text), JSON.stringify(text));
    }
  });

  test("an event without end is given up at the bound, also in many lines or one of single characters", () => {
    for (const piece of ["x", "\ndata:", "\ndata: xxxxxxxxxxxxxxxx"]) {
      const parser = new EventStreamParser({ charsMax: 1_000 });
      parser.feed("data:");
      let fed = 0;
      assert.throws(() => { for (;; fed += 1) parser.feed(piece); }, /endless/);
      assert.ok(fed < 1_002, `${fed} pieces`);
    }
    const parser = new EventStreamParser({ charsMax: 1_000 });
    for (let at = 0; at < 10_000; at += 1) parser.feed(": comment\nid: 7\nevent: x\n");
    for (let at = 0; at < 10_000; at += 1) assert.equal(parser.feed("data: x\n\n").length, 1);
  });
});
