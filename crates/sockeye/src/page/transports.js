// Four ways to read a channel. Each function opens one connection from the reader's cursor, tells the
// reader what comes, and gives a function that closes it. What may come after that, or after `lost`
// and `stop`, the reader does not hear.
//
// A reader has: channel, cursor; live(), message(m), gap(g), synced(s), at(cursor), ended(),
// away(text), lost(text, retryMs), stop(text).

import { socketOrigin } from "./common.js";

const SHORT_POLL_MS = 1_000;
const LONG_POLL_S = 25;
/** Least time between the requests of a long poll that gets nothing: a server that goes away answers at once. */
const EMPTY_POLL_MS = 1_000;
/** How much later than promised an answer may be. */
const GRACE_MS = 10_000;

export const transports = {
  "websocket": webSocket,
  "sse": eventSource,
  "long-poll": (reader) => poll(reader, LONG_POLL_S, 0),
  "short-poll": (reader) => poll(reader, 0, SHORT_POLL_MS),
};

/** What a code of `goaway` and of a Close frame asks for (docs/protocol.md, "Ends and close codes"). */
const isFinal = (code) => (code >= 4000 && code < 4100) || (code >= 4300 && code < 4400);

function webSocket(reader) {
  const socket = new WebSocket(`${socketOrigin}/v1/ws`, "sockeye.v1.json");
  let retryMs;
  const hear = {
    message: (said) => reader.message(said),
    gap: (said) => reader.gap(said),
    sync: (said) => reader.synced(said),
    end: () => reader.ended(),
    error: (said) => reader.stop(said.message),
    goaway: (said) => { retryMs = said.retry_ms; },
  };
  socket.addEventListener("open", () => {
    const { channel, cursor } = reader;
    socket.send(JSON.stringify({ type: "subscribe", channels: [channel], cursor }));
  });
  socket.addEventListener("message", (event) => {
    const said = JSON.parse(event.data);
    hear[said.type]?.(said); // types that come later are not for us
  });
  socket.addEventListener("close", ({ code, reason }) => {
    const text = `${code}${reason ? ` ${reason}` : ""}`;
    if (isFinal(code)) reader.stop(text);
    else reader.lost(text, retryMs);
  });
  return () => {
    // Closing it before it is open would be told on the console as a failure.
    if (socket.readyState === WebSocket.CONNECTING) socket.addEventListener("open", () => socket.close(1000));
    else socket.close(1000);
  };
}

/** The browser comes back by itself, with the ID of the last event as its cursor. */
function eventSource(reader) {
  const { channel, cursor } = reader;
  const source = new EventSource(`/v1/sse?${new URLSearchParams({ channel, cursor, envelope: "json" })}`);
  const on = (name, hear) =>
    source.addEventListener(name, (event) => hear(JSON.parse(event.data), event.lastEventId));
  on("message", (said, id) => reader.message({ ...said, cursor: id }));
  on("$gap", (said) => reader.gap(said));
  on("$sync", (said) => reader.synced(said));
  on("$end", () => reader.ended());
  on("$error", (said) => reader.stop(said.message));
  on("$goaway", (said) => { if (isFinal(said.code)) reader.stop(`${said.code} ${said.reason}`); });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) reader.lost("refused");
    else reader.away("the browser reconnects");
  });
  return () => source.close();
}

/** One request after the other, each with the cursor that the one before answered. */
function poll(reader, waitS, pauseMs) {
  const closing = new AbortController();
  const run = async () => {
    let tag, wait = 0; // the first answer comes at once, and shows that the line is there
    while (!closing.signal.aborted) {
      const asked = performance.now();
      const query = new URLSearchParams({ channel: reader.channel, cursor: reader.cursor, wait });
      const response = await fetch(`/v1/poll?${query}`, {
        cache: "no-store",
        headers: tag && wait === 0 ? { "If-None-Match": tag } : {},
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(wait * 1000 + GRACE_MS)]),
      });
      if (response.status >= 400) return refused(reader, response);
      const body = response.status === 200 ? await response.json() : undefined;
      take(reader, body, response.headers.get("Sockeye-Cursor"));
      tag = response.headers.get("ETag");
      if (body?.more) continue;
      const isTooSoon = wait > 0 && !body?.messages.length && performance.now() - asked < EMPTY_POLL_MS;
      wait = waitS;
      await pause(isTooSoon ? EMPTY_POLL_MS : pauseMs, closing.signal);
    }
  };
  run().catch((error) => reader.lost(error.name === "TimeoutError" ? "no answer" : "no connection"));
  return () => closing.abort();
}

function take(reader, body, cursor) {
  for (const gap of body?.gaps ?? []) reader.gap(gap);
  for (const message of body?.messages ?? []) reader.message(message);
  if (cursor) reader.at(cursor);
  if (body?.sync) reader.synced(body.sync);
  if (!body?.more) reader.live();
  if (body?.ended.length > 0) reader.ended();
}

async function refused(reader, response) {
  const retry = Number(response.headers.get("Retry-After"));
  if (response.status === 429 || response.status >= 500) {
    reader.lost(`status ${response.status}`, retry * 1000 || undefined);
  } else {
    const { error } = await response.json();
    reader.stop(error.message);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
