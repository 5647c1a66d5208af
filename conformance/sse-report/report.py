"""Writes SSE-REPORT.md."""

import peers

FILE = peers.HERE.parent / "SSE-REPORT.md"

INTRODUCTION = """# The event-stream vectors against other parsers

Written by `conformance/sse-report/run`; do not edit. {total} inputs from
[event-stream.json](../crates/sse/tests/vectors/event-stream.json), each fed in every way that the file
lists: whole, byte by byte, in pieces of a given size, cut at the places that hurt. A vector is
**missed** if any of these ways gives other events, another reconnection time or another last event ID
than the WHATWG HTML standard (§9.2.5, §9.2.6); a panic, an error that ends the stream and a run of more
than 30 s of CPU time are misses and named. Its sibling for WebSocket servers is
[MATRIX.md](MATRIX.md); how to run this one, and how it stays fair, is in
[sse-report/README.md](sse-report/README.md).
"""

NOTE = """A parser is judged on what its interface can say. What the sixth column names is not looked at, and a
vector that begins with a last event ID is left out where there is no way to set one. A reconnection time
that comes with events only is a miss where the stream has one without an event.
"""

LACKS = {
    peers.RETRY: "reconnection time",
    peers.FINAL_ID: "last event ID after the end",
    peers.FIRST_ID: "last event ID to begin with",
}


def write(cases, results):
    lines = [INTRODUCTION.format(total=len(cases)), "## Who was asked", ""]
    lines += ["| parser | version | of | run on | missed | its interface does not say | |"]
    lines += ["|---|---|---|---|---|---|---|"]
    places = {"rust": "crates.io", "node": "npm", "python": "PyPI"}
    for peer, result in results:
        place = places[peer.home.language] if peer.name != "sockeye-sse" else "this tree"
        asked, missed = count(result, cases)
        lacks = ", ".join(LACKS[what] for what in peer.lacks) or "–"
        lines.append(
            f"| **{peer.name}** | {result['version']} | {place} | {result['date']} "
            f"| **{missed}** of {asked} | {lacks} | {peer.note} |"
        )
    lines += ["", NOTE]
    lines += groups(cases, results)
    for peer, result in results:
        lines += misses(peer, result, cases)
    FILE.write_text("\n".join(lines) + "\n")


def count(result, cases):
    found = [result["missed"].get(vector.name) for vector in cases]
    return sum(what is not None for what in found), sum(bool(what) for what in found)


def groups(cases, results):
    names = list(dict.fromkeys(vector.group for vector in cases))
    lines = ["## Missed, by group", "", "| parser | " + " | ".join(names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    sizes = []
    for name in names:
        sizes.append(str(sum(vector.group == name for vector in cases)))
    lines.append("| *vectors* | " + " | ".join(f"*{size}*" for size in sizes) + " |")
    for peer, result in results:
        cells = []
        for name in names:
            asked, missed = count(result, [vector for vector in cases if vector.group == name])
            cells.append("–" if asked == 0 else str(missed) if missed else "·")
        lines.append(f"| {peer.name} | " + " | ".join(cells) + " |")
    return lines


def misses(peer, result, cases):
    missed = [vector for vector in cases if result["missed"].get(vector.name)]
    lines = ["", f"## {peer.name} {result['version']}", ""]
    if not missed:
        return lines + ["Nothing missed."]
    lines += ["| vector | fed | seen |", "|---|---|---|"]
    for vector in missed:
        by_way = result["missed"][vector.name]
        what = next(iter(by_way.values()))
        ways = "any way" if len(by_way) == len(vector.chunkings) > 1 else ", ".join(map(way, by_way))
        lines.append(f"| {vector.group}/{vector.name} | {ways} | {cell(what)} |")
    return lines


def way(chunking):
    kind, _, numbers = chunking.partition(":")
    if kind == "size":
        return f"{numbers} bytes each"
    if kind == "cut":
        shown = numbers if len(numbers) < 16 else numbers[:12] + "…"
        return f"cut at {shown}"
    return "byte by byte" if kind == "bytes" else kind


def cell(text):
    """As a table's cell: no markup, no line end."""
    text = " ".join(text.split())
    text = text if len(text) <= 120 else text[:119] + "…"
    for mark in "\\|*_<>`[]":
        text = text.replace(mark, "\\" + mark)
    return text
