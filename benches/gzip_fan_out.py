#!/usr/bin/env python3
"""What gzip costs and saves in a fan-out to event streams.

    benches/gzip_fan_out.py PROGRAM [STREAMS]

starts PROGRAM, opens STREAMS (1,000) event streams, and publishes messages of 200 B and 1 KiB of JSON to them, one after
the other, each once the one before has arrived everywhere. In each of five rounds it does so without gzip and with it. It
prints the bytes of an event on the wire, with HTTP's chunk; the processor time of the server for a delivery, and its ratio
to that without gzip in the same round; and how much the server's resident memory grows for a stream. Behind each median
stands the range of the rounds.
"""

import http.client
import json
import os
import random
import re
import selectors
import socket
import subprocess
import sys

MESSAGES = 100
ROUNDS = 5
CODINGS = {"identity": "", "gzip": "Accept-Encoding: gzip\r\n"}
WORDS = "order invoice shipped pending cancelled customer address blue green chair table lamp express standard".split()


def message(at, least):
    """JSON as a shop's back end publishes it: names repeat, values do not."""
    dice, items = random.Random(at), []
    while True:
        items.append({
            "id": dice.randrange(10**8), "sku": "%06x" % dice.randrange(16**6), "name": " ".join(dice.sample(WORDS, 3)),
            "quantity": dice.randrange(1, 9), "price": dice.randrange(100, 99999) / 100,
        })
        text = json.dumps({"type": dice.choice(WORDS), "at": 1790000000 + at, "items": items}, separators=(",", ":"))
        if len(text) >= least:
            return text


def start(program):
    server = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in server.stdout:
        found = re.search(r"listens on http://(\S+)", line)
        if found:
            return server, found[1]
    raise SystemExit("the server does not listen")


def processor_us(server):
    fields = open(f"/proc/{server.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def open_streams(address, count, header):
    host, port = address.rsplit(":", 1)
    streams = []
    for _ in range(count):
        stream = socket.create_connection((host, int(port)))
        stream.sendall(f"GET /v1/sse?channel=shop HTTP/1.1\r\nHost: {address}\r\n{header}\r\n".encode())
        # The head, a comment, the first frame and $sync; behind a stored text there is an empty block.
        said, end = b"", b"\xff\xff\r\n" if header else b"\n\r\n"
        while b"$sync" not in said or not said.endswith(end):
            said += stream.recv(65536)
        assert (b"Content-Encoding: gzip" in said) == bool(header), said
        stream.setblocking(False)
        streams.append(stream)
    return streams


def resident(server):
    return int(open(f"/proc/{server.pid}/statm", encoding="ascii").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def fan_out(server, address, streams, texts):
    """Bytes of each event on the wire, and the server's time for a delivery, in microseconds."""
    selector = selectors.DefaultSelector()
    for stream in streams:
        selector.register(stream, selectors.EVENT_READ)
    publisher, wire, before = http.client.HTTPConnection(address), 0, processor_us(server)
    for text in texts:
        publisher.request("POST", "/v1/channels/shop", text)
        assert publisher.getresponse().read()
        left = set(streams)
        while left:
            for key, _ in selector.select():
                data = key.fileobj.recv(1 << 20)
                wire += len(data)
                # An event is one chunk, which comes whole or ends later.
                if data.endswith(b"\r\n"):
                    left.discard(key.fileobj)
    deliveries = len(texts) * len(streams)
    return wire / deliveries, (processor_us(server) - before) / deliveries


def play(program, count, header, texts):
    """Bytes of an event, processor time of a delivery and memory of a stream, with a server of its own."""
    server, address = start(program)
    try:
        base = resident(server)
        streams = open_streams(address, count, header)
        grown = (resident(server) - base) // count
        wire, time = fan_out(server, address, streams, texts)
        for stream in streams:
            stream.close()
        return wire, time, grown
    finally:
        server.terminate()
        server.wait()


def spread(values, digits):
    values = sorted(values)
    return f"{values[len(values) // 2]:.{digits}f} ({values[0]:.{digits}f} to {values[-1]:.{digits}f})"


def main():
    program, count = sys.argv[1], int((sys.argv[2:] or ["1000"])[0])
    print("| text | coding | bytes of an event | CPU of a delivery, µs | beside identity | memory of a stream, B |")
    print("|---|---|---|---|---|---|")
    for least in (150, 950):
        texts = [message(at, least) for at in range(MESSAGES)]
        size = sum(map(len, texts)) // len(texts)
        # Codings in turn: a slow minute of the machine slows both.
        rounds = [[play(program, count, header, texts) for header in CODINGS.values()] for _ in range(ROUNDS)]
        for at, coding in enumerate(CODINGS):
            (wire, _, _), times = rounds[0][at], [one[at][1] for one in rounds]
            ratios = [one[at][1] / one[0][1] for one in rounds]
            grown = [one[at][2] for one in rounds]
            print(f"| {size} B | {coding} | {wire:.0f} | {spread(times, 1)} | {spread(ratios, 2)} | {spread(grown, 0)} |")


main()
