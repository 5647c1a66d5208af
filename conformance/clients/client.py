"""Python's clients: reads one channel and prints a JSON object a line for what it is given.

The argument is a JSON object: client, base, channel, headers, pause. A line `ping` on the standard
input asks for a ping of the WebSocket protocol.
"""

import asyncio
import json
import ssl
import sys

import httpx
import httpx_sse
import websockets
from websockets.asyncio.client import connect


def note(kind, **detail):
    print(json.dumps({"kind": kind, **detail}), flush=True)


def take(said):
    match said["type"]:
        case "message":
            note("message", id=said["cursor"], data=said["data"])
        case "subscribed":
            note("open")
        case "gap":
            note("gap", **said)
        case "end":
            note("end")
        case "error":
            note("error", said=said)


async def ping_when_told(current):
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while await reader.readline():
        await (await current[0].ping())
        note("pong")


async def read_websocket(settings):
    """websockets comes back by itself, after whatever a proxy says in between."""
    url = settings["base"].replace("http", "ws", 1) + "/v1/ws"
    cursor, current = {}, [None]
    pings = asyncio.create_task(ping_when_told(current))
    # Its own keepalive is off, so that what keeps the connection is the server's.
    async for websocket in connect(
        url, subprotocols=["sockeye.v1.json"], additional_headers=settings.get("headers"),
        ping_interval=None, open_timeout=5, proxy=None,
    ):
        current[0] = websocket
        try:
            subscribe = {"type": "subscribe", "channels": [settings["channel"]], **cursor}
            await websocket.send(json.dumps(subscribe))
            async for text in websocket:
                said = json.loads(text)
                take(said)
                if "cursor" in said and said["type"] != "welcome":
                    cursor = {"cursor": said["cursor"]}
        except websockets.ConnectionClosed:
            pass
        if websocket.close_code == 4000:
            note("done", why="4000")
            break
        note("lost")
    pings.cancel()


async def read_events(settings):
    """httpx-sse reads a stream; coming back with the last ID is up to its user."""
    url, last = settings["base"] + "/v1/sse", None
    timeout, verify = httpx.Timeout(5, read=None), ssl.create_default_context()
    async with httpx.AsyncClient(http2=True, timeout=timeout, verify=verify, trust_env=False) as client:
        while True:
            headers = dict(settings.get("headers") or {})
            if last is not None:
                headers["Last-Event-ID"] = last
            try:
                async with httpx_sse.aconnect_sse(
                    client, "GET", url, params={"channel": settings["channel"]}, headers=headers
                ) as source:
                    if source.response.status_code == 204:
                        note("done", why="status 204")
                        return
                    source.response.raise_for_status()
                    note("spoke", version=source.response.http_version.removeprefix("HTTP/"))
                    note("open")
                    async for event in source.aiter_sse():
                        last = event.id or last
                        if event.event == "message" and event.data:
                            note("message", id=event.id, data=event.data)
                        elif event.event == "$gap":
                            note("gap", data=event.data)
                        elif event.event == "$end":
                            note("end")
            except httpx.HTTPError:
                pass
            note("lost")
            await asyncio.sleep(settings["pause"])


settings = json.loads(sys.argv[1])
clients = {"websockets": read_websocket, "httpx-sse": read_events}
asyncio.run(clients[settings["client"]](settings))
