// What has to hold of what a client was given, and how it is counted.
import { setTimeout as sleep } from "node:timers/promises";

export const tally = { passed: 0, failed: 0 };

export async function until(what, wait_ms, probe) {
  for (const late = Date.now() + wait_ms; ; await sleep(20)) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > late) throw new Error(`${what}: not within ${wait_ms / 1000} s`);
  }
}

export function report(name, problem, detail = "") {
  if (problem === null) tally.passed += 1;
  else tally.failed += 1;
  console.log(problem === null ? `ok   ${name}${detail && `: ${detail}`}` : `FAIL ${name}: ${problem}`);
}

export async function check(name, action) {
  try {
    report(name, null, (await action()) ?? "");
  } catch (error) {
    report(name, error.message.split("\n")[0]);
  }
}

const bare = (id) => String(id).split("~")[0];
const short = (message) => message === undefined ? "nothing" : `${bare(message.id ?? message.cursor)} ${JSON.stringify(message.data.slice(0, 20))}`;

/** What the log has, by its own numbers. */
export function inOrder(receipts) {
  return receipts.toSorted((a, b) => a.seq - b.seq);
}

/** Exactly these, in this order, by ID and by content; null, or what is wrong. */
export function compare(messages, receipts) {
  const want = inOrder(receipts);
  for (let i = 0; i < Math.max(messages.length, want.length); i += 1) {
    const [got, due] = [messages[i], want[i]];
    if (got === undefined || due === undefined || bare(got.id) !== due.cursor || got.data !== due.data) {
      return `message ${i} of ${want.length} is ${short(got)}, not ${short(due)}; ${messages.length} came`;
    }
  }
  return null;
}

export function fault(notes) {
  if (notes.wrong !== null) return notes.wrong;
  if (notes.gaps.length > 0) return `a gap was declared: ${JSON.stringify(notes.gaps[0])}`;
  return null;
}
