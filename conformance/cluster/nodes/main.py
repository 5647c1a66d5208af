#!/usr/bin/env python3
"""Nodes on one log behind a balancer without stickiness, with other people's clients, under what happens to them.

    main.py PROGRAM OUT [--scripts DIR] [--only TEXT] [--jobs N]
    main.py PROGRAM OUT --kills 200 --engine-kills 50 [--seed N]
    main.py PROGRAM OUT --streams 5000

The first runs the checks; the second kills and hurts in a random order, for long; the third has the streams of a killed node
come back. Ends with "nodes: N passed, M failed".
"""
import argparse
import asyncio
import contextlib
import concurrent.futures
import pathlib
import shutil
import sys
import time
import traceback

import crowd
import happenings
from happenings import CHECKS
from world import World

CROWD = "the streams of a killed node come back to two others"


def run(number, name, arguments):
    """Runs a check; whether it passed, and what there is to say."""
    begun, out = time.monotonic(), arguments.out / str(number)
    try:
        if name == CROWD:
            said = crowd.run(out, number, arguments.program, arguments.streams or crowd.STREAMS)
            return True, f"ok   {name} ({time.monotonic() - begun:.1f} s): {said}", 0
        check = CHECKS.get(name) or happenings.long(arguments.kills, arguments.engine_kills, arguments.seed)
        with contextlib.ExitStack() as stack:
            world = World(stack, out, number, arguments.program, arguments.scripts, check)
            try:
                asyncio.run(world.run(check.happens))
                world.check(check.promise)
            except BaseException:
                print(f"     {name}: {world.story()}", flush=True)
                world.dump(out)
                raise
            return True, f"ok   {name} ({time.monotonic() - begun:.1f} s): {world.story()}", world.lags()
    except Exception:  # whatever it is, it is a failure of this check
        return False, f"{traceback.format_exc()}FAIL {name} ({time.monotonic() - begun:.1f} s), see {out}", 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("out", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--scripts", type=lambda path: pathlib.Path(path).resolve(), help="where reader.mjs has its packages")
    parser.add_argument("--only", default="", help="checks whose names contain the text")
    parser.add_argument("--jobs", type=int, default=2, help="checks at a time")
    parser.add_argument("--kills", type=int, default=0, help="how often a node is killed or stopped, in the long run")
    parser.add_argument("--engine-kills", type=int, default=0, help="how often Redis is killed or stopped")
    parser.add_argument("--streams", type=int, default=0, help="how many streams come back from a killed node")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    long = f"{arguments.kills} kills of nodes, {arguments.engine_kills} of Redis, seed {arguments.seed}"
    names = [name for name in [*CHECKS, CROWD] if arguments.only in name]
    if arguments.kills or arguments.engine_kills:
        names = [long]
    elif arguments.streams:
        names = [CROWD]
    counts, lags = [0, 0], 0
    with concurrent.futures.ProcessPoolExecutor(max(1, arguments.jobs)) as pool:
        jobs = [pool.submit(run, number, name, arguments) for number, name in enumerate(names)]
        for job in concurrent.futures.as_completed(jobs):
            is_right, said, here = job.result()
            lags += here
            print(said, flush=True)
            counts[not is_right] += 1
    print(f"{lags} gaps at nodes that lag for longer than openings wait")
    print(f"nodes: {counts[0]} passed, {counts[1]} failed")
    sys.exit(0 if counts[0] and not counts[1] else 1)


if __name__ == "__main__":
    main()
