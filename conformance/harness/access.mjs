// The credentials of a suite: what the program is configured with, and what clients show it.
import { createHash, createHmac } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";

const API_KEY = "suite-key-0123456789abcdef";
const JWT_SECRET = "suite-secret-0123456789abcdef0123456789";
const TICKET_SECRET = "suite-tickets-0123456789abcdef0123456789";

/** The headers by which a backend may do everything. */
export const BACKEND = { Authorization: `ApiKey ${API_KEY}` };

/** The tables of a configuration file in `dir`: everybody may read `public:>`, everything else needs credentials. */
export function guarded(dir, origin, { cookie } = {}) {
  writeFileSync(path.join(dir, "jwt.secret"), JWT_SECRET);
  writeFileSync(path.join(dir, "ticket.secret"), TICKET_SECRET);
  return `
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
${cookie === undefined ? "" : `cookie = "${cookie}"\n`}
[[access.jwt.keys]]
algorithm = "HS256"
file = "jwt.secret"

[access.tickets]
secret_file = "ticket.secret"
`;
}

/** A user's token. */
export function token({ seconds = 600, channels = ["private:>"], publish = [] } = {}) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "suite", aud: "sockeye", sub: "u1", iat: now, exp: now + seconds, channels, publish };
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", JWT_SECRET).update(text).digest("base64url")}`;
}

/** A ticket for `body`, from the server at `base`. */
export async function ticket(base, body) {
  const response = await fetch(`${base}/v1/tickets`, {
    method: "POST", headers: BACKEND, body: JSON.stringify(body), signal: AbortSignal.timeout(5_000),
  });
  if (response.status !== 200) throw new Error(`a ticket: ${response.status} ${await response.text()}`);
  return (await response.json()).ticket;
}
