// Two nodes on one log behind HAProxy, in Chromium: the four panes go on while a node is killed.
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, listening } from "../harness/ports.mjs";
import { end, start } from "../harness/processes.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { substitute } from "../harness/substitute.mjs";
import { Watch, check, same, until } from "./checks.mjs";
import { Panes, publishElsewhere, received, texts } from "./hub.mjs";

/** Milliseconds between two messages while a node is away. */
const INTERVAL_MS = 50;

/** Knows what HAProxy answers for a node that was killed in the middle of an answer. */
class NodesWatch extends Watch {
  expected(message, origin) {
    const text = "Failed to load resource: the server responded with a status of 502 (Bad Gateway)";
    const isPoll = message.location().url.startsWith(`${origin}/v1/poll?`);
    return (this.restarting && isPoll && message.text() === text) || super.expected(message, origin);
  }
}

/** Redis, two nodes on it, and HAProxy before them with the configuration of docs/proxies. */
class Cluster {
  constructor(binary, out, proxies) {
    Object.assign(this, { binary, out, proxies, place: path.join(out, "nodes"), children: [], nodes: [] });
  }

  async begin() {
    rmSync(this.place, { recursive: true, force: true });
    mkdirSync(this.place, { recursive: true });
    const [redis, ...ports] = [await freePort(), await freePort(), await freePort()];
    const flags = ["--bind", "127.0.0.1", "--port", `${redis}`, "--appendonly", "yes", "--appendfsync", "always"];
    await this.child("redis-server", [...flags, "--dir", this.place], redis);
    for (const [at, port] of ports.entries()) {
      const backbone = ["--backbone", `redis://127.0.0.1:${redis}`];
      const node = new Sockeye(this.binary, port, path.join(this.out, `node-${at}.log`), backbone);
      await node.start();
      this.nodes.push(node);
    }
    const clients = await freePort();
    const file = path.join(this.place, "haproxy.cfg");
    writeFileSync(file, this.configuration(clients, ports));
    await this.child("haproxy", ["-db", "-f", file], clients);
    this.origin = `http://127.0.0.1:${clients}`;
    await until("both nodes", async () => (await Promise.all(this.nodes.map(ready))).every(Boolean));
  }

  /** The documented file, with these ports, without the third node, and for fewer descriptors. */
  configuration(clients, nodes) {
    const documented = readFileSync(path.join(this.proxies, "nodes-haproxy.cfg"), "utf8");
    const two = documented.replaceAll(/^ *server three .*\n/gm, "");
    return substitute(two, [
      ["127.0.0.1:8000", `127.0.0.1:${clients}`],
      ["127.0.0.1:8081", `127.0.0.1:${nodes[0]}`, 4],
      ["127.0.0.1:8082", `127.0.0.1:${nodes[1]}`, 4],
      ["maxconn 10000", "maxconn 1000"],
    ]);
  }

  async child(command, args, port) {
    const log = openSync(path.join(this.out, `${command}.log`), "a");
    const child = start(command, args, { stdio: ["ignore", log, log] });
    this.children.push(child);
    await listening(command, child, port);
  }

  async end() {
    await Promise.all(this.nodes.map((node) => node.end("SIGTERM")));
    await Promise.all(this.children.map((child) => end(child, "SIGTERM")));
  }
}

const address = (node) => `http://127.0.0.1:${node.port}`;
const ready = (node) => fetch(`${address(node)}/readyz`).then(({ status }) => status === 200, () => false);

/** The streams that a node has, as it counts them. */
async function streams(node) {
  const text = await (await fetch(`${address(node)}/metrics`)).text();
  const counts = [...text.matchAll(/^sockeye_streams\{[^}]*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Publishes at the other node, each message after the one before, until `action` is over. */
async function publishMeanwhile(node, name, sent, action) {
  let over = false;
  const acting = action().finally(() => { over = true; });
  acting.catch(() => {}); // told at the end, or hidden by what went wrong here
  for (let number = 1; !over; number += 1) {
    const text = `${name} ${number}`;
    await publishElsewhere(address(node), "news", text);
    sent.push(text);
    await sleep(INTERVAL_MS);
  }
  await acting;
}

async function checkKill(panes, watch, [node, other], sent) {
  await check(`node at ${node.port} is killed while the one at ${other.port} publishes: the four panes go on`, async () => {
    await panes.live("complete");
    const lost = await streams(node);
    if (lost === 0) throw new Error("the node that is killed has no stream");
    watch.restarting = true;
    await publishMeanwhile(other, `without ${node.port},`, sent, async () => {
      await sleep(500);
      await node.end("SIGKILL");
      await sleep(1_000);
      await panes.each("messages of the other node", (pane) => pane.state === "live" && texts(pane).length > sent.length - 5);
      await node.start();
      await until("the node", () => ready(node));
    });
    const seen = await panes.each("all of it", (pane) => pane.state === "live" && texts(pane).length >= sent.length);
    watch.restarting = false;
    same(seen.flatMap((pane) => pane.rows.filter((row) => row.kind === "gap")).length, 0, "the number of gaps");
    return `${lost} streams lost; ${received(await panes.live("complete"), sent)}`;
  });
}

export async function checkNodes(browser, binary, out, proxies) {
  const cluster = new Cluster(binary, out, proxies);
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  try {
    await cluster.begin();
    const watch = new NodesWatch(page, cluster.origin);
    const panes = new Panes(page);
    const sent = ["the first"];
    await page.goto(`${cluster.origin}/`);
    await check("four panes behind HAProxy, with two nodes", async () => {
      await panes.live("complete");
      await panes.publish(...sent);
      await panes.each("the first message", (pane) => texts(pane).length === sent.length);
      return received(await panes.live("complete"), sent);
    });
    // Then all streams are at the other one.
    const [one, two] = cluster.nodes;
    const order = (await streams(one)) > 0 ? [one, two] : [two, one];
    await checkKill(panes, watch, order, sent);
    await checkKill(panes, watch, order.toReversed(), sent);
    await check("nothing unexpected on the console of a page behind HAProxy", () => watch.none());
  } finally {
    await page.close();
    await cluster.end();
  }
}
