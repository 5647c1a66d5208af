// The server under test: started on a fixed port, ended by its process id.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const START_MS = 10_000;
const END_MS = 20_000; // longer than a drain by default

export async function freePort() {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}

export class Server {
  /** `flags` are further ones of `serve`. */
  constructor(binary, port, logFile, flags = []) {
    Object.assign(this, { binary, port, flags, log: openSync(logFile, "w"), child: null });
  }

  async start() {
    const child = spawn(this.binary, ["serve", "--listen", `127.0.0.1:${this.port}`, ...this.flags],
      { stdio: ["ignore", this.log, this.log] });
    this.child = child;
    this.ended = once(child, "exit");
    for (const late = Date.now() + START_MS; Date.now() < late; await sleep(20)) {
      if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}`);
      if (await accepts(this.port)) return;
    }
    throw new Error("the server does not listen");
  }

  async end(signal = "SIGTERM") {
    if (this.child === null) return;
    const child = this.child;
    this.child = null;
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
    await this.ended;
    clearTimeout(late);
  }
}
