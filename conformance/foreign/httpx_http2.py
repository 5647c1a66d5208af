"""Twenty event streams of httpx on one connection of HTTP/2, and a publication that reaches all of them.

    httpx_http2.py http://127.0.0.1:8080          with prior knowledge
    httpx_http2.py https://localhost:8443 CA      by ALPN
"""

import asyncio
import ssl
import sys

import httpx

COUNT = 20
TEXT = "from one to all"


def is_http2(response):
    assert (response.status_code, response.http_version) == (200, "HTTP/2"), response
    return response


async def events(client, channel, opened):
    """Reads an event stream until it has the message."""
    async with client.stream("GET", "/v1/sse", params={"channel": channel}) as response:
        is_http2(response)
        opened.release()
        async for line in response.aiter_lines():
            if TEXT in line:
                return
    raise AssertionError("the stream has ended")


async def use(client, channel):
    opened = asyncio.Semaphore(0)
    streams = [asyncio.create_task(events(client, channel, opened)) for _ in range(COUNT)]
    for _ in streams:
        await opened.acquire()
    is_http2(await client.post(f"/v1/channels/{channel}", content=TEXT))
    await asyncio.gather(*streams)
    poll = await client.get("/v1/poll", params={"channel": channel, "cursor": "earliest"})
    assert [it["data"] for it in is_http2(poll).json()["messages"]] == [TEXT], poll.text
    # Both directions wait for windows.
    large = "x" * 60_000
    for _ in range(3):
        is_http2(await client.post(f"/v1/channels/{channel}", content=large))
        page = is_http2(await client.get(f"/v1/channels/{channel}/history", params={"limit": 1}))
        assert [it["data"] for it in page.json()["messages"]] == [large]


async def main(base, *ca):
    is_secure = base.startswith("https:")
    verify = ssl.create_default_context(cafile=ca[0]) if is_secure else False
    timeout = httpx.Timeout(30, read=30)
    async with httpx.AsyncClient(
        base_url=base, http1=is_secure, http2=True, verify=verify, timeout=timeout, trust_env=False,
        limits=httpx.Limits(max_connections=1),
    ) as client:
        await use(client, "httpx.tls" if is_secure else "httpx.plain")
    print(f"httpx done: {COUNT} streams")


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 50))
