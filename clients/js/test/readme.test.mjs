// The example of README.md, as it stands there, against the program.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { House } from "./house.mjs";

describe("README", () => {
  test("its example runs, and ends by itself", async () => {
    const [, example] = /^```js\n(.*?)^```$/ms.exec(readFileSync(new URL("./README.md", import.meta.url), "utf8"));
    assert.equal(example.split("http://127.0.0.1:8080").length, 2);
    const house = await House.build();
    try {
      const file = fileURLToPath(new URL("./example.mjs", import.meta.url));
      writeFileSync(file, example.replace("http://127.0.0.1:8080", house.base));
      const said = await new Promise((resolve, reject) => {
        execFile(process.execPath, [file], { timeout: 30_000 }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      });
      assert.match(said, /^chat:7 \{ text: 'hello' \}$/m);
      // The message may be a replayed one: those come before `live`, and the example ends with it.
      assert.match(said, /^resuming (websocket|sse)$/m);
    } finally {
      await house.close();
    }
  });
});
