"""Publishers and readers, with other people's clients. Each connection may lead to another node."""
import asyncio
import collections
import dataclasses
import itertools
import json
import random

import httpx
import httpx_sse
import websockets

CHANNELS = [f"cluster:{number}" for number in range(3)]
PAUSE_S = 0.05
SILENCE_S = 4  # above the heartbeats and pings of the nodes: then a stream is dead
FAILURES = (OSError, httpx.HTTPError, websockets.WebSocketException, httpx_sse.SSEError, EOFError, asyncio.TimeoutError)


def client(silence=SILENCE_S):
    """A client that keeps no connection: the balancer leads each request to the next node."""
    return httpx.AsyncClient(limits=httpx.Limits(max_connections=None, max_keepalive_connections=0), trust_env=False,
                             timeout=httpx.Timeout(silence, connect=2))


@dataclasses.dataclass
class Message:
    channel: str
    cursor: str
    data: str


@dataclasses.dataclass
class Gap:
    reason: str
    channel: str | None  # None: all that it reads


@dataclasses.dataclass
class Reader:
    """What reached one reader, over all of its connections."""
    name: str
    base: str
    channels: list
    cursor: str = "earliest"
    log: list = dataclasses.field(default_factory=list)
    connections: int = 0
    refused: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # statuses that are no answer

    def __post_init__(self):
        self.client = client()

    def take(self, kind, value):
        """Takes an object of the protocol."""
        if kind == "message":
            self.log.append(Message(value["channel"], value["cursor"], value["data"]))
        elif kind == "gap":
            self.log.append(Gap(value["reason"], value.get("channel")))
        if kind in ("message", "subscribed", "sync", "goaway", "end") and value.get("cursor"):
            self.cursor = value["cursor"]

    def messages(self):
        return [item for item in self.log if isinstance(item, Message)]

    def gaps(self):
        return [item for item in self.log if isinstance(item, Gap)]

    async def connect(self):
        raise NotImplementedError

    async def run(self):
        """Comes back with its cursor, for ever."""
        while True:
            self.connections += 1
            try:
                await self.connect()
            except httpx.HTTPStatusError as refusal:
                self.refused[refusal.response.status_code] += 1
            except FAILURES:
                pass
            await asyncio.sleep(PAUSE_S)


class Socket(Reader):
    """A WebSocket, by `websockets`."""

    async def connect(self):
        url = self.base.replace("http", "ws", 1) + "/v1/ws"
        async with websockets.connect(url, subprotocols=["sockeye.v1.json"], open_timeout=SILENCE_S, close_timeout=1,
                                      ping_interval=1, ping_timeout=SILENCE_S, proxy=None) as socket:
            await socket.send(json.dumps({"type": "subscribe", "channels": self.channels, "cursor": self.cursor}))
            async for text in socket:
                value = json.loads(text)
                if value["type"] != "welcome":  # its cursor says where the log is, and not what has reached us
                    self.take(value["type"], value)


class Events(Reader):
    """An event stream, by `httpx-sse`."""

    async def connect(self):
        params, headers = {"channel": self.channels, "envelope": "json"}, {"Last-Event-ID": self.cursor}
        stream = httpx_sse.aconnect_sse(self.client, "GET", f"{self.base}/v1/sse", params=params, headers=headers)
        async with stream as events:
            events.response.raise_for_status()
            async for event in events.aiter_sse():
                if event.event.startswith("$"):
                    self.take(event.event[1:], json.loads(event.data))
                elif event.data:
                    self.take("message", json.loads(event.data))
                if event.id:
                    self.cursor = event.id


class Polls(Reader):
    """Polls, by `httpx`: a connection for each."""
    wait = 2

    async def connect(self):
        params = {"channel": self.channels, "cursor": self.cursor, "wait": self.wait}
        answer = await self.client.get(f"{self.base}/v1/poll", params=params)
        answer.raise_for_status()
        if answer.status_code == 204:
            self.cursor = answer.headers["Sockeye-Cursor"]
            return
        value = answer.json()
        for gap in value["gaps"]:
            self.take("gap", gap)
        for message in value["messages"]:
            self.take("message", message)
        self.cursor = value["cursor"]


