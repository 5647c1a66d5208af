// Headless Chromium, as every suite that needs a browser starts it. `conformance/suite` installs it and sets $CHROMIUM.
import { chromium } from "playwright-core";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A browser that ends with this process; signals are the suite's own business. */
export function launch({ args = [], ...options } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM, args: [...FLAGS, ...args],
    handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false, ...options,
  });
}
