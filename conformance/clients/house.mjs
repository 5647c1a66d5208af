// A server and the way to it: nothing, TLS with HTTP/2, or a proxy before it.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as access from "../harness/access.mjs";
import { freePort } from "../harness/ports.mjs";
import { end } from "../harness/processes.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { KINDS, Proxy } from "./proxies.mjs";

const CHANNELS = "[channels]\nhistory_messages = 10000\nhistory_bytes = 16777216\n";

export class House {
  static async build({ way, binary, out, docs }) {
    const house = Object.assign(new House(), { way, out, dir: path.join(out, `house-${way}`) });
    rmSync(house.dir, { recursive: true, force: true });
    mkdirSync(house.dir, { recursive: true });
    const upstream = await freePort();
    house.proxy = way in KINDS
      ? new Proxy(way, { docs, out, port: await freePort(), upstream, admin: await freePort() })
      : null;
    const scheme = way === "tls" ? "https" : "http";
    house.direct = `${scheme}://127.0.0.1:${upstream}`;
    house.base = `${scheme}://127.0.0.1:${house.proxy?.port ?? upstream}`;
    house.tls = way === "tls" ? ["--cert", path.join(out, "cert/cert.pem"), "--key", path.join(out, "cert/key.pem")] : [];
    house.server = new Sockeye(binary, upstream, path.join(house.dir, "server.log"));
    return house;
  }

  backend = access.BACKEND;

  /** With credentials, and a log on disk. */
  async open() {
    const tables = access.guarded(this.dir, this.base, { cookie: "session" });
    writeFileSync(path.join(this.dir, "guarded.toml"), CHANNELS + tables);
    this.server.flags = ["--config", path.join(this.dir, "guarded.toml"), "--data", path.join(this.dir, "data"), ...this.tls];
    await this.server.start();
    await this.proxy?.start();
  }

  /** Open to everybody, with a sign of life each second and a proxy that waits for `idle` seconds. */
  async openIdle(idle) {
    await this.end();
    const beat = process.env.HEARTBEAT ?? 1;
    writeFileSync(path.join(this.dir, "idle.toml"), `[limits]\nheartbeat_seconds = ${beat}\nping_seconds = ${beat}\n`);
    this.server.flags = ["--config", path.join(this.dir, "idle.toml"), ...this.tls];
    await this.server.start();
    await this.proxy?.start(idle);
  }

  token() {
    return access.token({ seconds: 3600 });
  }

  ticket() {
    return access.ticket(this.base, { user: "u1", channels: ["private:>"] });
  }

  async end() {
    await end(this.proxy?.child);
    await this.server.end();
  }
}
