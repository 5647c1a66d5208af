// The server under test: started on a fixed port, ended by its process id.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { listening } from "./ports.mjs";

const START_MS = 10_000;
const END_MS = 20_000; // longer than a drain by default

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
    await listening("the server", child, this.port, START_MS);
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
