"""Python's websockets: websockets_server.py PORT. The path says what it does.

It prints its port once it listens; 0 is any free port.
"""

import asyncio
import logging
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def fragments(socket):
    async for message in socket:
        await socket.send(f"{i} " for i in range(int(message)))


async def ping(socket):
    async for message in socket:
        latency = await (await socket.ping(message))
        await socket.send(f"answered {latency >= 0}")


async def close(socket):
    async for message in socket:
        code, _, reason = message.partition(" ")
        await socket.close(int(code), reason)


class Wait:
    """How the last connection to `/wait` is closed: both ends may not know it at the same time."""

    closed = None


async def wait(socket):
    closed = Wait.closed = asyncio.get_running_loop().create_future()
    try:
        await socket.recv()
    except ConnectionClosed as end:
        closed.set_result(f"{end.rcvd.code} {end.rcvd.reason}" if end.rcvd else "nothing")


async def closed(socket):
    async for _ in socket:
        await socket.send(await Wait.closed)


async def subprotocol(socket):
    await socket.send(str(socket.subprotocol))
    await socket.wait_closed()


HANDLERS = {"/echo": echo, "/fragments": fragments, "/ping": ping, "/close": close, "/wait": wait, "/closed": closed,
            "/subprotocol": subprotocol}


def choose(_socket, asked):
    """By our own order, and none where none is asked for."""
    return next((one for one in ("v2", "v1") if one in asked), None)


async def main():
    async def handle(socket):
        await HANDLERS[socket.request.path](socket)

    async with serve(handle, "127.0.0.1", int(sys.argv[1]), max_size=16 << 20, select_subprotocol=choose) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


logging.disable(logging.CRITICAL)
asyncio.run(main())
