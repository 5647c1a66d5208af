"""A crowd of streams that come back from a killed node to two others: each is resumed from memory, and the engine is not asked."""
import asyncio
import contextlib
import dataclasses
import json
import os
import resource
import time
import urllib.request

from people import CHANNELS
from places import Node, Redis, address

STREAMS = 5000
MISSED = 20  # messages of a channel that come while the crowd is away
AT_A_TIME = 256  # openings under way
COMES_S = 120
READS = ("xread", "xrange", "xrevrange")
TICKS = os.sysconf("SC_CLK_TCK")


class Stream(asyncio.Protocol):
    """One stream of one channel. It counts what comes, and keeps no message."""

    def __init__(self, channel):
        self.channel, self.cursor = channel, "now"
        self.next, self.is_live, self.faults = 1, False, []
        self.buffer, self.transport, self.has_opened = b"", None, None

    async def open(self, node, slots):
        async with slots:
            loop = asyncio.get_running_loop()
            self.buffer, self.is_live, self.has_opened = b"", False, loop.create_future()
            await loop.create_connection(lambda: self, node.host, node.port)
            await asyncio.wait_for(self.has_opened, COMES_S)

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.request(f"{transport.get_extra_info('peername')[0]}:18080"))

    def data_received(self, data):
        self.buffer += data
        if not self.has_opened.done():
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(self.welcome):
                self.faults.append(head[:200].decode(errors="replace"))
            self.buffer = rest
            self.has_opened.set_result(None)
            self.opened()
        self.parse()

    def connection_lost(self, _):
        self.is_live = False
        if not self.has_opened.done():
            self.faults.append("cut before an answer")
            self.has_opened.set_result(None)

    def take(self, kind, value):
        match kind:
            case "message":
                if value["data"] != str(self.next):
                    self.faults.append(f"{value['data']} where {self.next} is expected")
                self.next = int(value["data"]) + 1
            case "sync":
                self.is_live = True
                if not value["recovered"]:
                    self.faults.append(f"not recovered: {value}")
            case "gap":
                self.faults.append(f"a gap {value}")
        self.cursor = value.get("cursor") or self.cursor


class EventStream(Stream):
    welcome = b"HTTP/1.1 200 "

    def request(self, host):
        resumes = "" if self.cursor == "now" else f"Last-Event-ID: {self.cursor}\r\n"
        return (f"GET /v1/sse?channel={self.channel}&envelope=json HTTP/1.1\r\nHost: {host}\r\n"
                f"{resumes}\r\n").encode()

    def opened(self):
        pass

    def parse(self):
        """Events end with an empty line; chunks of HTTP begin with their length, which is no field."""
        *events, self.buffer = self.buffer.split(b"\n\n")
        for event in events:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
            if b"data" in fields:
                kind = fields.get(b"event", b"$message").decode()[1:]
                self.take(kind, json.loads(fields[b"data"]))
            elif b"id" in fields:
                self.cursor = fields[b"id"].decode()


class WebSocket(Stream):
    welcome = b"HTTP/1.1 101 "

    def request(self, host):
        return (f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Sec-WebSocket-Protocol: sockeye.v1.json\r\n\r\n").encode()

    def opened(self):
        cursor = {} if self.cursor == "now" else {"cursor": self.cursor}
        self.send(1, json.dumps({"type": "subscribe", "channels": [self.channel], **cursor}).encode())

    def send(self, opcode, payload):
        """A frame with the mask 0."""
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self.transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def parse(self):
        data, at = self.buffer, 0
        while len(data) - at >= 4:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[start:start + 2], "big"), start + 2
            if len(data) < start + length:
                break
            payload, opcode = data[start:start + length], data[at] & 15
            at = start + length
            if opcode == 9:
                self.send(10, payload)
            elif opcode == 1:
                value = json.loads(payload)
                if value["type"] != "welcome":
                    self.take(value["type"], value)
        self.buffer = data[at:]


