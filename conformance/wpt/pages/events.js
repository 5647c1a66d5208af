// What an EventSource makes of a stream, and what it shows of itself. For windows and workers.
"use strict";

if (typeof importScripts === "function") importScripts("/own/harness.js");

const RESOURCES = "/eventsource/resources";
const url = (message, more = "") =>
  `${RESOURCES}/message.py?newline=none&message=${encodeURIComponent(message)}${more}`;

/** What the first connection to a stream dispatches, under these names. */
async function dispatched(message, count, types = ["message"], more = "") {
  const source = new EventSource(url(message, more));
  const seen = [];
  try {
    while (seen.length < count) {
      const { type, data } = await next(source, ...types, "error");
      if (type === "error") break;
      seen.push(type === "message" ? data : [type, data]);
    }
    return seen;
  } finally {
    source.close();
  }
}

/** The same, up to where the stream ends. */
const all = (message, types) => dispatched(message, Infinity, types);

check("a BOM at the start is dropped, a later one is part of a name", async () =>
  same(await all("\uFEFFdata: 1\n\n\uFEFFdata: 2\n\ndata: 3\n\n"), ["1", "3"], "the data"));

check("the second of two BOMs is part of a name", async () =>
  same(await all("\uFEFF\uFEFFdata: 1\n\ndata: 2\n\ndata: 3\n\n"), ["2", "3"], "the data"));

check("comments of any length, behind any line end, are nothing", async () => {
  const long = "x".repeat(2048);
  const stream = `data: 1\r:\0\n:\r\ndata: 2\n:${long}\rdata: 3\n:data: no\r:${long}\ndata: 4\n\n`;
  same(await all(stream), ["1\n2\n3\n4"], "the data");
});

check("a block that is not finished is dropped", async () =>
  same(await all("data: whole\n\nid: torn\ndata: torn"), ["whole"], "the data"));

check("data: empty, twice empty, plain", async () =>
  same(await all("data:\n\ndata\ndata\n\ndata:test\n\nid: 1\n\n"), ["", "\n", "test"], "the data"));

check("an event has the name it was given, for one block", async () =>
  same(await all("event: test\ndata: a\n\ndata: b\n\n", ["message", "test"]), [["test", "a"], "b"], "the events"));

check("an empty name is none", async () =>
  same(await all("event: \ndata: a\n\nevent: x\nevent\ndata: b\n\n"), ["a", "b"], "the data"));

check("names: case, spaces, NUL and the unknown ones", async () => {
  const stream = "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n";
  same(await all(stream), ["\0\n 2\n1\n3\n\n4"], "the data");
});

check("unknown fields, and lines without a colon", async () =>
  same(await all("data:test\n data\ndata\nfoobar:xxx\njustsometext\n:comment\ndata:test\n\n"), ["test\n\ntest"], "the data"));

check("one space after the colon goes, a tab does not", async () =>
  same(await all("data:\ttab\rdata: \ndata:  two\ndata:none\n\n"), ["\ttab\n\n two\nnone"], "the data"));

check("CR, LF and CRLF end lines", async () =>
  same(await all("data:a\r\ndata\ndata:b\r\rdata:c\r\n\r\ndata:d\n\n"), ["a\n\nb", "c", "d"], "the data"));

check("NUL is a character of the data", async () => same(await all("data:\0\n\n"), ["\0"], "the data"));

check("bytes are UTF-8", async () =>
  same(await all("data: … 鮭 🐟\nevent: ß\n\n", ["ß"]), [["ß", "… 鮭 🐟"]], "the events"));

check("blocks arrive while their stream goes on", async () => {
  const source = new EventSource(`${RESOURCES}/message2.py`);
  const seen = [];
  while (seen.length < 6) seen.push((await next(source, "message", "error")).data);
  source.close();
  same(seen, ["msg\nmsg", "", "end", "msg\nmsg", "", "end"], "the data, twice two seconds apart");
});

check("an ID that is not ASCII comes back as it was", async () => {
  const source = new EventSource(`${RESOURCES}/last-event-id.py?idvalue=${encodeURIComponent("…鮭")}`);
  const first = await next(source, "message");
  same([first.data, first.lastEventId], ["hello", "…鮭"], "the first event");
  same((await next(source, "message")).data, "…鮭", "the ID the server got");
  same((await next(source, "message")).lastEventId, "…鮭", "the ID after it");
  source.close();
});

