// The types: the module by its own comments, the declarations by the module, and a program by the declarations.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { after, describe, test } from "node:test";

const here = path.dirname(fileURLToPath(import.meta.url));
const dir = mkdtempSync(path.join(here, "types-"));
after(() => rmSync(dir, { recursive: true, force: true }));

/** What tsc says of these files. */
function tsc(name, files, compilerOptions = {}) {
  const config = path.join(dir, `${name}.json`);
  writeFileSync(config, JSON.stringify({ extends: "../tsconfig.json", files, compilerOptions }));
  return new Promise((resolve) => {
    execFile(process.execPath, [path.join(here, "node_modules/typescript/bin/tsc"), "-p", config], (error, said) => resolve(error ? said : ""));
  });
}

for (const file of ["sockeye.js", "sockeye.d.ts", "types.ts"]) copyFileSync(path.join(here, file), path.join(dir, file));

describe("types", () => {
  test("the module is right by its own comments", async () => {
    assert.equal(await tsc("module", ["sockeye.js"]), "");
  });

  test("the module is what the declarations say", async () => {
    mkdirSync(path.join(dir, "built"));
    assert.equal(await tsc("declare", ["sockeye.js"], { noEmit: false, declaration: true, emitDeclarationOnly: true, outDir: "built" }), "");
    copyFileSync(path.join(dir, "sockeye.d.ts"), path.join(dir, "declared.d.ts"));
    const source = `import * as built from "./built/sockeye.js";
export const module: Omit<typeof import("./declared.js"), "Sockeye"> = built;
type Declared = import("./declared.js").Sockeye;
const hub = new built.Sockeye("https://hub.example");
export const own: { [K in Exclude<keyof Declared, "on" | "subscribe">]: unknown } = hub;
export const on: Declared["on"] = (kind, listener) => hub.on(kind, listener);
export const publish: Declared["publish"] = (...args) => hub.publish(...args);
export const subscribe: (...args: Parameters<Declared["subscribe"]>) => import("./declared.js").Subscription = (...args) => hub.subscribe(...args);
export const state: Declared["state"] = hub.state;
export const cursor: Declared["cursor"] = hub.cursor;
`;
    writeFileSync(path.join(dir, "conform.ts"), source);
    // What was built names its types by the file beside the module, which is itself here.
    const built = path.join(dir, "built/sockeye.d.ts");
    writeFileSync(built, readFileSync(built, "utf8").replaceAll("./sockeye.d.ts", "../declared.js"));
    assert.equal(await tsc("conform", ["conform.ts"]), "");
  });

  test("a program is checked by them", async () => {
    assert.equal(await tsc("program", ["types.ts"]), "");
  });
});
