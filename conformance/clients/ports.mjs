// Ports on the loopback interface.
import { once } from "node:events";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const WAIT_MS = 15_000;

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

export async function listening(name, child, port) {
  for (const late = Date.now() + WAIT_MS; Date.now() < late; await sleep(20)) {
    if (child.exitCode !== null || child.pid === undefined) break;
    if (await accepts(port)) return;
  }
  throw new Error(`${name} does not listen: see its log`);
}