class ShortPolls(Polls):
    """Polls that are answered at once."""
    wait = 0


class Script(Reader):
    """A reader of Node, which comes back by its own rules: our client, or a package of others."""

    def __init__(self, script, kind, name, base, channels):
        super().__init__(name, base, channels)
        self.command = ["node", str(script), kind, base, *channels]

    async def run(self):
        process = await asyncio.create_subprocess_exec(*self.command, stdout=asyncio.subprocess.PIPE)
        try:
            while line := await process.stdout.readline():
                value = json.loads(line)
                self.connections += value["kind"] == "open"
                self.take(value["kind"], value)
            raise AssertionError(f"{self.name} has ended with status {await process.wait()}")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@dataclasses.dataclass
class Publisher:
    """Publishes numbers, each under a key, until each has a receipt; and repeats some that
    have one."""
    name: str
    base: str
    least: int  # numbers; it goes on until it is told that it is enough
    pause: float
    repeats_some: bool
    count: int = 0
    is_enough: bool = False
    receipts: dict = dataclasses.field(default_factory=dict)  # by data: the first receipt
    refusals: int = 0
    repeats: int = 0
    wrong: list = dataclasses.field(default_factory=list)
    others: list = dataclasses.field(default_factory=list)  # repeats with another place than the first one

    def __post_init__(self):
        self.client = client(silence=20)
        self.chance = random.Random(self.name)

    async def run(self):
        for number in itertools.count(1):
            if number > self.least and self.is_enough:
                return
            self.count = number
            await self.publish(f"<{self.name} {number}>", CHANNELS[number % len(CHANNELS)])
            if self.repeats_some and self.chance.random() < 0.1:
                again = self.chance.randint(max(1, number - 50), number)
                await self.publish(f"<{self.name} {again}>", CHANNELS[again % len(CHANNELS)])
            await asyncio.sleep(self.pause)

    async def publish(self, data, channel):
        """Until there is a receipt."""
        while True:
            try:
                receipt = await self.attempt(data, channel, "".join(filter(str.isalnum, data)))
            except FAILURES:
                receipt = None
            if receipt is None:
                self.refusals += 1
                await asyncio.sleep(PAUSE_S)
                continue
            first = self.receipts.setdefault(data, receipt)
            self.repeats += first is not receipt
            if first["cursor"] != receipt["cursor"]:
                self.others.append((data, first["cursor"], receipt["cursor"]))
                self.receipts[data] = receipt
            return

    async def attempt(self, data, channel, key):
        """The receipt; None if it has to be repeated."""
        answer = await self.client.post(f"{self.base}/v1/channels/{channel}", content=data,
                                        headers={"Idempotency-Key": key})
        if answer.status_code == 200:
            return answer.json()
        if answer.status_code not in (502, 503, 504):
            self.wrong.append(f"{answer.status_code} {answer.text[:200]}")
        return None


class SocketPublisher(Publisher):
    """The same over a WebSocket, which it keeps."""
    socket = None

    async def attempt(self, data, channel, key):
        if self.socket is None:
            url = self.base.replace("http", "ws", 1) + "/v1/ws"
            self.socket = await websockets.connect(url, subprotocols=["sockeye.v1.json"], open_timeout=SILENCE_S,
                                                   close_timeout=1, ping_interval=1, ping_timeout=SILENCE_S, proxy=None)
        try:
            await self.socket.send(json.dumps({"type": "publish", "id": key, "channel": channel, "data": data, "key": key}))
            while True:
                value = json.loads(await asyncio.wait_for(self.socket.recv(), 20))
                if value.get("id") == key:
                    break
        except FAILURES:
            await self.drop()
            raise
        if value["type"] == "published":
            return value
        if value["code"] not in ("unavailable", "overloaded"):
            self.wrong.append(str(value))
        return None

    async def drop(self):
        socket, self.socket = self.socket, None
        if socket is not None:
            await asyncio.shield(socket.close())
