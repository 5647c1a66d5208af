// Ports on the loopback interface.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A port below those that the system gives to outgoing connections: none takes it before its server does. */
export async function freePort() {
  for (;;) {
    const probe = net.createServer();
    try {
      await once(probe.listen(10_000 + Math.floor(Math.random() * 20_000), "127.0.0.1"), "listening");
    } catch {
      continue; // It is taken.
    }
    const { port } = probe.address();
    probe.close();
    await once(probe, "close");
    return port;
  }
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => { socket.destroy(); resolve(true); });
    socket.once("error", () => resolve(false));
  });
}

/** Waits, for so long, until a process that was started listens. */
export async function listening(name, child, port, waitMs = 15_000) {
  for (const late = Date.now() + waitMs; Date.now() < late; await sleep(20)) {
    if (child.exitCode !== null || child.pid === undefined) break;
    if (await accepts(port)) return;
  }
  throw new Error(`${name} does not listen: see its log`);
}
