// Documented configurations, for the ports, files and times of a run.

/** Replaces each text, which has to stand in the configuration exactly so often; once if nothing is said. */
export function substitute(text, changes) {
  for (const [from, to, times = 1] of changes) {
    const found = text.split(from).length - 1;
    if (found !== times) throw new Error(`${JSON.stringify(from)} stands ${found} times in the configuration, not ${times}`);
    text = text.replaceAll(from, to);
  }
  return text;
}
