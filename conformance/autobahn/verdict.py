"""Compares what the suite said with what is expected of every case."""
import collections

import chunks

MISSING = "MISSING"
EXTRA = "EXTRA"


def compare(expected, results):
    """Failed case to `(expected, got)`. Nothing but equality passes, for no case."""
    failed = {}
    for case in sorted(expected.keys() - results.keys(), key=chunks.case_key):
        failed[case] = (describe(expected[case]), MISSING)
    for case, result in results.items():
        want = expected.get(case)
        got = {key: result.get(key) for key in ("behavior", "behaviorClose")}
        if want is None:
            failed[case] = (EXTRA, describe(got))
        elif got != want:
            failed[case] = (describe(want), describe(got))
    return failed


def describe(result):
    behavior, close = result["behavior"], result["behaviorClose"]
    return behavior if behavior == close else f"{behavior}, close {close}"


def lines(failed):
    """One line for each kind of failure, with its cases."""
    kinds = collections.defaultdict(list)
    for case, kind in failed.items():
        kinds[kind].append(case)
    return [f"  {want} expected, {got}: {ranges(cases)}" for (want, got), cases in sorted(kinds.items())]


def ranges(cases):
    """1.1.1 1.1.2 1.1.3 2.1 -> '1.1.1-3 2.1'"""
    out = []
    for case in cases if any("@" in c for c in cases) else sorted(cases, key=chunks.case_key):
        head, _, last = case.rpartition(".")
        if not last.isdigit():
            out.append([case])
        elif out and out[-1][0] == head and out[-1][-1] == int(last) - 1:
            out[-1] = [head, out[-1][1], int(last)]
        else:
            out.append([head, int(last), int(last)])
    return " ".join(x[0] if len(x) == 1 else f"{x[0]}.{x[1]}" if x[1] == x[2] else f"{x[0]}.{x[1]}-{x[2]}"
                    for x in out)
