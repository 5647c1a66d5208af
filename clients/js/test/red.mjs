// Shows that the tests can fail: breaks the module at one place after the other, and runs the test that has to notice.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const dir = path.join(here, "..", "js-red"); // beside the harness, as the tests are
const source = readFileSync(path.join(here, "sockeye.js"), "utf8");

/** What is broken; the text, and what stands in its place; the file, and the test that has to fail. */
const BREAKS = [
  ["a cursor one too far", "    this.cursor = cursor;\n    this.#place = to;", "    this.cursor = to ? `1${to.epoch}-${(to.seq + 1).toString(36)}` : cursor;\n    this.#place = to;", "node", "websocket.*texts, JSON|another client goes on"],
  ["the cursor is not sent again over WebSocket", "const cursor = (joined ? this.#ledger.cursor : start) ?? undefined;", "const cursor = joined ? undefined : start ?? undefined;", "node", "killed and started again under load, with a log"],
  ["the cursor is not sent to event streams and polls", "...cursor === null ? []", "...true ? []", "node", "another client goes on"],
  ["envelopes are not asked for", '[["envelope", "json"],', "[", "node", "texts, JSON"],
  ["gaps are not told", 'case "gap": return this.#gap(said);', 'case "gap": return undefined;', "node", "in memory: a gap|a cursor of another log"],
  ["retry_ms and Retry-After are passed over the second time", "return (askedMs ?? 0) + Math.random() * bound;\n", "return Math.random() * bound;\n", "hostile", "Retry-After"],
  ["the first wait is none", 'return askedMs ?? 0;', "return 0;", "node", "told to go"],
  ["an end is not told", "        this.#tell(this.#for(said.channel), { ...said, type });\n        if", "        if", "node", "a channel that ends"],
  ["nobody asks for ends before the cursor", "    if (asked.length === 0 || this.#wire.hasTickets) return;", "    return;", "node", "whose end is before the cursor"],
  ["a refusal is not told", 'this.#tell([it], { type: "refused"', 'void ([it], { type: "refused"', "node", "is forbidden is named"],
  ["one refused channel is taken for all", 'const isForAll = refusal.code.startsWith("too_many") ||', "const isForAll = true ||", "node", "is forbidden is named"],
  ["tokens are kept when they have expired", "    this.#held = null;\n    this.#reason = { reason, code };", "    this.#reason = { reason, code };", "node", "a token that expires"],
  ["tickets are kept", 'if (shown !== null && !("ticket" in shown)) this.#held', "if (shown !== null) this.#held", "node", "tickets: another"],
  ["it asks again without waiting", "  async #sleep(ms) {", "  async #sleep(ms) {\n    if (ms !== undefined) ms = 0;", "hostile", "does not spin"],
  ["credentials that are none do not stop it", 'if (shown === null && why.reason !== "first") throw', "if (false) throw", "node", "never good"],
  ["queues have no bound", "    return !this.#isOver && (this.#queue", "    return false && (this.#queue", "node", "a slow consumer|a consumer that stops"],
  ["what overflows is dropped", "    this.#queue.push({ item, before, chars });", "    if (this.#queue.length >= this.#bound.items) return;\n    this.#queue.push({ item, before, chars });", "node", "a slow consumer", "this.#line?.cut({ why: \"nobody takes what comes\", isOurs: true })", "void 0"],
  ["the cursor passes what waits", "      lower(before);\n", "", "node", "a consumer that stops"],
  ["what a name has had comes again", "const had = new Set(names.filter((it) => isWithin(at, it.at))", "const had = new Set(names.filter(() => false)", "node", "subscribing and leaving"],
  ["a name has had what only another one had", "if (this.#asked.size > 0 && this.#ledger.needsOne) return this.#socket.hangUp();", "", "node", "websocket.*subscribing and leaving|subscribing and leaving"],
  ["leaving is not said", "    if (!isSame) line.cut(", "    if (false) line.cut(", "node", "subscribing and leaving"],
  ["no other transport is tried", "    this.#tried.add(kind);\n", "", "node", "a WebSocket that is refused|are held back"],
  ["a WebSocket is not tried again", "    if (rank < 0 ||", "    if (true ||", "node", "as soon as there is one"],
  ["a WebSocket is tried again all the time", "      }, Math.max(0, until - performance.now()));", "      }, 20);", "node", "as soon as there is one", "if ((this.#blocked.get(\"websocket\")?.until ?? 0) > performance.now()) return arm();", ""],
  ["held-back event streams are waited for", "let timer = setTimeout(() => silent.abort(), openMs);", "let timer = setTimeout(() => {}, openMs);", "node", "are held back"],
  ["cut streams are taken again for ever", "strikes >= STRIKES ||", "", "node", "cut again and again"],
  ["the cursor starts anew with each transport", "  beginAsOne() {\n    this.begin();", "  beginAsOne() {\n    this.begin();\n    this.cursor = null;", "node", "one cursor through all"],
  ["pings are not sent, silence is not noticed", "    return setInterval(() => {\n", "    return setInterval(() => {\n      return;\n", "node", "falls silent"],
  ["silence is noticed where there is none", "        this.#socket.send({ type: \"ping\" });", "", "node", "falls silent"],
  ["publications have no key", "key === null ? undefined : key ?? newKey()", "key ?? undefined", "node", "under kills"],
  ["each try has another key", "return { receipt: /** @type {any} */ (await this.#request(\"publish\", [], { method: \"POST\", body })) };", "return { receipt: await this.#request(\"publish\", [], { method: \"POST\", body: JSON.stringify({ ...JSON.parse(body), key: newKey() }) }) };", "node", "a receipt, a refusal", "const talk = failures === 0 && isShort &&", "const talk = false &&"],
  ["long publications go over the WebSocket", "<= COMMAND_BYTES_MAX", "<= Infinity", "node", "a long one over websocket"],
  ["presence is not asked for", "presence: presence || undefined", "presence: undefined", "node", "who is there"],
  ["messages without a cursor are taken", 'if (!at) throw new Garbage("a message without a cursor");', "if (!at) return this.#tell(this.#all(), said);", "hostile", "nothing of it is delivered"],
  ["types are looked up as properties", "      default: return undefined;\n    }\n  }\n\n  #all()", "      default: return /** @type {any} */ (({}))[type](said);\n    }\n  }\n\n  #all()", "hostile", "only strange"],
  ["an event may be endless", "if (this.#chars > this.#charsMax)", "if (false)", "parser", "without end"],
  ["an answer may be endless", "if (text.length > max)", "if (false)", "hostile", "an answer without end"],
  ["another log is not noticed", "    this.#gap({ all: true, reason: \"epoch\" });", "", "hostile", "another log without a word"],
  ["old numbers count in a log that was cut off", "    if (isOther) for (const it of names) it.at = null;", "", "hostile", "was cut off"],
  ["cursors count before all is subscribed", "    if (joined) this.#ledger.holds = true;", "", "hostile", "between two answers", "    this.#ledger.holds = [...this.#commands.values()].some((it) => it.isOld);\n", ""],
  ["4000 to 4099 are taken as a cut", 'if (code >= 4000 && code < 4100) return "stop";', "", "hostile", "each close code"],
  ["4100 to 4199 come back soon", 'if (code >= 4100 && code < 4200) return "back off";', 'if (code >= 4100 && code < 4200) return "resume";', "hostile", "each close code"],
  ["4300 to 4399 are taken as a cut", 'if (code >= 4300 && code < 4400) return "renew";', "", "hostile", "each close code"],
  ["4200 to 4299 come back late", "|| (code >= 4200 && code < 4300)) return", ") return", "hostile", "each close code"],
  ["empty answers are asked again at once", "      if (!isFirst && (pollMs === 0 || isTooSoon)) await", "      if (false) await", "hostile", "do not make it spin"],
  ["more of nothing is believed", "      if (more && this.#ledger.cursor !== before) continue;", "      if (more) continue;", "hostile", "do not make it spin"],
  ["a retry_ms beyond reason is believed", "Math.min(value, max) : undefined", "value : undefined", "hostile", "beyond all reason"],
  ["any WebSocket will do", "        if (isWelcome && isKnown) {", "        if (isKnown) {", "hostile", "somebody else's"],
  ["hanging credentials are waited for", "Promise.race([credentials({ ...why, signal }), aborted(signal)])", "Promise.race([credentials({ ...why, signal })])", "hostile", "fail, hang or are none"],
  ["publications have no bound", "if (this.#publishing >= PUBLISHING_MAX)", "if (false)", "hostile", "More publications|more publications"],
  ["names are not checked", "if (typeof name !== \"string\" || name === \"\" || name.length > NAME_MAX)", "if (false)", "hostile", "called wrongly"],
  ["CR alone is no line end", "const LINE_ENDS = /\\r\\n?|\\n/g;", "const LINE_ENDS = /\\r?\\n/g;", "parser", "vectors"],
  ["CRLF across pieces are two line ends", '(this.#endsInCr && text[0] === "\\n")', "false", "parser", "every cut in two|in any pieces"],
  ["who has nothing to show is not asked again", "ticket\" in shown ? \"ticket\" : \"first\" }", "ticket\" in shown ? \"ticket\" : \"ticket\" }", "hostile", "nothing to show"],
  ["any refusal is about the channels", "return status === 403 || OF_CHANNELS.includes(problem.code) ?", "return true ?", "hostile", "another reason than its channels"],
  ["what came before the first cursor is behind it", "if (before === null) return null;", "", "hostile", "first items of all", "sub.push(it, cursor ?? begun, chars)", "sub.push(it, cursor, chars)"],
  ["who is closed waits for credentials", "within(this.#times.credentialsMs, this.#gone,", "within(this.#times.credentialsMs, undefined,", "closing", "while credentials|ends by itself"],
  ["what nobody wants is requested", '    if (line.signal.aborted) return { why: "cut", isOurs: true };\n    return line.kind', "    return line.kind", "closing", "any more when the credentials come.*sse"],
  ["what nobody wants is opened", '    if (signal.aborted) throw new Ended({ why: "cut", isOurs: true });\n', "", "closing", "any more when the credentials come.*websocket"],
  ["a WebSocket that never opens stays", "socket.terminate ? socket.terminate() : socket.close()", "socket.terminate?.()", "closing", "never opens does not stay"],
  ["who has closed hears the rest", "    if (this.#isOver) return;\n    this.#emit(item.type, item);", "    this.#emit(item.type, item);", "closing", "hears nothing more"],
  ["a publication on a lost connection is forgotten", "if (this.#isOver) return resolve(LOST);", "", "closing", "just being given up"],
  ["a subscription may stay unanswered", "    this.#unanswered = setTimeout(", "    void (", "closing", "never answered"],
  ["comments are taken for a first event", "        if (!line.isOpen) continue;", "        if (false) continue;", "closing", "sends comments", "timer = setTimeout(() => silent.abort(), silenceMs);", "timer = setTimeout(() => silent.abort(), line.isOpen ? silenceMs : openMs);"],
  ["what comes early is held for ever", "> EARLY_MAX)", "> Infinity)", "closing", "talks before"],
  ["the package ws gathers what it likes", "{ maxPayload: PAYLOAD_MAX }", "{}", "closing", "have gathered"],
  ["a refusal hides that the others have caught up", "this.#answered(id);\n    return this.#liveIfSynced();", "this.#answered(id);\n    return undefined;", "closing", "it is live"],
  ["a thrown SockeyeError is taken for our own", "throw new Error(String(error?.message ?? error), { cause: error });", "throw error;", "closing", "asked again"],
  ["a renewal that failed forgets why it was wanted", "    const why = this.#reason;\n", "    const why = this.#reason;\n    this.#reason = { reason: \"first\" };\n", "closing", "for the same reason"],
  ["a listener's fault ends the connection", "    action(it);\n  } catch (error) {\n    queueMicrotask(() => { throw error; });", "    action(it);\n  } catch (error) {\n    throw error;", "closing", "a function that throws"],
  ["times are not checked", "  if (wrong) throw new RangeError", "  if (false) throw new RangeError", "closing", "times and bounds"],
  ["names of any length are looked at", "channel.length > NAME_MAX) throw new Garbage", "false) throw new Garbage", "closing", "a name that is none"],
  ["messages are not told", 'case "message": return this.#message(said, cursor);', 'case "message": return undefined;', "readme", "its example"],
  ["a type is wrong in the module", "  get isFull() {\n    return !this.#isOver", "  get isFull() {\n    /** @type {number} */ const x = \"\"; void x;\n    return !this.#isOver", "types", "by its own comments"],
  ["a declared function is missing", "  reconnect() {", "  reconnectNow() {", "types", "what the declarations say"],
];

