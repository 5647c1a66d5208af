// The same checks in workers.
"use strict";

async function inWorker(kind, port) {
  const tests = await within(CHECK_MS * 4, next(port, "message"));
  if (tests.data.length < 40) throw new Error(`${tests.data.length} checks in a ${kind} worker`);
  return tests.data.map(({ name, status, message }) => ({ name: `${kind}: ${name}`, status, message }));
}

async function main() {
  const shared = new SharedWorker("/own/events.js").port;
  shared.start();
  const tests = await Promise.all([
    inWorker("shared", shared),
    inWorker("dedicated", new Worker("/own/events.js")),
  ]);
  parent.completion_callback(tests.flat(), { status: 0, message: "" });
}

main().catch((error) => parent.completion_callback([], { status: 1, message: String(error.message) }));
