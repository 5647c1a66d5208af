// One line for each test, and what was counted.
export default async function* report(source) {
  const tally = { passed: 0, failed: 0 };
  const path = [];
  for await (const { type, data } of source) {
    if (type === "test:start") path[data.nesting] = data.name;
    if (!["test:pass", "test:fail"].includes(type)) continue;
    // Suites and files are counted by their tests; but one may fail by itself, as a file that does not end.
    const isWhole = data.details.type === "suite" || /\.mjs$/.test(data.name);
    if (isWhole && (type === "test:pass" || data.details.error?.failureType === "subtestsFailed")) continue;
    const name = [...path.slice(0, data.nesting).filter((it) => !/\.mjs$/.test(it)), data.name].join(" · ");
    if (data.skip !== undefined || data.todo !== undefined || type === "test:fail") {
      tally.failed += 1;
      const { cause } = data.details.error ?? {};
      yield `FAIL ${name}: ${String(cause?.stack ?? cause ?? "skipped").split("\n").slice(0, 14).join("\n     ")}\n`;
    } else {
      tally.passed += 1;
      yield `ok   ${name} (${(data.details.duration_ms / 1000).toFixed(1)} s)\n`;
    }
  }
  yield `js: ${tally.passed} passed, ${tally.failed} failed\n`;
}
