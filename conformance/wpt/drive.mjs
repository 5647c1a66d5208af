// Starts the test host, opens its runner in Chromium, and ends as the host does: node drive.mjs HOST [ARGUMENT...]
import { createInterface } from "node:readline";
import { launch } from "../harness/chromium.mjs";
import { start } from "../harness/processes.mjs";

const [program, ...args] = process.argv.slice(2);
const host = start(program, args, { stdio: ["ignore", "pipe", "inherit"] });
let browser = null;
for await (const line of createInterface(host.stdout)) {
  console.log(line);
  const [, url, flag] = /^wpt: open (\S+) in Chromium with (--host-resolver-rules=.*)$/.exec(line) ?? [];
  if (url === undefined || browser !== null) continue;
  browser = await launch({ args: [flag], ignoreDefaultArgs: ["--disable-back-forward-cache"] });
  const page = await browser.newPage();
  await page.goto(url);
}
await host.ended;
await browser?.close();
process.exitCode = host.exitCode ?? 2;
