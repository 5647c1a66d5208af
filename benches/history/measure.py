"""Measures what a long log on disk costs: starts, resumes from its beginning, memory, and other clients' latency."""

import atexit
import base64
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

CONFIG = """
[disk]
bytes = 17179869184
[channels]
keep_messages = "forever"
keep_bytes = "forever"
keep_seconds = "forever"
patterns = true
"""
# Deliveries of the canary in each phase, and the pause between two.
CANARIES, PAUSE_S = 200, 0.02
PATTERN_MESSAGES = 2_000_000


class Server:
    def __init__(self, binary, place, data):
        begin = time.monotonic()
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--config", place + "/sockeye.toml", "--data", data]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        atexit.register(self.process.kill)
        line = self.process.stdout.readline()
        self.started_s = time.monotonic() - begin
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        self.processor_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        host, port = re.search(r"http://([\d.]+):(\d+)", line).groups()
        self.addr = (host, int(port))

    def memory_kib(self, name="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"{name}:\s+(\d+) kB", status.read()).group(1))

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


def event_stream(addr, channel, cursor=None):
    """Yields a number for each block of bytes: how many messages it has."""
    stream = socket.create_connection(addr)
    last = f"Last-Event-ID: {cursor}\r\n" if cursor else ""
    stream.sendall(f"GET /v1/sse?channel={channel} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n".encode())
    rest = b""
    while block := stream.recv(1 << 18):
        text = rest + block
        # Messages have a line of x, of which one in a thousand is cut.
        yield text.count(b"xxxx\n")
        rest = text[-4:] if not text.endswith(b"xxxx\n") else b""


def web_socket(addr, channel, cursor):
    stream = socket.create_connection(addr)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n".encode()
    )
    command = json.dumps({"type": "subscribe", "channels": [channel], "cursor": cursor}).encode()
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(command))
    assert len(command) < 126
    stream.sendall(struct.pack("!BB", 0x81, 0x80 | len(command)) + mask + masked)
    rest = b""
    while block := stream.recv(1 << 18):
        text = rest + block
        yield text.count(b'xxxx"')
        rest = text[-4:] if not text.endswith(b'xxxx"') else b""


def read(blocks, wanted):
    """Reads until so many messages came. Returns how many, the time to the first, and to the last."""
    begin, first, found = time.monotonic(), None, 0
    for count in blocks:
        found += count
        if found and first is None:
            first = time.monotonic() - begin
        if found >= wanted:
            break
    return found, first, time.monotonic() - begin


class Canary:
    """Publishes to a channel of its own, and measures when its subscriber has the message."""

    def __init__(self, addr):
        self.addr = addr
        self.stream = socket.create_connection(addr)
        self.stream.sendall(b"GET /v1/sse?channel=canary HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.lines = self.stream.makefile("rb")
        self.connection = http.client.HTTPConnection(*addr)
        self.number = 0

    def once(self):
        self.number += 1
        wanted = f"canary-{self.number}.".encode()
        begin = time.monotonic()
        self.connection.request("POST", "/v1/channels/canary", wanted)
        while wanted not in self.lines.readline():
            pass
        took = time.monotonic() - begin
        assert self.connection.getresponse().read()
        return took

    def run(self, done):
        took = []
        while not done(len(took)):
            took.append(self.once())
            time.sleep(PAUSE_S)
        took.sort()
        return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "max": took[-1], "n": len(took)}


def ms(seconds):
    return f"{seconds * 1000:.1f} ms"


def told(what, found):
    print(f"{what}: " + ", ".join(f"{name} {ms(found[name])}" for name in ("p50", "p99", "max")) + f" of {found['n']}")


def beside(canary, what, blocks, wanted, server):
    """A catch-up, and the canary meanwhile."""
    out = {}

    def work():
        out["read"] = read(blocks, wanted)

    thread = threading.Thread(target=work)
    thread.start()
    found = canary.run(lambda count: not thread.is_alive() and count > 0)
    thread.join()
    count, first, last = out["read"]
    print(f"{what}: {count} messages, the first after {ms(first)}, the last after {ms(last)}; RSS {server.memory_kib()} KiB")
    told(f"  another subscriber meanwhile", found)


def main():
    binary, data = sys.argv[1:3]
    stat = subprocess.run([binary, "log", "stat", "--data", data], capture_output=True, text=True, check=True).stdout
    print(stat.strip())
    messages, channels = map(int, re.search(r"room: (\d+) messages, \d+ bytes, (\d+) channels", stat).groups())
    oldest = re.search(r"as a cursor (\w+)-", stat).group(1) + "-1"
    each = messages // channels
    with tempfile.TemporaryDirectory() as place:
        with open(place + "/sockeye.toml", "w", encoding="ascii") as file:
            file.write(CONFIG)
        server = Server(binary, place, place + "/new")
        print(f"start of a new log: {ms(server.started_s)}, {ms(server.processor_s)} of processor time; "
              f"RSS {server.memory_kib()} KiB")
        server.end(signal.SIGTERM)
        for what, how in [("after the import", signal.SIGTERM), ("after a stop in order", signal.SIGKILL),
                          ("after kill -9", signal.SIGKILL), ("after kill -9", signal.SIGTERM)]:
            server = Server(binary, place, data)
            print(f"start {what}: {ms(server.started_s)} from exec to listening, {ms(server.processor_s)} of processor "
                  f"time; RSS {server.memory_kib()} KiB")
            canary = Canary(server.addr)
            canary.once()
            server.end(how)
        server = Server(binary, place, data)
        canary = Canary(server.addr)
        told("idle", canary.run(lambda count: count == CANARIES))
        for name, blocks in [("event stream", event_stream), ("WebSocket", web_socket)]:
            beside(canary, f"{name}, one channel from its beginning", blocks(server.addr, "room:7", oldest), each - 1, server)
            beside(canary, f"{name}, a pattern over all channels, the first {PATTERN_MESSAGES}",
                   blocks(server.addr, "room:*", oldest), PATTERN_MESSAGES, server)
        told("idle again", canary.run(lambda count: count == CANARIES))
        print(f"RSS {server.memory_kib()} KiB, at most {server.memory_kib('VmHWM')} KiB")
        server.end(signal.SIGTERM)


main()
