"""A page, a place for content, an echo: for Hypercorn."""

PAGE = b"a page\n" * 2000


async def app(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": PAGE})
    elif scope["type"] == "websocket":
        await receive()
        if scope["path"] != "/echo":
            return await send({"type": "websocket.close"})
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            kept = {key: event[key] for key in ("text", "bytes") if event.get(key) is not None}
            await send({"type": "websocket.send"} | kept)
