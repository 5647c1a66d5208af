// A server and the way to it: nothing, or a proxy before it.
import { createHmac, createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { freePort } from "../harness/ports.mjs";
import { end } from "../harness/processes.mjs";
import { Sockeye } from "../harness/sockeye.mjs";
import { Proxy } from "./proxies.mjs";

const API_KEY = "clients-suite-key-0123456789abcdef";
const JWT_SECRET = "clients-suite-secret-0123456789abcdef0123456789";
const TICKET_SECRET = "clients-suite-tickets-0123456789abcdef0123456789";

/** Room to resume what came in some seconds at 200 a second. */
const ROOM = "[limits]\nreplay_messages = 5000\nreplay_bytes = 16777216\n";
const CHANNELS = "[channels]\nhistory_messages = 10000\nhistory_bytes = 16777216\n";

const guarded = (origin) => `${ROOM}
${CHANNELS}
[access]
subscribe = ["public:>"]
origins = ["${origin}"]

[[access.api_keys]]
name = "suite"
sha256 = "${createHash("sha256").update(API_KEY).digest("hex")}"
subscribe = [">"]
publish = [">"]
tickets = [">"]

[access.jwt]
issuer = "suite"
audience = "sockeye"
cookie = "session"

[[access.jwt.keys]]
algorithm = "HS256"
file = "jwt.secret"

[access.tickets]
secret_file = "ticket.secret"
`;

export class House {
  static async build({ way, binary, out, docs }) {
    const house = Object.assign(new House(), { way, out, dir: path.join(out, `house-${way}`) });
    rmSync(house.dir, { recursive: true, force: true });
    mkdirSync(house.dir, { recursive: true });
    writeFileSync(path.join(house.dir, "jwt.secret"), JWT_SECRET);
    writeFileSync(path.join(house.dir, "ticket.secret"), TICKET_SECRET);
    const upstream = await freePort();
    const port = way === "direct" ? upstream : await freePort();
    house.direct = `http://127.0.0.1:${upstream}`;
    house.base = `http://127.0.0.1:${port}`;
    house.proxy = way === "direct" ? null : new Proxy(way, { docs, out, port, upstream, admin: await freePort() });
    house.server = new Sockeye(binary, upstream, path.join(house.dir, "server.log"));
    return house;
  }

  backend = { Authorization: `ApiKey ${API_KEY}` };

  /** With credentials, and a log on disk. */
  async open() {
    writeFileSync(path.join(this.dir, "guarded.toml"), guarded(this.base));
    this.server.flags = ["--config", path.join(this.dir, "guarded.toml"), "--data", path.join(this.dir, "data")];
    await this.server.start();
    await this.proxy?.start();
  }

  /** Open to everybody, with a sign of life each second and a proxy that waits for `idle` seconds. */
  async openIdle(idle) {
    await this.end();
    const beat = process.env.HEARTBEAT ?? 1;
    writeFileSync(path.join(this.dir, "idle.toml"), `[limits]\nheartbeat_seconds = ${beat}\nping_seconds = ${beat}\n`);
    this.server.flags = ["--config", path.join(this.dir, "idle.toml")];
    await this.server.start();
    await this.proxy?.start(idle);
  }

  /** A user's token. */
  token() {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: "suite", aud: "sockeye", sub: "u1", iat: now, exp: now + 3600, channels: ["private:>"], publish: [] };
    const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", JWT_SECRET).update(text).digest("base64url")}`;
  }

  async ticket() {
    const response = await fetch(`${this.base}/v1/tickets`, {
      method: "POST", headers: this.backend, body: JSON.stringify({ user: "u1", channels: ["private:>"] }),
      signal: AbortSignal.timeout(5_000),
    });
    if (response.status !== 200) throw new Error(`a ticket: status ${response.status}`);
    return (await response.json()).ticket;
  }

  async end() {
    await end(this.proxy?.child);
    await this.server.end();
  }
}
