// A small harness: a script names its checks, and they are run, three at a time, once it has.
// In a window it reports to the windows above, in a worker to whoever started it.
"use strict";

const CHECK_MS = 15000;
const WIDTH = 3;
const checks = [];

function check(name, run) {
  checks.push({ name, run });
}

function same(got, want, what) {
  const [a, b] = [got, want].map((it) => JSON.stringify(it) ?? String(it));
  if (a !== b) throw new Error(`${what} is ${a}, not ${b}`);
}

function throws(name, run) {
  try {
    run();
  } catch (error) {
    return same(error.name, name, "what was thrown");
  }
  throw new Error(`nothing was thrown, ${name} should have been`);
}

/** The next event of one of these types. */
function next(target, ...types) {
  return new Promise((resolve) => {
    const heard = (event) => {
      for (const type of types) target.removeEventListener(type, heard);
      resolve(event);
    };
    for (const type of types) target.addEventListener(type, heard);
  });
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function within(ms, promise) {
  const late = sleep(ms).then(() => { throw new Error(`nothing came for ${ms} ms`); });
  return Promise.race([promise, late]);
}

async function runOne({ name, run }) {
  try {
    await within(CHECK_MS, run());
    return { name, status: 0, message: "" };
  } catch (error) {
    return { name, status: 1, message: String(error?.message ?? error) };
  }
}

async function runAll() {
  const results = [];
  const lane = async () => {
    for (let it = checks.shift(); it; it = checks.shift()) results.push(await runOne(it));
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
  return results;
}

// A worker that is shared is asked by each of its clients; the others know theirs.
const begin = typeof window === "undefined" ? sleep(0) : next(window, "load");
const results = begin.then(runAll);
if (typeof window !== "undefined") {
  // A page without checks of its own reports by itself, or not at all.
  results.then((tests) => tests.length > 0 && parent.completion_callback(tests, { status: 0, message: "" }));
} else if (typeof SharedWorkerGlobalScope !== "undefined") {
  self.onconnect = (event) => results.then((tests) => event.ports[0].postMessage(tests));
} else {
  results.then((tests) => postMessage(tests));
}
