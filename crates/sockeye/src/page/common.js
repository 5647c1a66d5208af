// What the other scripts share: finding elements, filling them, and writing numbers.

export const byId = (id) => document.querySelector(`[data-testid="${id}"]`);

export function fill(name, text) {
  for (const node of document.querySelectorAll(`[data-fill="${name}"]`)) node.textContent = text;
}

export const ms = (value) =>
  value === undefined ? "–" : `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;

export const bytes = (count) =>
  count < 1024 ? `${count} B` :
  count < 1048576 ? `${+(count / 1024).toFixed(1)} KiB` : `${+(count / 1048576).toFixed(1)} MiB`;

/** The same host, as a WebSocket is asked for it. */
export const socketOrigin = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

async function askNeeded() {
  if (!byId("trust")) return {};
  const { authority, credential } = await (await fetch("/page/needed.json")).json();
  const isSecure = location.protocol === "https:";
  byId("trust").hidden = !isSecure || authority !== null;
  byId("trusted").hidden = !isSecure || authority === null;
  byId("needs-key").hidden = credential !== "ApiKey";
  byId("needs-token").hidden = credential !== "Bearer";
  return { authority: isSecure ? authority : null, credential };
}

/** What the commands of the page need: the authority of a certificate for development, and the scheme of a credential. */
export const needed = askNeeded().catch(() => ({}));

/** The option, with a space behind it, by which a command trusts a certificate for development. */
export const trust = needed.then(({ authority }) => authority ? `--cacert ${quoted(authority)} ` : "");

export function badge(node, state, text) {
  if (node.dataset.state !== state) node.dataset.state = state;
  if (node.textContent !== text) node.textContent = text;
}

export function element(name, className, text) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.textContent = text;
  return node;
}

/** The next of 1, 2, 5, 10, … at or above `value`, so that an axis seldom moves. */
export function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(value, .01)));
  return [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= value - 1e-9);
}
