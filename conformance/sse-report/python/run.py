"""Runs httpx-sse over one input in the ways asked for and writes what it gave out.

python run.py PEER FILE LAST_EVENT_ID CHUNKING…, as ../rust/src/main.rs.
"""

import json
import sys
from pathlib import Path

import httpx
from httpx_sse import EventSource


def cut(data, chunking):
    kind, _, numbers = chunking.partition(":")
    if kind == "cut":
        ends = [*map(int, numbers.split(",")), len(data)]
        return [data[start:end] for start, end in zip([0, *ends], ends)]
    size = {"whole": len(data) or 1, "bytes": 1}.get(kind) or int(numbers)
    return (data[start : start + size] for start in range(0, len(data), size))


def write(*line):
    sys.stdout.write(json.dumps(line) + "\n")


def read(chunks):
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=iter(chunks)
    )
    for event in EventSource(response).iter_sse():
        if event.retry is not None:
            write("retry", str(event.retry))
        write("event", event.event, event.data, event.id)


def main():
    _, _, file, _, *chunkings = sys.argv
    data = Path(file).read_bytes()
    for chunking in chunkings:
        write("begin", chunking)
        sys.stdout.flush()
        try:
            read(cut(data, chunking))
        except Exception as error:
            write("error", f"{type(error).__name__}: {error}")
        write("end")


main()
