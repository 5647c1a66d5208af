"""Compares sockeye-hpack with a corpus and with Python's hpack. See README.md.

    check.py PROGRAM CORPUS [SEED]
"""

import concurrent.futures
import json
import pathlib
import subprocess
import sys

import oracle
from mutations import Mutator

STORIES = 446
BLOCKS = 47_142
MUTATED_MIN = 1_000_000
BATCHES = 100


def ask(program, lines):
    """The answers of the program to these lines."""
    answer = subprocess.run([program], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"the program ended with {answer.returncode}: {answer.stderr}"
    return answer.stdout.splitlines()


def read_corpus(directory):
    """The stories: a name, and for each block the bound on the table, the bytes, the fields."""
    stories = []
    for path in sorted(pathlib.Path(directory).glob("*/*.json")):
        cases = [case for case in json.loads(path.read_text())["cases"] if "wire" in case]
        blocks = []
        for case in cases:
            fields = [(name.encode(), value.encode()) for it in case["headers"] for name, value in it.items()]
            blocks.append((case.get("header_table_size"), bytes.fromhex(case["wire"]), fields))
        stories.append((f"{path.parent.name}/{path.stem}", blocks))
    count = sum(len(blocks) for _, blocks in stories)
    assert (len(stories), count) == (STORIES, BLOCKS), f"another corpus: {len(stories)} stories, {count} blocks"
    return stories


def lines_of(blocks):
    """A story as commands. A bound that is not the one before is acknowledged before its block."""
    lines, bound = ["new"], 4096
    for size, wire, _ in blocks:
        if size not in (None, bound):
            lines.append(f"ack {size}")
            bound = size
        lines.append(f"block {wire.hex()}")
    return lines


def check_stories(program, stories):
    """Each block of the corpus decodes to its fields."""
    for name, blocks in stories:
        answers = ask(program, lines_of(blocks))
        assert len(answers) == len(blocks), f"{name}: {len(answers)} answers to {len(blocks)} blocks"
        for number, ((_, _, fields), answer) in enumerate(zip(blocks, answers)):
            status, seen = oracle.read(answer)
            seen = [field[:2] for field in seen]
            assert (status, seen) == ("ok", fields), f"{name}, block {number}: {answer}"
    return len(stories)


def check_written(program, stories):
    """What we write of the corpus' fields is read by the other implementation, with an empty table."""
    for name, blocks in stories:
        lines = ["write " + " ".join(f"{n.hex()}={v.hex()}" for n, v in fields) for _, _, fields in blocks]
        for (_, _, fields), answer in zip(blocks, ask(program, lines), strict=True):
            decoder = oracle.Oracle()
            status, seen = decoder.judge(bytes.fromhex(answer.removeprefix("block ")))
            expected = [(n.lower(), v, n.lower() in oracle.CREDENTIALS) for n, v in fields]
            assert (status, seen) == ("ok", expected), f"{name}: {answer}"
            assert not decoder.header_table.dynamic_entries, f"{name}: it is indexed"
    return len(stories)


def load_corpus(directory):
    """Makes ready a process that checks batches."""
    global corpus_of_process
    corpus_of_process = read_corpus(directory)


def check_batch(program, seed):
    """One batch of connections with mutated blocks. Returns how many blocks were mutated, and the outcomes."""
    mutator = Mutator(corpus_of_process, seed)
    connections, count = [], 0
    while count < MUTATED_MIN // BATCHES:
        steps, expected, mutated = mutator.connection()
        connections.append((steps, expected))
        count += mutated
    answers = iter(ask(program, [line for steps, _ in connections for line in ["new", *steps]]))
    outcomes = {}
    for steps, expected in connections:
        for outcome in expected:
            answer = next(answers)
            difference = oracle.difference(outcome, oracle.read(answer))
            assert difference is None, f"seed {seed}: {difference}\n" + "\n".join(["new", *steps, answer])
            kind = answer.split(" ", 2)
            kind = kind[1] if kind[0] == "error" else "ok"
            outcomes[kind] = outcomes.get(kind, 0) + 1
    assert next(answers, None) is None, f"seed {seed}: more answers than blocks"
    return count, outcomes


def main():
    program, corpus = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 7541
    stories = read_corpus(corpus)
    passed = check_stories(program, stories)
    print(f"{BLOCKS} blocks of {STORIES} stories decode to their fields", flush=True)
    passed += check_written(program, stories)
    print(f"{BLOCKS} blocks that we write are read by Python's hpack", flush=True)
    mutated, outcomes = 0, {}
    with concurrent.futures.ProcessPoolExecutor(initializer=load_corpus, initargs=[corpus]) as pool:
        batches = [pool.submit(check_batch, program, seed + number) for number in range(BATCHES)]
        for batch in concurrent.futures.as_completed(batches):
            try:
                count, some = batch.result()
            except BaseException:
                # The first difference is enough: the other batches would take minutes.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            mutated += count
            passed += 1
            for kind, number in some.items():
                outcomes[kind] = outcomes.get(kind, 0) + number
    assert mutated >= MUTATED_MIN, f"only {mutated} mutated blocks"
    missing = oracle.KINDS - outcomes.keys()
    assert not missing, f"no block led to {', '.join(sorted(missing))}"
    print(f"{mutated} mutated blocks: {json.dumps(dict(sorted(outcomes.items())))}")
    print(f"hpack: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
