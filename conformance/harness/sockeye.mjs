// The program under test: a real process on a fixed port, which can be ended and started again.
import { closeSync, openSync } from "node:fs";
import { end, start } from "./processes.mjs";
import { listening } from "./ports.mjs";

const END_MS = 60_000; // longer than a drain by default

export class Sockeye {
  /** `flags` are further ones of `serve`. Output is appended to `log`. */
  constructor(binary, port, log, flags = []) {
    Object.assign(this, { binary, port, log, flags, child: null });
  }

  async start() {
    const log = openSync(this.log, "a");
    const args = ["serve", "--listen", `127.0.0.1:${this.port}`, ...this.flags];
    this.child = start(this.binary, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    await listening("sockeye", this.child, this.port);
  }

  /** Sends the signal and waits for the end, which is forced if it takes too long. */
  async end(signal = "SIGKILL") {
    const late = setTimeout(() => end(this.child), END_MS);
    await end(this.child, signal);
    clearTimeout(late);
  }
}
