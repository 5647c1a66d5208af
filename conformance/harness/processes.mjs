// Processes of a suite: each leads a group of its own, which ends at the latest with the suite.
import { spawn } from "node:child_process";
import { once } from "node:events";

const groups = new Set();

export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, ...options });
  child.on("error", () => {}); // told by its exit code, which stays null, and by `ended`
  if (child.pid !== undefined) groups.add(child.pid);
  child.ended = once(child, "close").catch(() => {}).then(() => groups.delete(child.pid));
  return child;
}

/** Ends the whole group: an nginx without its master goes on serving. */
export async function end(child, signal = "SIGKILL") {
  if (child?.pid === undefined || !groups.has(child.pid)) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended meanwhile.
  }
  await child.ended;
}

process.on("exit", () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
});
for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]]) {
  process.on(signal, () => process.exit(status));
}
