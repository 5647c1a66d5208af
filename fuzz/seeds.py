#!/usr/bin/env python3
"""Writes the hand-made seeds of the corpora: `python3 seeds.py`, in this directory.

Each target's arguments come first; they are described at the target, in the crate's
`properties::fuzz`. What the fuzzer finds is committed beside the seeds under a name that says
what it is; this script never deletes.
"""

import base64
import hashlib
import hmac
import pathlib
import struct
import zlib

CORPUS = pathlib.Path(__file__).parent / "corpus"
KEY = b"\x37\xfa\x21\x3d"  # of the examples in RFC 6455 §5.7


def write(target, args, seeds):
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in seeds.items():
        (directory / name).write_bytes(args + content)


# Frames

def mask(payload, key=KEY):
    return bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def frame(first, payload, masked=True, length=None):
    """A frame; `length` is the length field where it is not the shortest."""
    flag = 0x80 if masked else 0
    if length is None:
        n = len(payload)
        length = bytes([flag | n]) if n < 126 else bytes([flag | 126]) + struct.pack(">H", n)
    else:
        length = bytes([flag | length[0]]) + length[1:]
    return bytes([first]) + length + (KEY + mask(payload) if masked else payload)


def conversations(masked):
    def f(first, payload=b"", length=None):
        return frame(first, payload, masked, length)

    return {
        "hello": f(0x81, b"Hello"),
        "fragments": f(0x01, b"Hel") + f(0x80, b"lo"),
        "ping-between": f(0x01, b"a\xe2") + f(0x89, b"?") + f(0x80, b"\x82\xac") + f(0x8A, b"!"),
        "two-lengths": f(0x82, bytes(126)) + f(0x82, bytes(256)),
        "length-64": f(0x82, b"", b"\x7f" + struct.pack(">Q", 65536)),
        "empty-fragments": f(0x02) + f(0x00) + f(0x00) + f(0x80) + f(0x81),
        "close": f(0x81, b"x") + f(0x88, b"\x03\xe8bye") + f(0x81, b"after"),
        "close-empty": f(0x88),
        "close-one-byte": f(0x88, b"\x03"),
        "close-no-status": f(0x88, b"\x03\xed"),
        "close-while-fragmented": f(0x01, b"x") + f(0x88, b"\x03\xe9"),
        "compressed": f(0xC1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"),
        "wrong-mask": frame(0x81, b"Hello", not masked),
        "reserved-bits": f(0xB1, b"x"),
        "unknown-opcode": f(0x83, b"x"),
        "long-ping": f(0x89, bytes(126)),
        "long-form": f(0x82, b"x", b"\x7e\x00\x01"),
        "surrogate": f(0x01, b"\xed") + f(0x80, b"\xa0\x80"),
        "no-start": f(0x80, b"x"),
        "length-sign": bytes([1, 0xFF if masked else 0x7F]) + b"\xff" * 4,
        "too-large": f(0x02, b"", b"\x7f\x7f" + b"\xff" * 7),
    }


SCRIPT = bytes(range(0, 250, 7)) * 2

for target, masked in [("server_conversation", True), ("client_conversation", False)]:
    write(target, b"\x00\x01\x02\x05", conversations(masked))
    write(target, b"\x02\x03\x01\x07", {"script": SCRIPT})
    write(target, b"\x03\x03\x01\x07", {"script-closing": SCRIPT})

for flags, masked, prefix in [(0x40, True, ""), (0x71, False, "client-")]:
    frames = {prefix + name: seed for name, seed in list(conversations(masked).items())[::2]}
    write("frame_decoder", bytes([flags]) + b"\x00\x00\x01\x02\x05", frames)

write("two_ends", b"\x00\x01\x02\x05", {"server": bytes(range(16)) * 2})
write("two_ends", b"\x01\x01\x02\x05", {"client": bytes(range(16)) * 2})

for name, opcode, length in [
    ("short", 1, 5), ("16-bit", 2, 126), ("16-bit-end", 2, 65535), ("64-bit", 0, 65536),
    ("largest", 2, 2**63 - 1), ("ping", 9, 125),
]:
    write("frame_header", b"\x81", {name: bytes([opcode]) + KEY + struct.pack(">Q", length * 2)})

write("frame_mask", KEY, {
    "hello": bytes(8) + b"\x02Hello",
    "unaligned": bytes(7) + b"\x03\x11" + bytes(range(40)),
    "offset-end": b"\xff" * 8 + b"\x05" + bytes(range(70)),
})

write("close_frame", b"", {
    "empty": b"", "one-byte": b"\x03", "normal": b"\x03\xe8", "reason": b"\x03\xe9going away",
    "no-status": b"\x03\xed", "abnormal": b"\x03\xee", "tls": b"\x03\xf7", "999": b"\x03\xe7",
    "3000": b"\x0b\xb8", "4999": b"\x13\x87", "5000": b"\x13\x88", "65535": b"\xff\xff",
    "not-utf8": b"\x03\xe8\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80",
    "cut-utf8": b"\x03\xe8\xe2\x82", "too-long": b"\x03\xe8" + b"x" * 124,
    "longest": b"\x03\xe8" + b"x" * 123,
})

write("utf8", b"\x01\x02\x03", {
    "greek": "κόσμε".encode(), "ascii": b"x" * 40, "mixed": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "four": "🐟𐍈".encode(), "first-and-last": b"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90"
    b"\x80\x80\xf4\x8f\xbf\xbf", "overlong-2": b"a\xc0\xaf", "overlong-3": b"a\xe0\x9f\xbf",
    "overlong-4": b"a\xf0\x8f\xbf\xbf", "surrogate": b"a\xed\xa0\x80", "above": b"a\xf4\x90\x80",
    "alone": b"a\x80", "cut": b"a\xf0\x9f\x90", "five": b"\xf8\x88\x80\x80\x80", "ff": b"a\xff",
    "late": b"x" * 33 + b"\xe2\x28\xa1",
})

# Heads

GET = b"GET /chat?a=%20+c HTTP/1.1\r\nHost: example.com\r\n"
UPGRADE = (b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
EXTENSIONS = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
ATTACKS = {
    "two-lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "length-and-coding": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "space-before-colon": b"Transfer-Encoding : chunked\r\n",
    "folded": b"X: a\r\n b\r\n",
    "bare-lf": b"X: a\nY: b\r\n",
    "bare-cr": b"X: a\rb\r\n",
    "nul": b"X: a\0b\r\n",
    "sign": b"Content-Length: +5\r\n",
    "obs-text": b"X:\t\xe4 \r\n",
    "other-coding": b"Transfer-Encoding: gzip, chunked\r\n",
    "two-hosts": b"Host: other\r\n",
}
heads = {name: GET + lines + b"\r\n" for name, lines in ATTACKS.items()}
heads |= {
    "websocket": GET + UPGRADE + EXTENSIONS + b"\r\n",
    "post": b"POST / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\nhello",
    "absolute": b"GET http://[::1]:80/x HTTP/1.0\r\nConnection: close\r\n\r\n",
    "connect": b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "options": b"\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}
write("request_head", b"\x40\x08\x01\x07", heads)

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n"
ACCEPTED = (b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")
responses = {name: b"HTTP/1.1 200 OK\r\n" + ATTACKS[name] + b"\r\n"
             for name in ["two-lengths", "length-and-coding", "folded", "bare-lf", "other-coding"]}
write("response_head", b"\x40\x08\x01\x07", responses | {
    "switching": SWITCH + ACCEPTED + b"\r\n",
    "no-reason": b"HTTP/1.1 204\r\n\r\n",
    "until-close": b"HTTP/1.0 200 \r\nServer: x\r\n\r\nbody",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "not-modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "upgrade-required": b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13, 8\r\n\r\n",
    "four-digits": b"HTTP/1.1 2000 OK\r\n\r\n",
})

write("chunked", b"\x01\x02\x03\x05", {
    "rfc9112": b"4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n",
    "extension": b"5 ;a=\"b\"\r\nhello\r\n0;x\r\n\r\n",
    "trailers": b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\nGET /",
    "zeros": b"0000000000000002\r\nxx\r\n0\r\n\r\n",
    "overflow": b"FFFFFFFFFFFFFFFFF\r\nx",
    "largest": b"ffffffffffffffff\r\nx",
    "bare-lf": b"1\nx\r\n0\r\n\r\n",
    "bare-cr": b"1;\rx\r\nx\r\n0\r\n\r\n",
    "no-size": b"\r\nx\r\n0\r\n\r\n",
    "no-size-at-end": b"\r\n\r\n",
    "too-many-zeros": b"00000000000000002\r\nxx\r\n0\r\n\r\n",
    "sign": b"+1\r\nx\r\n0\r\n\r\n",
    "prefix": b"0x1\r\nx\r\n0\r\n\r\n",
    "long-data": b"1\r\nxx\r\n0\r\n\r\n",
})

write("http_writing", struct.pack(">HB", 200, 0), {
    "plain": b"\xff".join([b"GET", b"/", b"a", b"body", b"X", b"1", b"Y", b"2"]),
    "injection": b"\xff".join([b"GET", b"/ HTTP/1.1\r\n", b"a\r\nX: y", b"", b"X\r\nY", b"1",
                               b"Z", b"a\r\n\r\nb", b"Content-Length", b"3"]),
    "absolute": b"\xff".join([b"POST", b"http://b/x", b"a", b"x", b"A", b"\t", b"B", b" \xe4"]),
    "connect": b"\xff".join([b"CONNECT", b"a:443", b"a:443", b""]),
})
write("http_writing", struct.pack(">HB", 204, 2), {"bodiless": b"OPTIONS\xff*\xff[::1]\xffbody"})
write("http_writing", struct.pack(">HB", 205, 1), {"reset": b"HEAD\xff/\xffa:1\xffbody"})

# Handshakes

write("server_answers", b"", {
    "rfc6455": GET + UPGRADE + b"Origin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n" + EXTENSIONS + b"\r\n",
    "origin-null": b"Origin: null",
    "same-host": b"Origin: HTTP://EXAMPLE.com:80",
    "protocols": b"Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: superchat,chat",
    "protocol-twice": b"Sec-WebSocket-Protocol: chat, chat",
    "offers": EXTENSIONS + b"Sec-WebSocket-Extensions: foo;a=\"b\"",
    "broken-offer": b"Sec-WebSocket-Extensions: foo;;",
    "key-twice": b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "body": b"Content-Length: 1",
    "version-8": GET + UPGRADE.replace(b"13", b"8") + b"\r\n",
    "short-key": GET + UPGRADE.replace(b"dGhl", b"") + b"\r\n",
    "key-bits": GET + UPGRADE.replace(b"ZQ==", b"ZR==") + b"\r\n",
    "post": GET.replace(b"GET", b"POST") + UPGRADE + b"\r\n",
    "http10": b"GET / HTTP/1.0\r\n" + UPGRADE + b"\r\n",
    "h2c": GET + UPGRADE.replace(b"websocket", b"h2c") + b"\r\n",
})

write("client_verifies", b"", {
    "rfc6455": SWITCH + ACCEPTED + b"Sec-WebSocket-Protocol: chat\r\n\r\n",
    "extension": b"Sec-WebSocket-Extensions: permessage-deflate",
    "both": b"Sec-WebSocket-Extensions: foo; a\r\nSec-WebSocket-Extensions: permessage-deflate",
    "unasked": b"Sec-WebSocket-Extensions: bar",
    "two-protocols": b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: superchat",
    "other-protocol": b"Sec-WebSocket-Protocol: Chat",
    "accept-twice": b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "accept-case": SWITCH + ACCEPTED.replace(b"s3p", b"S3P") + b"\r\n",
    "no-accept": SWITCH + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "http10": SWITCH.replace(b"1.1", b"1.0") + ACCEPTED + b"\r\n",
    "upgrade-required": b"HTTP/1.1 426 X\r\nSec-WebSocket-Version: 13, 8\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
})

OFFERS = {
    "browser": b"permessage-deflate; client_max_window_bits",
    "all": b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
    b"server_max_window_bits=10; client_max_window_bits=15",
    "zero": b"permessage-deflate; server_max_window_bits=08",
    "twice": b"permessage-deflate; server_max_window_bits=8; server_max_window_bits=8",
    "value": b"permessage-deflate; server_no_context_takeover=1",
    "seven": b"permessage-deflate; client_max_window_bits=7",
    "sixteen": b"permessage-deflate; server_max_window_bits=16; unknown",
}
write("deflate_offers", b"\x00\x04\x04", OFFERS)
write("deflate_offers", b"\x13\x00\x07", {"own-" + name: text for name, text in OFFERS.items()})
write("gzip_streams", b"\x03\x40", {
    "shared": bytes([8, 2, 100, 3, 7, 4, 200, 1, 9]) + bytes([1, 3, 1, 0xFF, 3]),
    "mixed": bytes([12, 0, 90, 5, 1, 1, 255, 8, 2, 3, 200, 2, 3]) + bytes([0, 1, 2, 3, 4, 5, 0xFF, 5, 1]),
    "long": bytes([8, 2, 255, 8, 1, 0, 255, 7, 2]) + bytes([1, 2, 3]),
})
write("extension_header", b"\x01\x02\x03\x04", {
    name: OFFERS[name] for name in ["browser", "all", "twice"]
} | {
    "rfc6455": b"foo\nbar; baz=2",
    "quoted": b"foo; a=\"b\"; c=\"\\d\", , x",
    "quoted-comma": b"foo; a=\"b,c\"",
    "unclosed": b"foo; a=\"b",
    "escape-end": b"foo; a=\"b\\",
    "empty-value": b"foo; a=",
    "empty-quoted": b"foo; a=\"\"",
    "empty-list": b", ,\t,",
    "many": b",".join([b"a"] * 40),
    "many-params": b"a" + b";b" * 40,
    "spaces": b" foo\t;\ta = \"b\" , bar",
})

# Compression

def deflated(data, flush=zlib.Z_SYNC_FLUSH, level=9, strategy=0):
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    out = stream.compress(data) + stream.flush(flush)
    return out.removesuffix(b"\x00\x00\xff\xff") if flush == zlib.Z_SYNC_FLUSH else out


def sized(*messages):
    return b"".join(bytes([len(message)]) + message for message in messages)


HELLO = bytes.fromhex("f248cdc9c90700")
write("inflate", b"\xfc\x0b\xb8", {
    "rfc7692-7.2.3.1": sized(HELLO),
    "rfc7692-7.2.3.2": sized(HELLO, bytes.fromhex("f200110000")),
    "rfc7692-7.2.3.3": sized(bytes.fromhex("000500faff48656c6c6f00")),
    "rfc7692-7.2.3.4": sized(bytes.fromhex("f348cdc9c9070000")),
    "rfc7692-7.2.3.5": sized(bytes.fromhex("f248050000 00ffffcac9c90700")),
    "rfc7692-7.2.3.6": sized(b"\x00"),
    "dynamic": sized(deflated(b"abcdabcdefabbbbcccddd" * 9 + bytes(range(97, 120)) * 3)),
    "finished": sized(deflated(b"Hello", zlib.Z_FINISH), HELLO),
    "stored": sized(deflated(b"Hello", level=0)),
    "empty": sized(b"", b"\x00", b""),
    "cut": sized(HELLO[:3], HELLO),
    "too-far": sized(bytes.fromhex("4b040200")),
    "block-type-3": sized(b"\x07"),
    "final-blocks": sized(b"\x03\x00" * 60),
    "final-block-is-tail": sized(b"\x03\x00" * 16 + bytes.fromhex("010400fbff")),
    "stored-complement": sized(b"\x00\x05\x00\xfa\xfeHello"),
})
write("inflate", b"\x00\x00\x40", {"bomb": sized(deflated(bytes(60_000)))})
write("inflate", b"\x03\x40\x00", {"no-takeover": sized(HELLO, bytes.fromhex("f200110000"))})

TEXT = b"Ask me no questions, and I shall tell you no lies; ask me no more."
write("deflate_messages", b"\xfc\x06\x00\x01", {
    "hellos": b"\xff".join([b"Hello"] * 5),
    "json": b"\xff".join(b'{"id":%d,"text":"hello"}' % n for n in range(12)),
    "runs": b"\xff".join(bytes([n]) * 90 for n in range(4)),
    "empty": b"\xff\xff\xff",
    "noise": b"\xff".join([bytes(range(0, 250, 3)), bytes(range(1, 250, 3))]),
    "far-back": b"\xff".join([TEXT, b"", b"z" * 40, b"", b"y" * 50, b"", TEXT]),
})
write("deflate_messages", b"\x00\x09\x00\x00", {"small-window": (b"0123456789abcdef" * 20 + b"\xff") * 3})
write("deflate_messages", b"\x03\x01\x00\x00", {"no-takeover": (b"0123456789abcdef" * 4 + b"\xff") * 3})

SEED = bytes.fromhex("021003110320052204ff063300a0070103800302")
for mode, name in enumerate(["round-trip", "mixed", "shared", "private-stream"]):
    write("deflate_sessions", bytes([0xFC, mode * 10 + 6, 0, 1]), {name: SEED})
    write("deflate_sessions", bytes([0x00, mode * 10 + 2, 0, 0]), {name + "-small-window": SEED})
write("deflate_sessions", bytes([0xFC, 16, 0, 0]), {
    "interleaved": bytes.fromhex("023c0000 02500001 02140000 02500001 02780000"),
})

# Event streams

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
write("client_event_source", b"\x01\x00\x10\x02\x30\x05", {
    "events": STREAM + b"\r\ndata: one\nid: 1\n\n: note\nretry: 5\nevent: t\rdata: two\r\r",
    "chunks": STREAM + b"Transfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n4;a\r\n x\n\n\r\n0\r\nA: b\r\n\r\n",
    "length": STREAM + b"Content-Length: 9\r\n\r\ndata: x\n\nbehind",
    "interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + STREAM + b"\r\ndata: x\n\n",
    "redirect": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: //other/next?x#y\r\n\r\n",
    "no-content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 30\r\n\r\n" + b"no" * 15,
    "busy": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n",
    "gzip": STREAM + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b",
    "too-large": STREAM + b"\r\ndata: " + b"x" * 90,
    "many-headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10 + b"\r\n",
})
write("client_web_socket", b"\x01\x00\x02\x01\x08\x30", {
    "messages": b"\x81\x03one\x01\x02tw\x80\x01o\x82\x00",
    "control": b"\x89\x02hi\x8a\x00\x88\x05\x03\xe8bye\x81\x01x",
    "broken": b"\x81\x03one\xf1\x00", "masked": b"\x81\x81\x01\x02\x03\x04a",
    "too-big": b"\x82\x7e\x01\x2d", "huge": b"\x82\x7f" + b"\xff" * 8,
    "fragments": b"\x01\x00" + b"\x00\x00" * 12, "not-utf8": b"\x81\x02\xc3\x28",
})
write("client_web_socket", b"\x02\x00\x02\x01\x08\x30", {
    "compressed": b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00" * 2, "corrupt": b"\xc1\x04" + b"\xff" * 4,
})
write("client_web_socket", b"\x00\x00\x02\x01\x08\x30", {
    "refused": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho",
    "wrong-accept": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
})


def text(said):
    return bytes([0x81, 126]) + len(said).to_bytes(2, "big") + said if len(said) > 125 else bytes([0x81, len(said)]) + said


HUB = [
    b'{"type":"welcome","cursor":"1mubbs7i8-15","session":"p3x9","ping_ms":25000}',
    b'{"type":"subscribed","id":"s1","channels":["a","b"],"cursor":"1mubbs7i8-15"}',
    b'{"type":"message","channel":"a","cursor":"1mubbs7i8-16","time":5,"data":{"x":1}}',
    b'{"type":"message","channel":"b","cursor":"1mubbs7i8-17","time":5,"event":"e","data":"t"}',
    b'{"type":"sync","cursor":"1mubbs7i8-18","recovered":true,"gaps":0,"replayed":1}',
    b'{"type":"end","channel":"a","cursor":"1mubbs7i8-19"}',
    b'{"type":"goaway","code":1012,"reason":"restart","retry_ms":10,"cursor":"1mubbs7i8-18"}',
]
write("client_subscription", b"\x00\x00\x02\x01\x08\x30", {
    "socket": b"".join(map(text, HUB)), "strange": text(b"[") + text(b"{}"), "closed": text(HUB[0]) + b"\x88\x02\x0f\xa0",
})
write("client_subscription", b"\x01\x00\x02\x01\x08\x30", {
    "refused": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\n\r\n" + b"no" * 20,
    "stream": STREAM + b'\r\nid: 1mubbs7i8-16\ndata: {"type":"message","channel":"a","cursor":"1mubbs7i8-16","time":5,"data":1}\n\n',
})
write("client_subscription", b"\x02\x00\x02\x01\x08\x30", {
    "poll": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 72\r\n\r\n{"cursor":"1mubbs7i8-15","messages":[],"gaps":[],"ended":[],"more":true}',
})


def h2(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


H2_STREAM = h2(1, 4, 1, b"\x88" + field(b"content-type", b"text/event-stream"))
write("client_http2", b"\x09\x01\x07\x30\x02", {
    "answers": H2_STREAM + h2(0, 0, 1, b"data: a\n\n") + h2(1, 4, 3, b"\x88" + field(b"content-length", b"2"))
               + h2(0, 1, 3, b"{}") + h2(1, 4, 5, b"\x88") + h2(0, 0, 5, b"\x81\x01a") + h2(0, 1, 5, b"\x88\x00")
               + h2(0, 1, 1, b"data: b\n\n"),
    "goaway": H2_STREAM + h2(7, 0, 0, b"\0\0\0\x01\0\0\0\0") + h2(0, 1, 1, b"data: a\n\n"),
    "refused": h2(3, 0, 1, b"\0\0\0\x07") + h2(3, 0, 3, b"\0\0\0\x0d") + h2(1, 5, 5, b"\x8d"),
    "trailers": h2(1, 4, 1, b"\x88") + h2(0, 0, 1, b"x") + h2(1, 5, 1, field(b"a", b"b")) + h2(1, 5, 3, b"\x89"),
    "interim": h2(1, 4, 1, b"\x08\x03103") + h2(1, 5, 1, b"\x88") + h2(6, 0, 0, b"12345678"),
})
write("client_url", b"", {
    "plain": b"http://host/a/b?c=d\xff../e", "all": b"wss://[::1]:8080/%c3%a9 \xc3\xa9?q\xff//other/x",
    "scheme": b"HTTPS://Host:443\xffhttp:b", "user": b"ws://a:b@host/\xff?x", "fragment": b"http://h#f\xff#g",
    "dots": b"http://h/./a/../..//b/.\xff./../../c/..", "empty": b"http://\xff", "dots-in-target": b"http://a\xff//.",
})
write("sse_parser", b"\x30\x01\x02\x05", {
    "stocks": b"data: YHOO\ndata: +2\ndata: 10\n\n",
    "comments": b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third",
    "empty-data": b"data\n\ndata\ndata\n\ndata:",
    "spaces": b"data:test\n\ndata: test\n\n",
    "crlf": b"event: a\r\ndata: b\r\n\r\n", "cr": b"event: a\rdata: b\r\r",
    "mixed-ends": b"data: a\r\ndata: b\rdata: c\n\r\n", "bom": b"\xef\xbb\xbfdata: a\n\n",
    "two-boms": b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", "retry": b"retry: 3000\nretry: 3x\nretry:\n\n",
    "retry-large": b"retry: 18446744073709551616\n\n", "id-nul": b"id: a\0b\ndata: x\n\n",
    "not-utf8": b"data: \xff\xe2\x82\n\ndata: \xf0\x9f\x90\n\n", "utf8": "data: €🐟\n\n".encode(),
    "unknown": b"foo: bar\n :x\ndata : y\n\n", "long": b"data: " + b"x" * 100 + b"\n\n",
    "id-alone": b"id: 7\n\ndata: x\n\n",
})

write("sse_encoder", struct.pack(">Q", 3000), {
    "plain": b"\xff".join([b"add", b"7", b"a\nb", b"note"]),
    "empty": b"\xff\xff\xff",
    "injection": b"\xff".join([b"a\ndata: x", b"1\r\n\r\n", b"\r\n\r\ndata: x\r", b"a\ndata: b\n\n"]),
    "spaces": b"\xff".join([b" a", b" 1", b" \n : \n", b" "]),
    "nul": b"\xff".join([b"a\0", b"1\0", b"\0", b"\0"]),
    "bom": b"\xff".join(["\ufeffa".encode()] * 4),
})

write("outbox", b"\x00", {
    "copies": bytes([0, 9, 1, 2, 4, 0, 0, 9, 2, 2, 90, 0]),
    "shares": bytes([1, 9, 1, 1, 9, 2, 2, 12, 0, 0, 3, 3, 2, 2, 0]),
    "large": bytes([0x70, 255, 1, 0x71, 255, 2, 0x72, 99, 0, 0x70, 1, 1, 0x72, 255, 0]),
})
write("outbox", b"\x03", {"sips": bytes([0, 9, 1, 1, 9, 2, 2, 5, 0, 0, 1, 1, 2, 30, 0])})

# Three bytes are a step: what, how much, a value. The first one chooses the version of TLS.
write("tls_conversation", b"", {
    "whole": bytes([7, 255, 255] * 8 + [0x38, 9, 255] + [7, 255, 255] * 4),
    "older": bytes([5, 255, 255] * 8 + [0x38, 9, 255] + [7, 255, 255] * 4),
    "crumbs": bytes([1, 1, 9, 2, 9, 9] + [5, 5, 9] * 90 + [0x20, 99, 9] + [5, 5, 9] * 60),
    "changed": bytes([7, 255, 255] * 8 + [0, 40, 255, 3, 9, 251, 7, 255, 255]),
    "keys": bytes([7, 255, 255] * 8 + [4, 255, 255, 0, 40, 255] + [7, 255, 255] * 3),
})
write("tls_garbage", b"\xff", {
    "request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "record": bytes([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
    "older": bytes([0x80, 0x2E, 1, 3, 1, 0, 0]),
    "alert": bytes([21, 3, 3, 0, 2, 2, 40]),
})

# What goes over the line between the hub and its clients

write("wire_command", b"", {
    "subscribe": b'{"type":"subscribe","id":"s1","channels":["chat:7","news:*"],"cursor":"10-7"}',
    "publish": b'{"type":"publish","id":7,"channel":"a:b","data":{"n":1.50},"event":"e","key":"k",'
               b'"expect":0,"ttl_ms":9}',
    "auth": b'{"type":"auth","ticket":"t"}', "ping": b'{"typ\\u0065":"ping"}',
    "unsubscribe": b' {"type" : "unsubscribe" ,\n"channels":["\\u0061"]} ',
    "cut": b'{"id":"a","type":"ping"', "twice": b'{"id":"a","id":7,"type":"ping"}',
    "deep": b'{"type":"publish","channel":"a","data":' + b"[" * 70,
    "unknown": b'{"type":"ping","x\\n":1}', "not-utf8": b'{"type":"\xff"}',
})

write("wire_body", b"", {
    "json": b'{"channels":["a:b","c"],"data":["\\ud83d\\ude00",1e999]}',
    "batch": b'{"channel":"a","data":1}\n\nnonsense\r\n\xff\n{"channel":"b","data":"x"}',
    "surrogate": b'{"channel":"a","data":"\\ud83d"}', "text": b" hello ",
    "expect": b'{"channel":"a","data":1,"expect":"10-7"}',
})

write("wire_payload", b"", {
    "lines": b"sold\xffs1\xffa\r\nb\rc\n", "json": b"a\xff\xff{\"a\":1,\r\n\"a\":[1.50, {}]} ",
    "injection": b"x\ndata: y\xff1\n\nid: 2\xff\"}\n\nevent: $gap\n\n",
    "dollar": b"$gap\xff\xff", "surrogate": b'a\xff\xff["\\ud83d\\u0041"]',
})

write("wire_target", b"", {
    "channels": b"channel=a%3Ab&channel=c&cursor=1a-b~s~m", "plus": b"event=a+b%2Bc",
    "bad": b"channel=%zz&%", "not-utf8": b"%ff", "empty": b"&&=&a",
})

# Who may do what

def jwt(header, claims):
    part = [base64.urlsafe_b64encode(it).rstrip(b"=") for it in (header, claims)]
    tag = hmac.new(b"\1" * 32, b".".join(part), hashlib.sha256).digest()
    return b".".join(part + [base64.urlsafe_b64encode(tag).rstrip(b"=")])


OURS = (b'{"alg":"HS256","typ":"JWT"}',
        b'{"channels":["chat:*","news"],"exp":1800000060,"publish":[],"sub":"ann"}')
PEMS = sorted((pathlib.Path(__file__).parent / "../crates/auth/tests/tokens").glob("*.pem"))

write("auth_token", b"t", {
    "ours": jwt(*OURS), "none": jwt(b'{"alg":"none"}', OURS[1]), "cut": jwt(*OURS)[:-1], "dots": b"...",
})
write("auth_token", b"s", {
    "signed": b"\xff".join(OURS), "crit": b'{"alg":"HS256","crit":[]}\xff' + OURS[1],
    "times": b'{"alg":"HS256"}\xff{"exp":1e300,"nbf":-1,"iat":0.5,"aud":["a"]}',
    "reserved": b'{"alg":"HS256"}\xff{"exp":1800000060,"channels":["$presence:a"]}',
    "deep": b'{"alg":"HS256"}\xff' + b"[" * 200,
})
write("auth_token", b"k", {
    **{pem.stem: pem.read_bytes() for pem in PEMS},
    "jwk": b'\xff{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}',
    "oct": b'\xff{"kty":"oct","alg":"HS256","use":"sig","k":"' + b"A" * 43 + b'"}',
})
for pem in PEMS:
    body = b"".join(pem.read_bytes().splitlines()[1:-1])
    write("auth_token", b"d", {f"der-{pem.stem}": base64.b64decode(body)})

write("auth_request", b"", {
    "bearer": b"Bearer a.b.c", "api-key": b"ApiKey sk+/=", "basic": b"Basic dTpw",
    "ticket": b"\xff".join([b"x", b"sockeye.v1.json, sockeye.ticket.T", b"", b"", b"", b"T", b"1a-b~1~AAAA"]),
    "query": b"\xff" * 4 + b"ticket=T&channel=a&cursor=1a-b~1c0f~AAAAAAAAAAAAAAAAAAAAAA",
    "token": b"\xff" * 4 + b"auth=a.b.c&%61uth=d", "twice": b"\xff" * 4 + b"ticket=a&ticket=b",
    "cookie": b"\xff\xffa=b; session=x.y.z\xffhttps://a.example",
    "hijack": b"\xff\xffsession=x.y.z\xffhttps://evil.example",
})

# Header compression: the examples of RFC 7541, appendix C, and attacks.

def block(text):
    return bytes.fromhex(text)


def sized(*blocks):
    """Blocks behind their lengths, which are below 254."""
    return b"".join(bytes([len(it)]) + it for it in blocks)


REQUESTS = [block("828684418cf1e3c2e5f23a6ba0ab90f4ff"), block("828684be5886a8eb10649cbf"),
            block("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf")]
RESPONSES = [block("4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54"
                   "6e1768747470733a2f2f7777772e6578616d706c652e636f6d"), block("4803333037c1c0bf")]
NO_LIMITS = bytes(4)

write("hpack_blocks", NO_LIMITS, {
    "requests": sized(*REQUESTS),
    "responses": b"\xff\x01\x00" + sized(block("3fe101") + RESPONSES[0], RESPONSES[1]),
    "never-indexed": sized(block("100870617373776f726406736563726574")),
    "update-missing": b"\xff\x00\x10" + sized(block("82")),
    "update-lowest": b"\xff\x00\x64\xff\x20\x00" + sized(block("3f453fe13f82")),
    "update-third": sized(block("202020")), "update-behind": sized(block("8220")),
    "index-zero": sized(block("80")), "index-out": sized(block("be")),
    "integer": sized(block("ff81ffffff0f"), block("82")), "integer-zeros": sized(block("ff808080808000")),
    "eos": sized(block("000161 84ffffffff")), "padding": sized(block("0001618206")),
    "padding-byte": sized(block("0001618207ff")), "long-codes": sized(block("00016185fffffff3ff")),
    "length": sized(block("000161ff80ffffff0f")),
})
write("hpack_blocks", bytes([0, 3, 2, 4]), {
    "too-many": sized(REQUESTS[0], block("be")),
    "references": sized(block("400032") + b"x" * 50, block("be" * 100)),
})
write("hpack_instructions", NO_LIMITS, {
    "insert-and-refer": bytes([80, 1, 81, 2, 0, 0, 1, 0, 240, 0, 0, 0]),
    "evict": bytes([80, 0xBF, 90, 0xBE, 100, 0xBD, 110, 0xBC, 120, 0xBB, 130, 0xBA, 4, 0, 240, 0]),
    "name-of-evicted": bytes([230, 6, 80, 0x82, 142, 0x83, 143, 0x84, 240, 0, 0, 0]),
    "too-large": bytes([220, 16, 80, 0x81, 80, 0xBF, 80, 0xA0, 0, 0, 240, 0, 0, 0]),
    "resize": bytes([80, 1, 240, 0, 220, 0, 221, 200, 80, 1, 240, 0, 0, 0]),
})
write("hpack_fields", b"", {
    "credentials": b"\x01\x00\x10" + b"\x00\x06\x01cookie!" + b"\x01\x01\x03kvvv",
    "static": b"\x00\x00\x00" + bytes([6, 0, 3]) + b"GET" + bytes([2, 0, 0, 82, 0, 200]) + b"0" * 200,
    "upper": b"\x01\x20\x00" + b"\x00\x0c\x04Content-Type\xff\x00\x80\n",
})


# HTTP/2: each frame behind the number of its bytes; the length in its head is that of its payload.

def h2(kind, flags, stream, payload=b"", length=None):
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def h2_scripts(*frames):
    return b"".join(bytes([len(frame)]) + frame for frame in frames)


write("http2_frames", b"", {
    "data": h2_scripts(h2(0, 1, 1, b"hello"), h2(0, 8, 1, b"\x02abcd"), h2(0, 8, 1, b"\x05abcd"), h2(0, 8, 1)),
    "headers": h2_scripts(h2(1, 0x2D, 3, b"\x01\x80\0\0\x03\x0f\x82!"), h2(1, 0x28, 3, b"\x02\0\0\0\0\0!"), h2(9, 4, 3, b"\x82")),
    "priority": h2_scripts(h2(2, 0, 3, b"\0\0\0\x03\0"), h2(2, 0, 3, b"\0\0\0\x05\0"), h2(2, 0, 3, b"\0")),
    "settings": h2_scripts(h2(4, 0, 0, b"\0\x04\0\0\xff\xff"), h2(4, 1, 0), h2(4, 1, 0, b"!"), h2(4, 0, 1)),
    "control": h2_scripts(h2(6, 0, 0, b"01234567"), h2(7, 0, 0, bytes(8) + b"why"), h2(8, 0, 0, bytes(4)),
                          h2(8, 0, 1, b"\xff\xff\xff\xff"), h2(3, 0, 1, b"\0\0\0\x08"), h2(5, 4, 1, b"\0\0\0\x02\x82")),
    "unknown": h2_scripts(h2(0xFE, 0xFF, 0, b"?"), h2(0x10, 0, 0, b"\0\0\0\x01u=1")),
    "too-long": h2_scripts(h2(0, 0, 1, b"", 0x10001), h2(6, 0, 0, b"", 0xFFFFFF)),
})


def h2_steps(*steps):
    """A script of frames for `wire_from_script`."""
    return b"\x01" + b"".join(bytes(step) for step in steps)


for role in ("server", "client"):
    write(f"http2_{role}", b"", {
        "requests": h2_steps((0, 0, 0x15), (0, 0, 0x16), (7, 0, 0x50), (8, 1, 0x11)),
        "trailers": h2_steps((0, 0, 0x35), (7, 0, 0x50), (6, 0, 1)),
        "interim": h2_steps((0, 0, 0x11), (0, 0, 0x15), (6, 0, 0)),
        "fragments": h2_steps((5, 0, 0x65), (5, 0, 0x75), (5, 0, 0x95)),
        "windows": h2_steps((0, 0, 0x15), (12, 0, 0x11), (12, 0, 0xF1), (14, 0, 0x40), (10, 0, 0x45), (9, 0, 0xF0)),
        "resets": h2_steps((0, 0, 0x15), (11, 0, 8), (0, 0, 0x15), (234, 0, 8), (230, 0, 0x15)),
        "pings": h2_steps((15, 0, 2), (15, 0, 3), (245, 0, 2)),
        "goaway": h2_steps((17, 0, 9), (17, 0, 3), (0, 0, 0x15)),
        "priorities": h2_steps((18, 0, 0x11), (16, 0, 3), (19, 0, 9), (13, 0, 200)),
        "empty-data": h2_steps((0, 0, 0x15), (250, 0, 0)),
        "bomb": h2_steps((0, 0, 0x65), (0, 0, 0x7F), (0, 0, 0x85)),
        "any-bytes": b"\0PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2(4, 0, 0) + h2(0, 0, 1, b"x"),
        "http1": b"\0GET / HTTP/1.1\r\n\r\n",
    })
write("http2_two_ends", b"\x40\x02", {
    "echo": bytes([5, 1, 0, 255, 7, 9, 0, 255, 0x80, 255, 0x87, 5, 0x80, 255, 12, 0, 0x8C, 0, 11, 3, 0x8B, 3]),
    "full": bytes([5, 1, 5, 2, 0, 255, 0x80, 255] + [7, 200] * 6 + [0, 255] * 9 + [0x8C, 0, 0x8C, 1, 0x80, 255, 8, 201]),
    "reset": bytes([5, 1, 0, 255, 7, 60, 0x80, 255, 0x87, 60, 14, 0, 0, 99, 0x80, 99, 5, 3, 0, 255, 0x8E, 0]),
    "ping": bytes([15, 1, 0, 255, 0x8F, 1, 0x80, 255]),
})

# Proxies. The version, the bound in units of 16 bytes, two lengths of pieces; then the header.

V2 = b"\r\n\r\n\0\r\nQUIT\n"
write("proxy_header", bytes([1, 0, 3, 40]), {
    "v1-tcp4": b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET / HTTP/1.1\r\n",
    "v1-tcp6": b"PROXY TCP6 2001:db8::1 ::1 56324 443\r\n",
    "v1-unknown": b"PROXY UNKNOWN ffff::1\r\n",
    "v1-long": b"PROXY UNKNOWN " + b"x" * 93,
    "v1-http": b"GET / HTTP/1.1\r\n",
})
write("proxy_header", bytes([2, 4, 14, 5]), {
    "v2-tcp4": V2 + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 1, 198, 51, 100, 7, 220, 4, 1, 187]) + b"GET",
    "v2-tcp6": V2 + b"\x21\x21\0\x24" + bytes(range(36)),
    "v2-fields": V2 + b"\x21\x11\0\x11" + bytes(range(12)) + b"\x01\0\x02h2",
    "v2-local": V2 + b"\x20\0\0\0",
    "v2-long": V2 + b"\x21\x11\0\x41" + bytes(65),
})
# The field (odd: Forwarded), then lines.
write("proxy_hops", b"\0", {
    "list": b"203.0.113.9, 192.0.2.1:80 ,10.0.0.2\n[2001:db8::1]:7, unknown",
})
write("proxy_hops", b"\1", {
    "forwarded": b'for=192.0.2.60;proto=http;by=203.0.113.43, for="[2001:db8::17]:4711"',
    "quote": b'for=203.0.113.9;x=", for="[2001:db8::1]"',
})
