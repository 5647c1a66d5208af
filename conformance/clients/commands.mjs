// Clients that are processes: curl, and Python's.
import { randomUUID } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { createParser } from "eventsource-parser";
import { end, start } from "../harness/processes.mjs";
import { PAUSE_MS, loop, sseUrl } from "./readers.mjs";

const headerArgs = (headers = {}) => Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);

/** One curl to its end: its status, and its output as it comes. */
async function curl(args, take, started = () => {}) {
  const child = start("curl", ["-sS", "--connect-timeout", "5", "-w", "%{stderr}status %{http_code} over %{http_version}\n", ...args]);
  started(child);
  let said = "";
  child.stdout.setEncoding("utf8").on("data", take);
  child.stderr.setEncoding("utf8").on("data", (text) => { said += text; });
  await child.ended;
  const [, status = 0, version = "0"] = /^status (\d+) over (\S+)$/m.exec(said) ?? [];
  return { status: Number(status), version, code: child.exitCode, said };
}

/** `curl -N`, again with the last ID after each end. */
export function curlSse(notes, options) {
  const gone = new AbortController();
  let child = null;
  let last = null;
  loop(notes, gone.signal, async () => {
    let isOpen = false;
    const parser = createParser({ onEvent: (event) => {
      last = event.id ?? last;
      notes.event({ ...event, id: last });
    } });
    const take = (text) => {
      if (!isOpen) notes.take("open");
      isOpen = true;
      parser.feed(text);
    };
    const since = last === null ? [] : ["-H", `Last-Event-ID: ${last}`];
    const { status, version } = await curl(["-N", ...since, ...headerArgs(options.headers), sseUrl(options)], take, (it) => { child = it; });
    notes.spoke(version);
    return status === 204;
  });
  return async () => { gone.abort(); await end(child); };
}

/** One curl a poll; the cursor is the whole session. */
export function curlPoll(notes, options) {
  const gone = new AbortController();
  let child = null;
  let cursor = null;
  const poll = async (wait) => {
    const since = cursor === null ? "" : `&cursor=${cursor}`;
    const url = `${options.base}/v1/poll?channel=${encodeURIComponent(options.channel)}&wait=${wait}${since}`;
    let text = "";
    const { status, version } = await curl(["-i", ...headerArgs(options.headers), url], (piece) => { text += piece; }, (it) => { child = it; });
    const [head, body] = [text.slice(0, text.indexOf("\r\n\r\n")), text.slice(text.indexOf("\r\n\r\n") + 4)];
    notes.spoke(version);
    if (status !== 200 && status !== 204) throw new Error(`status ${status}`);
    if (status === 200 && body === "") throw new Error("no body");
    cursor = /^sockeye-cursor: (.*?)\r?$/im.exec(head)?.[1] ?? null;
    if (cursor === null) throw new Error("an answer without a cursor");
    return status === 204 ? null : JSON.parse(body);
  };
  loop(notes, gone.signal, async () => {
    while (cursor === null) {
      await poll(0);
      notes.take("open");
    }
    for (;;) {
      const answer = await poll(options.wait ?? 20);
      if (answer === null) { notes.take("quiet"); continue; }
      for (const it of answer.messages) notes.take("message", { id: it.cursor, data: it.data });
      for (const it of answer.gaps) notes.take("gap", it);
      if (answer.ended.length > 0) {
        notes.take("end");
        notes.take("done", { why: "ended" });
        gone.abort();
        return false;
      }
    }
  });
  return async () => { gone.abort(); await end(child); };
}

/** Publishes a file's bytes with curl; its receipt. */
export async function curlPublish(url, data, headers, dir) {
  const file = path.join(dir, `body-${randomUUID()}`);
  writeFileSync(file, data);
  let text = "";
  try {
    const { status, said } = await curl(["--max-time", "20", "--data-binary", `@${file}`, ...headerArgs({ "Content-Type": "text/plain", ...headers }), url],
      (piece) => { text += piece; });
    if (status !== 200) throw new Error(`publishing with curl: ${said.trim()} ${text}`);
    return JSON.parse(text);
  } finally {
    rmSync(file);
  }
}

/** The status that curl is given, and the body. */
export async function curlStatus(args) {
  let text = "";
  const { status } = await curl(["--max-time", "10", ...args], (piece) => { text += piece; });
  return { status, text };
}

/** client.py with one of its clients. */
export function python(client, dir) {
  return (notes, options) => {
    const settings = JSON.stringify({ client, pause: PAUSE_MS / 1000, ...options });
    const child = start(path.join(dir, "venv/bin/python"), [path.join(dir, "client.py"), settings], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, WEBSOCKETS_BACKOFF_INITIAL_DELAY: "0.3", WEBSOCKETS_BACKOFF_MIN_DELAY: "0.3" },
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { kind, ...detail } = JSON.parse(line);
      notes.take(kind, detail);
    });
    child.ended.then(() => { if (!notes.isStopped && notes.done === null) notes.take("exit", { code: child.exitCode }); });
    notes.ping = () => child.stdin.write("ping\n");
    return async () => { notes.isStopped = true; await end(child); };
  };
}
