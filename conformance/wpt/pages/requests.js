// What an EventSource asks for, and what it makes of answers. For windows.
"use strict";

const RESOURCES = "/eventsource/resources";
const other = (name) => `${location.origin.replace("://", `://${name}`)}${RESOURCES}`;
const CROSS = other("xn--lve-6lad.");
let tokens = 0;
const token = () => `${Date.now()}${tokens += 1}`;

/** What comes first, and the state then. */
async function first(url, options) {
  const source = new EventSource(url, options);
  const event = await next(source, "message", "error");
  const seen = [event.type, event.data ?? null, source.readyState];
  source.close();
  return seen;
}

check("Accept is text/event-stream", async () =>
  same(await first(`${RESOURCES}/accept.event_stream?pipe=sub`), ["message", "text/event-stream", 1], "what came"));

for (const [where, base] of [["its own origin", RESOURCES], ["another origin", CROSS]]) {
  check(`Cache-Control is no-cache, on every connection to ${where}`, async () => {
    const url = base === CROSS ? `${base}/cors.py?run=cache-control` : `${base}/cache-control.event_stream?pipe=sub`;
    const source = new EventSource(url, { withCredentials: base === CROSS });
    for (let i = 0; i < 2; i += 1) same((await next(source, "message")).data, "no-cache", "the header");
    source.close();
  });
}

for (const [withCredentials, second] of [[true, "COOKIE"], [false, "NO_COOKIE"]]) {
  check(`cookies go to another origin with${withCredentials ? "" : "out"} credentials: ${second}`, async () => {
    const source = new EventSource(`${other("www2.")}/cors-cookie.py?ident=${token()}`, { withCredentials });
    same(source.withCredentials, withCredentials, "withCredentials");
    same((await next(source, "message")).data, "first NO_COOKIE", "at first");
    same((await next(source, "message")).data, `second ${second}`, "then");
    source.close();
  });
}

for (const status of [301, 302, 303, 307, 308]) {
  check(`${status} is followed, and url stays`, async () => {
    const url = `/common/redirect.py?location=${RESOURCES}/message.py&status=${status}`;
    const source = new EventSource(url);
    same((await next(source, "open", "error")).type, "open", "the event");
    same(source.url, new URL(url, location.href).href, "url");
    source.close();
  });
}

for (const status of [204, 205, 210, 299, 404, 410, 503]) {
  check(`${status} ends it`, async () =>
    same(await first(`${RESOURCES}/status-error.py?status=${status}`), ["error", null, 2], "what came"));
}

for (const [what, query] of [["plainly", "run=message"],
  ["through a redirect", `run=redirect&location=${RESOURCES}/cors.py?run=message`],
  ["again", "run=status-reconnect&status=200"]]) {
  check(`another origin that allows it, ${what}`, async () => {
    const source = new EventSource(`${CROSS}/cors.py?${query}`, { withCredentials: true });
    const event = await next(source, "message");
    same([event.data, event.origin], ["data", new URL(CROSS).origin], "the event");
    source.close();
  });
}

for (const [what, url] of [["allows a third", `${CROSS}/cors.py?run=message&origin=http://example.org`],
  ["allows nothing", `${CROSS}/cors.py?run=message&origin=`], ["does not say", `${CROSS}/message.py`]]) {
  check(`another origin that ${what} is an error`, async () => same(await first(url), ["error", null, 2], "what came"));
}

for (const [what, fixture, asked] of [["short", "safe", "unasked"], ["of 255 bytes", "long", "asked"], ["unsafe", "unsafe", "asked"]]) {
  check(`an ID that is ${what} goes to another origin ${asked}`, async () => {
    const source = new EventSource(`${CROSS}/cors-unsafe-last-event-id.py?token=${token()}&fixture=${fixture}`);
    same((await next(source, "message")).data, fixture, "at first");
    const { type, data } = await next(source, "success", "failure");
    same(type, "success", data);
    source.close();
  });
}

check("the end of a stream is an error, and a new connection", async () => {
  const source = new EventSource(`${RESOURCES}/status-reconnect.py?status=200&ok_first&id=${token()}`);
  const seen = [];
  while (seen.length < 5) {
    const { type, data } = await next(source, "open", "message", "error");
    seen.push([type, data ?? null, source.readyState]);
  }
  source.close();
  same(seen, [["open", null, 1], ["message", "ok", 1], ["error", null, 0], ["open", null, 1], ["message", "data", 1]], "what came");
});

check("204 on a new connection ends it for good", async () => {
  const source = new EventSource(`${RESOURCES}/reconnect-fail.py?id=${token()}`);
  const seen = [];
  while (source.readyState !== 2) seen.push((await next(source, "message", "error")).data ?? source.readyState);
  same(seen, ["opened", 0, "reconnected", 0, 2], "what came");
});

check("a connection counts as long as it is open", async () => {
  const address = `${RESOURCES}/bfcache-counter.py?token=${token()}`;
  const open = async () => (await (await fetch(`${address}&query=1`)).json()).count;
  const sources = [new EventSource(address), new EventSource(address)];
  for (const source of sources) same((await next(source, "message")).data, "opened", "the event");
  same(await open(), 2, "the count");
  sources[0].close();
  while (await open() !== 1);
  sources[1].close();
  while (await open() !== 0);
});

async function frame() {
  const it = document.createElement("iframe");
  it.src = "/own/frame.html";
  document.body.append(it);
  await next(it, "load");
  return it;
}

check("an address is taken by the window whose constructor it is", async () => {
  const it = await frame();
  const source = new it.contentWindow.EventSource("x");
  source.close();
  same(source.url, new URL("x", it.contentWindow.location.href).href, "url");
  it.remove();
});

check("an event is of the window whose constructor it is", async () => {
  const it = await frame();
  const source = new it.contentWindow.EventSource(`${RESOURCES}/message.py`);
  const event = await next(source, "message");
  same([event instanceof it.contentWindow.MessageEvent, event instanceof MessageEvent], [true, false], "whose it is");
  source.close();
  it.remove();
});

check("a stream that its page stops waiting for is not heard of again", async () => {
  const it = await frame();
  const source = new it.contentWindow.EventSource(`${RESOURCES}/message.py?sleep=1000`);
  const heard = next(source, "open", "message").then(() => "something");
  await sleep(200);
  it.contentWindow.stop();
  same(await Promise.race([heard, sleep(2000)]), undefined, "what was heard");
  it.remove();
});