for (const [kind, ids] of [["1", ["1", "1", "2", "2"]], ["2", ["1", "", ""]], ["3", ["1", "", ""]]]) {
  const how = { 1: "stays until another comes", 2: "is reset by `id:`", 3: "is reset by `id`" }[kind];
  check(`an ID ${how}`, async () => {
    const source = new EventSource(`${RESOURCES}/last-event-id2.py?type=${kind}`);
    const seen = [];
    while (seen.length < ids.length) seen.push((await next(source, "message")).lastEventId);
    source.close();
    same(seen, ids, "the IDs");
  });
}

for (const id of ["\0", "a\0b", "\0x", "x\0"]) {
  check(`an ID with NUL is none: ${JSON.stringify(id)}`, async () => {
    const source = new EventSource(`${RESOURCES}/last-event-id.py?idvalue=${encodeURIComponent(id)}`);
    for (let i = 0; i < 2; i += 1) {
      const { data, lastEventId } = await next(source, "message");
      same([data, lastEventId], ["hello", ""], "the event");
    }
    source.close();
  });
}

/** Which of two streams is connected to again first. */
async function sooner(...messages) {
  const again = messages.map(async (message, index) => {
    const source = new EventSource(url(message));
    await next(source, "open");
    await next(source, "open");
    source.close();
    return index;
  });
  const first = await Promise.race(again);
  await Promise.all(again);
  return first;
}

check("retry: is a decimal number, zeros before it are nothing", async () =>
  same(await sooner("retry:1500\ndata:x\n\n", "retry:0200\ndata:x\n\n"), 1, "who came back first"));

check("retry: anything else is ignored", async () =>
  same(await sooner("retry:1500\nretry:10x\ndata:x\n\n", "retry:500\ndata:x\n\n"), 1, "who came back first"));

check("retry: empty, and the stream goes on", async () => same(await all("retry\ndata:test\n\n"), ["test"], "the data"));

for (const [mime, opens] of [["x bogus", false], ["text/x-bogus", false], ["text/event-stream;", true],
  ["text/event-stream;charset=utf-8", true], ["text/event-streams", false]]) {
  check(`type ${mime} is ${opens ? "" : "not "}taken`, async () => {
    const source = new EventSource(url("data: x\n\n", `&mime=${encodeURIComponent(mime)}`));
    const { type } = await next(source, "open", "error");
    same([type, source.readyState], opens ? ["open", 1] : ["error", 2], "event and state");
    source.close();
  });
}

check("url is absolute", async () => {
  const source = new EventSource(url("data: x\n\n"));
  same(source.url, new URL(url("data: x\n\n"), location.href).href, "url");
  source.close();
});

check("an empty URL is that of the document, and anything is made a string", async () => {
  for (const [given, path] of [["", location.href], [{ toString: () => "a?b" }, "a?b"], [null, "null"], [1, "1"], [undefined, "undefined"]]) {
    const source = new EventSource(given);
    source.close();
    same(source.url, new URL(path, location.href).href, "url");
  }
});

check("constructor: not without new, not with what is no URL", async () => {
  throws("TypeError", () => EventSource("a"));
  throws("TypeError", () => new EventSource());
  throws("SyntaxError", () => new EventSource("http://["));
});

check("constants, on constructor and prototype", async () => {
  for (const on of [EventSource, EventSource.prototype]) {
    same([on.CONNECTING, on.OPEN, on.CLOSED], [0, 1, 2], "the constants");
  }
  same(Object.getPrototypeOf(EventSource.prototype) === EventTarget.prototype, true, "it is an event target");
});

check("a message event is trusted, and says where it comes from", async () => {
  const source = new EventSource(url("id: 7\ndata: x\n\n"));
  const event = await next(source, "message");
  same([event.isTrusted, event.bubbles, event.cancelable], [true, false, false], "the flags");
  same([event.origin, event.lastEventId, event.data], [location.origin, "7", "x"], "the contents");
  source.close();
});

check("an open event, as handler and as listener", async () => {
  const source = new EventSource(url("data: x\n\n"));
  same(source.readyState, 0, "the state at first");
  const handled = new Promise((resolve) => { source.onopen = resolve; });
  const event = await next(source, "open");
  same([await handled === event, source.readyState, event.bubbles, "data" in event], [true, 1, false, false], "the event");
  source.close();
});

check("after close there is nothing more", async () => {
  const source = new EventSource(`${RESOURCES}/message2.py`);
  source.close();
  same(source.readyState, 2, "the state");
  const heard = next(source, "open", "message", "error").then(() => "something");
  same(await Promise.race([heard, sleep(500)]), undefined, "what was heard");
});

for (const bad of ["about:blank", "mailto:a@web-platform.test", "javascript:alert('no')", "ftp://web-platform.test/"]) {
  check(`no stream from ${bad.split(":")[0]}:`, async () => {
    const source = new EventSource(bad);
    await next(source, "error");
    same(source.readyState, 2, "the state");
  });
}
