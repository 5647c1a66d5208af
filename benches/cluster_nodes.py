#!/usr/bin/env python3
"""What a message costs a cluster of one, two and three nodes, and how fast a node that lags comes back.

    benches/cluster_nodes.py PROGRAM [MESSAGES]

starts redis-server (Debian: redis-server, `appendfsync everysec`) and nodes of PROGRAM with one loop each, and publishes
MESSAGES (40,000) messages of 200 bytes, in batches of 200, to each node its share at the same time. In each of five rounds it
does so with one, with two and with three nodes. That is over when every node has read all of them back. It prints
the rate, and the processor time of a message at each node and at Redis.

With three nodes it also publishes single messages for the time of a receipt, and it stops one node (SIGSTOP) while MESSAGES
messages are published, and prints how fast the node reads them when it goes on. Behind each median stands the range of the rounds.

A node that refuses a message, ends, or has not read all messages within a minute ends the program with an error, without figures.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

BATCH = 200
ROUNDS = 5
TEXT = "x" * 180
SINGLES = 1_000

# How long a node may take for an answer, to be ready, and to read all messages, in seconds.
PATIENCE = 60


class Node:
    def __init__(self, program, redis):
        command = [program, "serve", "--listen", "127.0.0.1:0", "--workers", "1", "--backbone", redis]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def await_ready(self):
        late = threading.Timer(PATIENCE, self.process.kill)
        late.daemon = True
        late.start()
        for line in self.process.stdout:
            found = re.search(r"listens on http://(\S+):(\d+)", line)
            if found:
                self.host, self.port = found[1], int(found[2])
                break
        else:
            raise SystemExit("the node does not listen")
        late.cancel()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        wait_until("a node is ready", lambda: self.get("/readyz") == 200, 0.05)
        self.reader = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        self.publisher = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def get(self, path):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        connection.request("GET", path)
        return connection.getresponse().status

    def publish(self, begin, end):
        """The position of the newest message, as its receipt says."""
        lines = "".join(f'{{"channel":"load","data":"{at:010} {TEXT}"}}\n' for at in range(begin, end))
        self.publisher.request("POST", "/v1/batch", lines)
        answer = self.publisher.getresponse()
        body = answer.read()
        if answer.status != 200 or b'"error"' in body:
            raise RuntimeError(f"the node at port {self.port} has not published all: {answer.status} {body[:300]}")
        return int(re.match(rb"\d+", body.rpartition(b'"seq":')[2])[0])

    def last(self):
        """The position of the newest message that the node would deliver."""
        self.reader.request("GET", "/v1/position?channel=load")
        return json.load(self.reader.getresponse())["channels"][0]["last"]

    def await_last(self, last):
        wait_until(f"the node at port {self.port} has read all", lambda: self.last() >= last, 0.002)


def wait_until(what, holds, pause):
    late = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > late:
            raise RuntimeError(f"waited {PATIENCE} s in vain until {what}")
        time.sleep(pause)


def processor_us(process):
    fields = open(f"/proc/{process.pid}/stat", encoding="ascii").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def share(node, begin, end):
    """Publishes the share of a node. The position of its newest message."""
    return max(node.publish(at, min(at + BATCH, end)) for at in range(begin, end, BATCH))


def publish_to_all(nodes, messages):
    """How many messages there are, and the position of the newest one. The log has entries of its own between them."""
    each = messages // len(nodes)
    with ThreadPoolExecutor(len(nodes)) as threads:
        shares = [threads.submit(share, node, at * each, (at + 1) * each) for at, node in enumerate(nodes)]
    # What a share has raised is raised here.
    return each * len(nodes), max(it.result() for it in shares)


def play(nodes, redis, messages):
    """The rate, and the processor time of a message at each node and at Redis, in microseconds."""
    processes = [node.process for node in nodes] + [redis]
    before, begun = [processor_us(it) for it in processes], time.monotonic()
    count, last = publish_to_all(nodes, messages)
    for node in nodes:
        node.await_last(last)
    elapsed = time.monotonic() - begun
    spent = [(processor_us(it) - was) / count for it, was in zip(processes, before)]
    return [count / elapsed, statistics.mean(spent[:-1]), sum(spent[:-1]), spent[-1]]


def receipts(node):
    times = []
    for at in range(SINGLES):
        begun = time.monotonic()
        node.publish(at, at + 1)
        times.append((time.monotonic() - begun) * 1_000)
    times.sort()
    return [times[SINGLES // 2], times[SINGLES * 99 // 100]]


def lag(nodes, messages):
    """How many messages a second a node reads that was stopped while they were published."""
    stopped = nodes[-1]
    stopped.process.send_signal(signal.SIGSTOP)
    count, last = publish_to_all(nodes[:-1], messages)
    before, begun = processor_us(stopped.process), time.monotonic()
    stopped.process.send_signal(signal.SIGCONT)
    stopped.await_last(last)
    elapsed = time.monotonic() - begun
    return [count / elapsed, (processor_us(stopped.process) - before) / count]


def told(rounds, digits):
    """The median of each column, and its range."""
    columns = [sorted(column) for column in zip(*rounds)]
    return [f"{column[len(column) // 2]:,.{d}f} ({column[0]:,.{d}f} to {column[-1]:,.{d}f})" for column, d in zip(columns, digits)]


class Cluster:
    """Nodes on a Redis of their own."""

    def __init__(self, program, count):
        self.directory = tempfile.mkdtemp(prefix="sockeye-nodes-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        settings = ["--port", str(port), "--bind", "127.0.0.1", "--dir", self.directory, "--appendonly", "yes", "--save", ""]
        self.redis = subprocess.Popen(["redis-server", *settings], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        self.nodes, self.node, self.count = [], lambda: Node(program, f"redis://127.0.0.1:{port}"), count

    def __enter__(self):
        try:
            for _ in range(self.count):
                self.nodes.append(self.node())
                self.nodes[-1].await_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in [node.process for node in self.nodes] + [self.redis]:
            process.kill()
            process.wait()
        shutil.rmtree(self.directory)


def main(program, messages="40000"):
    messages, counts = int(messages), (1, 2, 3)
    rates, singles, lags = {count: [] for count in counts}, [], []
    for _ in range(ROUNDS):
        for count in counts:
            with Cluster(program, count) as cluster:
                rates[count].append(play(cluster.nodes, cluster.redis, messages))
                if count == 3:
                    singles.append(receipts(cluster.nodes[0]))
                    lags.append(lag(cluster.nodes, messages))
    print(f"{messages:,} messages of 200 bytes, {ROUNDS} rounds\n")
    print("| nodes | messages/s | µs of a message at each node | at all nodes | at Redis |\n|---:|---:|---:|---:|---:|")
    for count in counts:
        print(f"| {count} | " + " | ".join(told(rates[count], (0, 2, 2, 2))) + " |")
    print("\n| with three nodes | | |\n|---|---|---|")
    print("| time of a receipt, one at a time, ms: median, 99 of 100 | " + " | ".join(told(singles, (2, 2))) + " |")
    print("| a node that was stopped: messages/s, µs of a message | " + " | ".join(told(lags, (0, 2))) + " |")


if __name__ == "__main__":
    main(*sys.argv[1:])
