#!/usr/bin/env python3
"""A small strict WebSocket echo peer with switchable faults.

It shows that the suite, as run here, can fail: without a fault every case
passes, with a fault exactly the cases about that rule fail.

  faulty_peer.py serve --listen 127.0.0.1:PORT
  faulty_peer.py testee URL
  faulty_peer.py faults

are the commands of the program under test, so that `run --binary faulty_peer.py` takes it
in its place. The environment variable FAULT names the fault. RECORD names a file that gets
one JSON line per connection with the frames as they arrived.
"""
import argparse
import asyncio
import base64
import codecs
import hashlib
import json
import os
import re
import struct
import sys
import zlib

FAULTS = {
    "none": "no fault",
    "no-utf8": "text and close reasons are not checked for valid UTF-8",
    "late-utf8": "UTF-8 is checked only when the message is complete",
    "no-rsv": "reserved bits are ignored",
    "no-opcode": "frames with reserved opcodes are skipped",
    "fragmented-control": "control frames without FIN are accepted",
    "long-control": "control frames beyond 125 octets are accepted",
    "no-pong": "pings are not answered",
    "wrong-pong": "pings are answered with another payload",
    "any-continuation": "continuation frames are accepted outside of a message, new messages inside of one",
    "any-close": "every close code and length is accepted",
    "no-close": "close frames are not answered",
    "wrong-close": "close frames are answered with code 1002",
    "no-text": "text is echoed as binary",
    "short-echo": "echoes lose their last octet",
    "bad-length": "payloads of 65536 octets and more are echoed with a wrong extended length",
    "deflate-corrupt": "compressed echoes have one octet changed",
    "deflate-window": "the agreed window size is ignored when compressing",
    "deflate-context": "no_context_takeover is ignored when compressing",
    "deflate-no-rsv1": "compressed echoes lack RSV1",
    "dies": "the process ends when it is pinged",
    "hangs": "says nothing more, and keeps the connection, when it is pinged",
}
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Fail(Exception):

    def __init__(self, code):
        self.code = code