rmSync(dir, { recursive: true, force: true });
mkdirSync(dir);
for (const name of readdirSync(here)) if (/\.(mjs|ts|json|md)$/.test(name)) copyFileSync(path.join(here, name), path.join(dir, name));
symlinkSync(path.join(here, "node_modules"), path.join(dir, "node_modules"));

/** Whether the test fails. */
function isRed(file, pattern) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--test", "--test-timeout=100000", `--test-name-pattern=${pattern}`, `${file}.test.mjs`], { cwd: dir, env: { WAIT_MS: "6000", ...process.env } });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { said += text; });
    child.on("close", (code) => resolve({ isRed: code !== 0, passed: /^# pass (\d+)$/m.exec(said)?.[1], why: /error: (?:'|\|-\s+)(.*)/.exec(said)?.[1] ?? "" }));
  });
}

let [red, green] = [0, 0];
const wanted = process.env.RED === "all" || !process.env.RED ? BREAKS : BREAKS.filter(([name]) => name.includes(process.env.RED));
for (const [name, from, to, file, pattern, from2, to2] of wanted) {
  let broken = source;
  for (const [a, b] of [[from, to], ...from2 === undefined ? [] : [[from2, to2]]]) {
    if (broken.split(a).length < 2) throw new Error(`${name}: the module has no such text: ${a}`);
    broken = broken.replace(a, () => b);
  }
  writeFileSync(path.join(dir, "sockeye.js"), broken);
  const seen = await isRed(file, pattern);
  if (seen.isRed) red += 1;
  else green += 1;
  console.log(`${seen.isRed ? "red  " : "GREEN"} ${name}: ${seen.isRed ? seen.why.slice(0, 100) : `${seen.passed} passed`}`);
}
rmSync(dir, { recursive: true, force: true });
console.log(`red: ${red} noticed, ${green} not`);
process.exitCode = green === 0 ? 0 : 1;
