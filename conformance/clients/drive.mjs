// Other people's clients, each way: node drive.mjs BINARY OUTDIR PROXIES
import "../harness/processes.mjs"; // first: it ends what is left, also after an error
import { House } from "./house.mjs";
import { Browser } from "./page.mjs";
import { KINDS } from "./proxies.mjs";
import { runWay } from "./scenarios.mjs";
import { report, tally } from "./verdict.mjs";

const [binary, out, docs] = process.argv.slice(2);
const DEADLINE_MS = 1_200_000;
const ways = (process.env.WAYS ?? ["direct", "tls", ...Object.keys(KINDS)].join(",")).split(",");

function say() {
  console.log(`clients: ${tally.passed} passed, ${tally.failed} failed`);
  process.exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
}

setTimeout(() => {
  report("the run", `not done within ${DEADLINE_MS / 1000} s`);
  say();
}, DEADLINE_MS).unref();
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => {
    report("the run itself", error?.stack ?? String(error));
    say();
  });
}

const browser = await Browser.launch(out);
for (const way of ways) {
  const begun = Date.now();
  const house = await House.build({ way, binary, out, docs });
  try {
    await runWay(house, browser);
  } catch (error) {
    report(`${way}: the run itself`, error.stack);
  } finally {
    await house.end();
  }
  console.log(`     ${way}: ${((Date.now() - begun) / 1000).toFixed(1)} s`);
}
await browser.browser.close();
say();
