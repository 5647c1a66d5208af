// The folder as somebody else's dependency: what is packed, and each way to get it that README.md names.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { House } from "./house.mjs";

const here = import.meta.dirname;
const folder = process.env.SOCKEYE_PACKAGE;
const dir = mkdtempSync(path.join(os.tmpdir(), "sockeye-package-"));
after(() => rmSync(dir, { recursive: true, force: true }));

function run(program, args, cwd = dir) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, timeout: 300_000 }, (error, said, complaint) => resolve({ isGood: !error, said, all: `${said}${complaint}` }));
  });
}

const blocks = () => [...readFileSync(path.join(folder, "README.md"), "utf8").matchAll(/^```js\n(.*?)^```$/gms)].map((it) => it[1]);

/** Somebody's project, of a type of modules. */
function project(name, type) {
  const at = path.join(dir, name);
  mkdirSync(at);
  writeFileSync(path.join(at, "package.json"), JSON.stringify({ name, private: true, type }));
  return { at, write: (file, text) => writeFileSync(path.join(at, file), text) };
}

/** What TypeScript says of files in it. */
const tsc = async (at, ...files) => (await run(process.execPath, [path.join(here, "node_modules/typescript/bin/tsc"),
  "--strict", "--noEmit", "--target", "es2023", "--module", "nodenext", ...files], at)).said;

describe("package", () => {
  let house;
  before(async () => { house = await House.build(); });
  after(() => house.close());
  const example = () => blocks()[0].replace("http://127.0.0.1:8080", house.base);

  test("only what is meant is packed", async () => {
    const { isGood, said, all } = await run("npm", ["pack", "--dry-run", "--json"], folder);
    assert.ok(isGood, all);
    assert.deepEqual(JSON.parse(said)[0].files.map((it) => it.path).sort(), ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json", "sockeye.d.ts", "sockeye.js"]);
  });

  for (const type of ["module", "commonjs"]) test(`installed by its path into a project of type ${type}`, async () => {
    const { at, write } = project(`by-path-${type}`, type);
    const installed = await run("npm", ["install", "--offline", "--no-audit", "--no-fund", folder], at);
    assert.ok(installed.isGood, installed.all);
    write("esm.mjs", example().replace("./sockeye.js", "sockeye-client"));
    write("common.cjs", `(async () => {
      const { Sockeye } = await import("sockeye-client");
      const hub = new Sockeye(${JSON.stringify(house.base)});
      console.log((await hub.publish("chat:9", "x")).channel);
      hub.close();
    })();`);
    const [esm, common] = [await run(process.execPath, ["esm.mjs"], at), await run(process.execPath, ["common.cjs"], at)];
    assert.match(esm.said, /^chat:7 \{ text: 'hello' \}$/m, esm.all);
    assert.match(common.said, /^chat:9$/m, common.all);
    write("esm.mts", example().replace("./sockeye.js", "sockeye-client"));
    write("common.cts", 'import("sockeye-client").then(({ Sockeye }) => { const hub = new Sockeye("http://x"); const cursor: string | null = hub.cursor; console.log(cursor); });');
    assert.equal(await tsc(at, "esm.mts", "common.cts"), "");
  });

  test("as files in a project of type commonjs, by the names that load there", async () => {
    const { at, write } = project("files", "commonjs");
    copyFileSync(path.join(folder, "sockeye.js"), path.join(at, "sockeye.js"));
    write("wrong.mjs", 'import { Sockeye } from "./sockeye.js"; console.log(Sockeye);');
    assert.equal((await run(process.execPath, ["wrong.mjs"], at)).isGood, false);
    copyFileSync(path.join(folder, "sockeye.js"), path.join(at, "sockeye.mjs"));
    copyFileSync(path.join(folder, "sockeye.d.ts"), path.join(at, "sockeye.d.mts"));
    write("example.mjs", example().replace("./sockeye.js", "./sockeye.mjs"));
    const { said, all } = await run(process.execPath, ["example.mjs"], at);
    assert.match(said, /^chat:7 \{ text: 'hello' \}$/m, all);
    write("example.mts", example().replace("./sockeye.js", "./sockeye.mjs"));
    assert.equal(await tsc(at, "example.mts"), "");
  });

  test("what else README.md shows is good TypeScript", async () => {
    const { at, write } = project("blocks", "module");
    for (const name of ["sockeye.js", "sockeye.d.ts"]) copyFileSync(path.join(folder, name), path.join(at, name));
    symlinkSync(path.join(here, "node_modules"), path.join(at, "node_modules"));
    const shown = blocks().slice(1);
    assert.ok(shown.length >= 3, `${shown.length} blocks`);
    for (const [number, block] of shown.entries()) {
      const hub = block.includes("const hub =") ? "" : 'const hub = new Sockeye("http://x");\n';
      write(`block${number + 1}.ts`, `import { Sockeye } from "./sockeye.js";\n${hub}${block.replace(/^import WebSocket from "ws";$/m, "declare const WebSocket: unknown;")}`);
    }
    assert.equal(await tsc(at, ...shown.map((_, number) => `block${number + 1}.ts`)), "");
  });
});
