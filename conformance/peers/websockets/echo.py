"""usage: echo.py PORT"""

import asyncio
import logging
import sys

from websockets.asyncio.server import serve


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main():
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), max_size=16 << 20) as server:
        await server.serve_forever()


logging.disable(logging.CRITICAL)
asyncio.run(main())