def xor(data, mask):
    n = len(data)
    pad = (mask * (n // 4 + 1))[:n]
    return (int.from_bytes(data, "little") ^ int.from_bytes(pad, "little")).to_bytes(n, "little")


class Deflate:

    def __init__(self, out_bits, in_bits, out_reset, in_reset):
        self.out_bits, self.in_bits, self.out_reset, self.in_reset = out_bits, in_bits, out_reset, in_reset
        self.c = self.d = None

    def compress(self, data):
        if self.c is None or self.out_reset:
            self.c = zlib.compressobj(-1, zlib.DEFLATED, -self.out_bits)
        return (self.c.compress(data) + self.c.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def decompress(self, data, first, last):
        if first and (self.d is None or self.in_reset):
            self.d = zlib.decompressobj(-self.in_bits)
        out = self.d.decompress(data)
        return out + self.d.decompress(b"\0\0\xff\xff") if last else out


class Peer:

    def __init__(self, reader, writer, fault, client=False, record=None):
        self.r, self.w, self.fault, self.client, self.record = reader, writer, fault, client, record
        self.deflate = None
        self.closing = False

    # ------------------------------------------------------------ handshakes

    async def head(self):
        raw = (await self.r.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = raw.split("\r\n")
        return line, {k.strip().lower(): v.strip() for k, _, v in (h.partition(":") for h in rest if h)}

    async def accept(self):
        line, h = await self.head()
        out = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
               "Sec-WebSocket-Accept: " + base64.b64encode(
                   hashlib.sha1(h["sec-websocket-key"].encode() + MAGIC).digest()).decode()]
        for offer in h.get("sec-websocket-extensions", "").split(","):
            name, *params = [x.strip() for x in offer.split(";")]
            p = dict((x.partition("=")[0], x.partition("=")[2]) for x in params)
            bits = int(p.get("server_max_window_bits") or 15)
            if name == "permessage-deflate" and bits > 8:
                answer = name
                if "server_no_context_takeover" in p:
                    answer += "; server_no_context_takeover"
                if "server_max_window_bits" in p:
                    answer += "; server_max_window_bits=%d" % bits
                self.agree(bits, 15, "server_no_context_takeover" in p, False)
                out.append("Sec-WebSocket-Extensions: " + answer)
                break
        self.w.write(("\r\n".join(out) + "\r\n\r\n").encode())

    async def connect(self, host, path):
        self.w.write(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
                      % (path, host, base64.b64encode(os.urandom(16)).decode())).encode())
        line, h = await self.head()
        assert " 101 " in line, line
        ext = h.get("sec-websocket-extensions", "")
        if ext:
            p = dict((x.strip().partition("=")[0], x.strip().partition("=")[2]) for x in ext.split(";")[1:])
            self.agree(int(p.get("client_max_window_bits") or 15), int(p.get("server_max_window_bits") or 15),
                       "client_no_context_takeover" in p, "server_no_context_takeover" in p)

    def agree(self, out_bits, in_bits, out_reset, in_reset):
        if self.fault == "deflate-window":
            out_bits = 15
        if self.fault == "deflate-context":
            out_reset = False
        self.deflate = Deflate(out_bits, in_bits, out_reset, in_reset)

    # ---------------------------------------------------------------- frames

    def send(self, opcode, payload, rsv=0):
        n = len(payload)
        top = 0x80 if self.client else 0
        if n < 126:
            size = bytes([top | n])
        elif n < 65536:
            size = struct.pack("!BH", top | 126, n)
        else:
            size = struct.pack("!BQ", top | 127, n + (self.fault == "bad-length"))
        mask = os.urandom(4) if self.client else b""
        self.w.write(bytes([0x80 | rsv << 4 | opcode]) + size + mask + (xor(payload, mask) if mask else payload))

    def echo(self, opcode, payload):
        if self.fault == "no-text":
            opcode = 2
        if self.fault == "short-echo":
            payload = payload[:-1]
        rsv = 0
        if self.deflate:
            if self.fault == "deflate-corrupt":
                payload = payload[:-1] + b"~"
            payload = self.deflate.compress(payload)
            rsv = 0 if self.fault == "deflate-no-rsv1" else 4
        self.send(opcode, payload, rsv)

    async def frames(self):
        """Yields (fin, rsv, opcode, remaining, chunk) as octets arrive."""
        while True:
            b0, b1 = await self.r.readexactly(2)
            fin, rsv, opcode, n = b0 >> 7, b0 >> 4 & 7, b0 & 15, b1 & 127
            if bool(b1 & 128) == self.client:
                raise Fail(1002)
            if opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15) and self.fault != "no-opcode":
                raise Fail(1002)
            if rsv and self.fault != "no-rsv" and not (rsv == 4 and self.deflate and opcode in (1, 2)):
                raise Fail(1002)
            if opcode > 7:
                if not fin and self.fault != "fragmented-control":
                    raise Fail(1002)
                if n > 125 and self.fault != "long-control":
                    raise Fail(1002)
            if n == 126:
                n = struct.unpack("!H", await self.r.readexactly(2))[0]
            elif n == 127:
                n = struct.unpack("!Q", await self.r.readexactly(8))[0]
            mask = await self.r.readexactly(4) if b1 & 128 else None
            if self.record is not None:
                self.record.append([fin, rsv, opcode, n, hashlib.sha1()])
            first = True
            while first or n:
                data = await self.r.read(min(n, 1 << 18)) if n else b""
                if n and not data:
                    raise asyncio.IncompleteReadError(b"", n)
                n -= len(data)
                if mask:
                    k = len(data) & 3
                    data, mask = xor(data, mask), mask[k:] + mask[:k]
                if self.record is not None:
                    self.record[-1][4].update(data)
                yield fin, rsv, opcode, n, data, first
                first = False

    async def run(self):
        try:
            await self.loop()
        except Fail as e:
            self.send(8, struct.pack("!H", e.code))
            await self.linger()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except zlib.error:
            self.send(8, struct.pack("!H", 1002))
            await self.linger()
        finally:
            self.w.close()

    async def linger(self):
        """Let the peer read our close frame before the connection goes away."""
        try:
            self.w.write_eof()
            while await asyncio.wait_for(self.r.read(1 << 16), 0.3):
                pass
        except (asyncio.TimeoutError, OSError):
            pass

    async def loop(self):
        message = None          # [opcode, parts, decoder, compressed, compressed octets so far]
        control = b""
        async for fin, rsv, opcode, rest, data, first in self.frames():
            if 2 < opcode < 8 or opcode > 10:
                continue        # only with the fault no-opcode
            if opcode > 7:
                control = data if first else control + data
                if not rest and await self.control(opcode, control):
                    return
                continue
            if first:
                if self.fault == "any-continuation":
                    if message is None or opcode:
                        message = None
                        opcode = opcode or 1
                elif (opcode == 0) != (message is not None):
                    raise Fail(1002)
                if message is None:
                    check = opcode == 1 and self.fault != "no-utf8"
                    message = [opcode, [], codecs.getincrementaldecoder("utf-8")() if check else None,
                               rsv == 4 and self.deflate is not None, True]
            kind, parts, decoder, compressed, begin = message
            last = fin and not rest
            if compressed:
                data = self.deflate.decompress(data, begin, last)
                message[4] = False
            parts.append(data)
            try:
                if decoder and self.fault != "late-utf8":
                    decoder.decode(data, last)
                elif decoder and last:
                    b"".join(parts).decode("utf-8")
            except UnicodeDecodeError:
                raise Fail(1007)
            if last:
                message = None
                if await self.message(kind, b"".join(parts)):
                    return
                await self.w.drain()

    async def message(self, opcode, payload):
        self.echo(opcode, payload)

    async def control(self, opcode, payload):
        if opcode == 9 and self.fault == "dies":
            os._exit(3)
        if opcode == 9 and self.fault == "hangs":
            await asyncio.sleep(3600)
        if opcode == 9 and self.fault != "no-pong":
            self.send(10, payload + b"!" if self.fault == "wrong-pong" else payload)
        if opcode != 8:
            return False
        if self.fault != "any-close":
            if len(payload) == 1:
                raise Fail(1002)
            if payload:
                code = struct.unpack("!H", payload[:2])[0]
                if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
                    raise Fail(1002)
                try:
                    if self.fault != "no-utf8":
                        payload[2:].decode("utf-8")
                except UnicodeDecodeError:
                    raise Fail(1007)
        if self.fault == "no-close":
            await asyncio.sleep(30)
        elif self.fault == "wrong-close":
            self.send(8, struct.pack("!H", 1002))
        else:
            self.send(8, payload[:2] if len(payload) > 1 else b"")
        await self.linger()
        return True


def ignore_resets(loop, context):
    if not isinstance(context.get("exception"), OSError):
        loop.default_exception_handler(context)


async def serve(port, fault, record_file):
    asyncio.get_running_loop().set_exception_handler(ignore_resets)
    out = open(record_file, "w") if record_file else None

    async def one(reader, writer):
        frames = [] if out else None
        peer = Peer(reader, writer, fault, record=frames)
        try:
            await peer.accept()
        except (asyncio.IncompleteReadError, ConnectionError, KeyError):
            writer.close()
            return
        await peer.run()
        if out:
            out.write(json.dumps([f[:4] + [f[4].hexdigest()] for f in frames]) + "\n")
            out.flush()

    server = await asyncio.start_server(one, "127.0.0.1", port, limit=1 << 20)
    print("listening on %d, fault: %s" % (server.sockets[0].getsockname()[1], fault), flush=True)
    async with server:
        await server.serve_forever()


async def run_client(url, agent, fault):
    asyncio.get_running_loop().set_exception_handler(ignore_resets)
    host, port = re.match(r"ws://([^:/]+):(\d+)", url).groups()

    async def session(path, cls=Peer):
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
        peer = cls(reader, writer, "none" if cls is not Peer else fault, client=True)
        await peer.connect("%s:%s" % (host, port), path)
        await peer.run()
        return peer

    class Ask(Peer):
        async def message(self, opcode, payload):
            self.answer = payload

    count = int((await session("/getCaseCount", Ask)).answer)
    for i in range(1, count + 1):
        await session("/runCase?case=%d&agent=%s" % (i, agent))
    await session("/updateReports?agent=%s" % agent, Ask)


def main():
    top = argparse.ArgumentParser(prog="faulty_peer.py")
    sub = top.add_subparsers(dest="what", required=True)
    sub.add_parser("serve").add_argument("--listen", required=True)
    sub.add_parser("testee").add_argument("url")
    sub.add_parser("faults")
    args = top.parse_args()
    fault = os.environ.get("FAULT", "none")
    if fault not in FAULTS:
        sys.exit("no fault %r" % fault)
    if args.what == "faults":
        for name, text in FAULTS.items():
            print("%-20s %s" % (name, text))
    elif args.what == "serve":
        asyncio.run(serve(int(args.listen.rpartition(":")[2]), fault, os.environ.get("RECORD")))
    else:
        asyncio.run(run_client(args.url, "sockeye", fault))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