@dataclasses.dataclass
class Used:
    """What servers have used so far."""
    reads: int
    sent_bytes: int
    cpu_ms: list

    @classmethod
    def now(cls, redis, processes):
        commands, stats = redis.ask("INFO", "commandstats"), redis.ask("INFO", "stats")
        reads = sum(commands[f"cmdstat_{name}"]["calls"] for name in READS if f"cmdstat_{name}" in commands)
        return cls(reads, stats["total_net_output_bytes"], [cpu_ms(it.process.pid) for it in processes])

    def until(self, later):
        return Used(later.reads - self.reads, later.sent_bytes - self.sent_bytes,
                    [after - before for before, after in zip(self.cpu_ms, later.cpu_ms)])


def cpu_ms(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // TICKS


def publish(node, numbers):
    for channel in CHANNELS:
        lines = "\n".join(json.dumps({"channel": channel, "data": str(number)}) for number in numbers)
        answer = urllib.request.urlopen(f"http://{node.host}:{node.port}/v1/batch", lines.encode(), timeout=30)
        assert json.load(answer)["failed"] == 0


async def until(what, holds):
    late = time.monotonic() + COMES_S
    while not holds():
        assert time.monotonic() < late, f"in time: {what}"
        await asyncio.sleep(0.02)


def room(wanted):
    """As many streams as descriptors allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, (hard - 500) * 8 // 10)


async def returns(redis, nodes, count):
    killed, *others = nodes
    crowd = [(EventStream, WebSocket)[number % 2](CHANNELS[number % len(CHANNELS)]) for number in range(count)]
    slots = asyncio.Semaphore(AT_A_TIME)
    await asyncio.gather(*(stream.open(killed, slots) for stream in crowd))
    await until("all are live", lambda: all(stream.is_live for stream in crowd))
    await asyncio.to_thread(publish, others[0], range(1, 6))
    await until("all have it", lambda: all(stream.next == 6 for stream in crowd))
    await asyncio.to_thread(killed.kill)
    await until("all are cut", lambda: not any(stream.is_live for stream in crowd))
    await asyncio.to_thread(publish, others[0], range(6, 6 + MISSED))
    for node in others:
        await until("both have read it", lambda node=node: node.newest(CHANNELS[-1]) == str(5 + MISSED))
    before, begun = Used.now(redis, [redis, *others]), time.monotonic()
    await asyncio.gather(*(stream.open(others[number // 2 % 2], slots) for number, stream in enumerate(crowd)))
    await until("all are back", lambda: all(stream.faults or (stream.is_live and stream.next == 6 + MISSED) for stream in crowd))
    seconds = time.monotonic() - begun
    used = before.until(Used.now(redis, [redis, *others]))
    await asyncio.to_thread(publish, others[1], [6 + MISSED])
    await until("all are live", lambda: all(stream.faults or stream.next == 7 + MISSED for stream in crowd))
    faults = [fault for stream in crowd for fault in stream.faults]
    assert not faults, f"{len(faults)} faults: {faults[:3]}"
    # Each node asks again when a quarter of a second has brought nothing, whoever reads at it.
    allowed = len(others) * (4 * seconds + 4)
    assert used.reads <= allowed, f"{used.reads} reads of the log, {allowed:.0f} allowed in {seconds:.1f} s"
    replayed = count * MISSED * 100
    assert used.sent_bytes < replayed // 100, f"the engine sent {used.sent_bytes} bytes"
    for stream in crowd:
        stream.transport.abort()
    return (f"{count} streams, {MISSED} missed messages each, back in {seconds:.2f} s; reads of the log meanwhile: {used.reads} "
            f"({allowed:.0f} allowed), bytes from the engine: {used.sent_bytes}; processor time of the nodes: "
            f"{used.cpu_ms[1]} and {used.cpu_ms[2]} ms, of Redis: {used.cpu_ms[0]} ms")


def run(out, slot, binary, wanted):
    """Runs it; gives its figures."""
    count = room(wanted)
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(Redis(out, "redis", address(slot, 1)))
        redis.start()
        url = f"redis://{redis.host}:{redis.port}"
        nodes = [stack.enter_context(Node(out, f"node{n}", address(slot, 4 + n), binary, url)) for n in range(3)]
        for node in nodes:
            node.start()
        said = asyncio.run(returns(redis, nodes, count))
    return said + (f" ({100 * count // wanted} % of {wanted}: descriptors lack)" if count < wanted else "")
