"""sse-starlette: starlette_app.py PORT. Its lines end in CRLF and its pings are comments.

It prints its port once it listens; 0 is any free port.
"""

import asyncio
import json
import socket
import sys

import uvicorn
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route


async def numbers(request):
    start = int(request.headers.get("last-event-id", "0"))
    if start >= 9:
        return Response(status_code=204)

    async def stream():
        for i in range(start + 1, start + 4):
            yield ServerSentEvent(data=f"line one of {i}\nline two", event="number", id=str(i), retry=130)

    return EventSourceResponse(stream())


async def pings(request):
    """One event, and then pings without end."""

    async def stream():
        yield {"data": "before the pings"}
        await asyncio.Event().wait()

    return EventSourceResponse(stream(), ping=1)


async def silent(request):
    """One event, and then nothing: whoever is in between gives up."""
    number = int(request.headers.get("last-event-id", "0")) + 1

    async def stream():
        yield {"id": str(number), "data": "then silence"}
        await asyncio.Event().wait()

    return EventSourceResponse(stream(), ping=60)


async def completions(request):
    """What language models' services do: a POST, answered by tokens, `[DONE]` and the end."""
    body = await request.json()

    async def stream():
        for token in body["prompt"].split():
            yield {"data": json.dumps({"delta": token, "by": request.headers["authorization"]})}
        yield {"data": "[DONE]"}

    return EventSourceResponse(stream())


app = Starlette(routes=[
    Route("/numbers", numbers),
    Route("/pings", pings),
    Route("/silent", silent),
    Route("/completions", completions, methods=["POST"]),
])

# The backlog holds what comes before uvicorn accepts.
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
uvicorn.Server(config).run(sockets=[listener])
