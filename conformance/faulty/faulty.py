#!/usr/bin/env python3
"""Sockeye with one fault, as a program with the command line of Sockeye.

    faulty.py serve --listen HOST:PORT [--cert FILE --key FILE] [FLAG...]
    faulty.py faults

The program $BEHIND serves behind it, and $FAULT names what is wrong: frames of HTTP/2 are changed on their way, or
TLS, which ends here, is not as it has to be. All other commands are those of $BEHIND. The suites of the steps h2, tls
and gateways take it in the program's place, to show that they can fail (`selftest`). A server whose listeners are in a file has no fault.
"""

import os
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK = 1, 1
ENABLE_CONNECT_PROTOCOL = 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PLAIN = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 23\r\n\r\nuse https:// for this.\n"
ALERT = bytes([21, 3, 3, 0, 2, 2, 70])  # fatal, protocol_version


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + stream + payload


def of(kind, change, also=lambda flags: True):
    """A fault of the frames of one kind."""
    def apply(this, flags, stream, payload):
        if this == kind and also(flags):
            return change(flags, stream, payload)
        return frame(this, flags, stream, payload)
    return apply


def lost(*_):
    return b""


def code(number):
    return lambda payload: payload[:-4] + struct.pack(">I", number)


def flipped(payload, at):
    place = at % len(payload) if payload else 0
    return payload[:place] + bytes(byte ^ 1 for byte in payload[place:place + 1]) + payload[place + 1:]


def is_ack(flags):
    return flags & ACK


def settings_without(setting):
    def change(flags, stream, payload):
        pairs = [payload[at:at + 6] for at in range(0, len(payload), 6)]
        kept = b"".join(pair for pair in pairs if int.from_bytes(pair[:2], "big") != setting)
        return frame(SETTINGS, flags, stream, kept)
    return change


# What becomes of the server's frames.
FROM_SERVER = {
    "goaway-lost": of(GOAWAY, lost),
    "goaway-code": of(GOAWAY, lambda f, s, p: frame(GOAWAY, f, s, p[:4] + struct.pack(">I", 2) + p[8:])),
    "goaway-last": of(GOAWAY, lambda f, s, p: frame(GOAWAY, f, s, b"\0\0\0\0" + p[4:])),
    "reset-lost": of(RST_STREAM, lost),
    "reset-code": of(RST_STREAM, lambda f, s, p: frame(RST_STREAM, f, s, code(2)(p))),
    "ping-lost": of(PING, lost, is_ack),
    "ping-other": of(PING, lambda f, s, p: frame(PING, f, s, flipped(p, 0)), is_ack),
    "ping-no-ack": of(PING, lambda f, s, p: frame(PING, 0, s, p), is_ack),
    "settings-ack-lost": of(SETTINGS, lost, is_ack),
    "settings-not-first": of(SETTINGS, lambda f, s, p: frame(PING, 0, s, b"too soon") + frame(SETTINGS, f, s, p),
                             lambda flags: not is_ack(flags)),
    "settings-no-connect": of(SETTINGS, settings_without(ENABLE_CONNECT_PROTOCOL)),
    "window-lost": of(WINDOW_UPDATE, lost),
    "window-zero": of(WINDOW_UPDATE, lambda f, s, p: frame(WINDOW_UPDATE, f, s, b"\0\0\0\0")),
    "data-flipped": of(DATA, lambda f, s, p: frame(DATA, f, s, flipped(p, -1))),
    "data-short": of(DATA, lambda f, s, p: frame(DATA, f, s, p[:-1])),
    "data-lost": of(DATA, lost),
    "data-twice": of(DATA, lambda f, s, p: frame(DATA, f, s, p) * 2),
    "data-no-end": of(DATA, lambda f, s, p: frame(DATA, f & ~END_STREAM, s, p)),
    "data-idle-stream": of(DATA, lambda f, s, p: frame(DATA, f, b"\0\0\xff\xff", p)),
    "headers-flipped": of(HEADERS, lambda f, s, p: frame(HEADERS, f, s, flipped(p, 0))),
    "headers-index-0": of(HEADERS, lambda f, s, p: frame(HEADERS, f, s, b"\x80" + p[1:])),
    "headers-twice": of(HEADERS, lambda f, s, p: frame(HEADERS, f, s, p) * 2),
    "headers-end": of(HEADERS, lambda f, s, p: frame(HEADERS, f | END_STREAM, s, p)),
}
# What becomes of the client's.
FROM_CLIENT = {
    "client-settings-ignored": of(SETTINGS, lambda f, s, p: frame(SETTINGS, f, s, b"" if f & ACK == 0 else p)),
    "client-windows-ignored": of(WINDOW_UPDATE, lost),
    "client-resets-ignored": of(RST_STREAM, lost),
    "client-pings-ignored": of(PING, lost),
    "client-ends-ignored": of(DATA, lambda f, s, p: frame(DATA, f & ~END_STREAM, s, p)),
}
# What is wrong with TLS, or with the end of a connection.
OTHERS = {
    "end-never": "the connection stays when the server has ended it",
    "end-reset": "the connection ends with a reset",
    "tls-old": "TLS 1.1 is spoken, too",
    "tls-no-1.3": "TLS 1.3 is not spoken",
    "tls-no-tickets": "no session is resumed",
    "tls-no-h2": "ALPN does not know h2",
    "tls-no-alpn": "ALPN is not known",
    "tls-stranger": "the certificate is a stranger's",
    "tls-cut": "connections end without close_notify",
    "tls-renegotiates": "a client may ask for new keys of TLS 1.2",
    "tls-silent": "no alert tells what is wrong",
    "tls-plain-unanswered": "HTTP on the port of TLS gets no answer",
    "tls-dies": "the program ends with an error",
}
FAULTS = ["none", *FROM_SERVER, *FROM_CLIENT, *OTHERS]


def take(connection, size):
    got = bytearray()
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise EOFError(bytes(got))
        got += part
    return bytes(got)


def relay_frames(source, sink, change):
    while True:
        head = take(source, 9)
        payload = take(source, int.from_bytes(head[:3], "big"))
        sink.sendall(change(head[3], head[4], head[5:9], payload))


def relay(source, sink, size=65536):
    while part := source.recv(size):
        sink.sendall(part)


class Relay:
    """A connection of a client, and the one to the server behind."""

    def __init__(self, client, back, fault):
        self.client, self.fault = client, fault
        self.server = socket.create_connection(back)
        self.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        try:
            first = self.client.recv(65536)
            self.server.sendall(first)
            is_http2 = first[:3] == b"PRI"
            threading.Thread(target=self.to_client, args=(is_http2,), daemon=True).start()
            if is_http2 and self.fault in FROM_CLIENT and len(first) >= len(PREFACE):
                self.rest_of(first)
                relay_frames(self.client, self.server, FROM_CLIENT[self.fault])
            relay(self.client, self.server)
        except EOFError as end:
            self.quietly(lambda: self.server.sendall(end.args[0]))
        except OSError:
            return self.quietly(lambda: reset(self.server))
        self.quietly(lambda: self.server.shutdown(socket.SHUT_WR))

    def rest_of(self, first):
        """Completes the frame that the first read has cut."""
        at = len(PREFACE)
        while len(first) >= at + 9:
            at += 9 + int.from_bytes(first[at:at + 3], "big")
        if at > len(first):
            head = first[at:] if at < len(first) else b""
            self.server.sendall(head + take(self.client, at - len(first)))

    def to_client(self, is_http2):
        try:
            if is_http2 and self.fault in FROM_SERVER:
                relay_frames(self.server, self.client, FROM_SERVER[self.fault])
            relay(self.server, self.client)
        except EOFError as end:
            self.quietly(lambda: self.client.sendall(end.args[0]))
        except OSError:
            return self.quietly(lambda: reset(self.client))
        if self.fault == "end-never":
            return
        if self.fault == "end-reset":
            return self.quietly(lambda: reset(self.client))
        self.quietly(lambda: self.client.shutdown(socket.SHUT_WR))

    @staticmethod
    def quietly(action):
        try:
            action()
        except (OSError, ValueError):
            pass


class Session:
    """TLS with a client, driven by one thread; `inner` has the plain text."""

    def __init__(self, client, inner, context, fault):
        self.client, self.inner, self.fault = client, inner, fault
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def run(self):
        try:
            self.until_ready(self.tls.do_handshake)
            ends = [self.client, self.inner]
            # The last flight of a handshake may have a request behind it.
            if self.drain():
                ends.remove(self.client)
            while ends:
                for end in select.select(ends, [], [])[0]:
                    is_over = self.from_client() if end is self.client else self.from_inner()
                    if is_over:
                        ends.remove(end)
        except (OSError, ssl.SSLError):
            Relay.quietly(self.flush)  # an alert, perhaps
        for end in (self.client, self.inner):
            Relay.quietly(lambda: end.shutdown(socket.SHUT_RDWR))
            end.close()

    def flush(self):
        if data := self.outgoing.read():
            self.client.sendall(data)

    def feed(self):
        if data := self.client.recv(65536):
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def until_ready(self, action):
        while True:
            try:
                action()
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self.feed()

    def from_client(self):
        self.feed()
        return self.drain()

    def drain(self):
        """Passes on what there is; True at the end."""
        try:
            while data := self.tls.read(65536):
                self.inner.sendall(data)
        except ssl.SSLWantReadError:
            return self.flush()
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        self.inner.shutdown(socket.SHUT_WR)
        return True

    def from_inner(self):
        if data := self.inner.recv(65536):
            self.tls.write(data)
            return self.flush()
        if self.fault != "tls-cut":
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # The client has still to say goodbye.
        self.flush()
        self.client.shutdown(socket.SHUT_WR)
        return True


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def stranger(place):
    """A certificate that nobody trusts."""
    subprocess.run([os.environ["BEHIND"], "cert", "--out", place], check=True, stdout=subprocess.DEVNULL)
    return f"{place}/cert.pem", f"{place}/key.pem"


def context_of(cert, key, fault, place):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(stranger(place) if fault == "tls-stranger" else (cert, key)))
    context.set_alpn_protocols({"tls-no-h2": ["http/1.1"], "tls-no-alpn": []}.get(fault, ["h2", "http/1.1"]))
    if fault == "tls-old":
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    if fault == "tls-no-1.3":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if fault == "tls-no-tickets":
        context.num_tickets = 0
    if fault == "tls-renegotiates":
        context.options = context.options & ~ssl.OP_NO_RENEGOTIATION | 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION
    return context


def contexts(cert, key, fault):
    """Gives the settings of TLS for each client: fresh ones have no key of a ticket and no session in common."""
    with tempfile.TemporaryDirectory() as place:
        shared = context_of(cert, key, fault, place)
    return (lambda: context_of(cert, key, fault, "")) if fault == "tls-no-tickets" else lambda: shared


def secured(client, context, fault):
    """What the client says within TLS, or None where it speaks something else."""
    first = client.recv(1, socket.MSG_PEEK)
    if first.isalpha():
        if fault != "tls-plain-unanswered":
            client.sendall(PLAIN)
        client.shutdown(socket.SHUT_WR)
        return None
    if first != b"\x16":
        if fault != "tls-silent":
            client.sendall(ALERT)
        client.shutdown(socket.SHUT_WR)
        return None
    inner, outer = socket.socketpair()
    threading.Thread(target=Session(client, inner, context, fault).run, daemon=True).start()
    return outer


def serve_one(client, back, context, fault):
    try:
        if context is not None:
            client = secured(client, context(), fault)
        if client is not None:
            Relay(client, back, fault).run()
    except (OSError, ValueError):
        client.close()


def parsed(arguments):
    """The flags that the front takes for itself, and those that go on."""
    mine, rest = {}, []
    at = iter(arguments)
    for word in at:
        if word in ("--listen", "--cert", "--key"):
            mine[word] = next(at)
        else:
            rest.append(word)
    return mine, rest


def serve(arguments, fault):
    mine, rest = parsed(arguments)
    command = [os.environ["BEHIND"], "serve", "--listen", "127.0.0.1:0", *rest]
    behind = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    def stop(*_):
        behind.terminate()
        status = behind.wait()
        os._exit(1 if fault == "tls-dies" else status)
    signal.signal(signal.SIGTERM, stop)
    port = int(re.search(r" http://127\.0\.0\.1:(\d+)$", behind.stdout.readline().strip()).group(1))
    threading.Thread(target=behind.stdout.read, daemon=True).start()
    context = contexts(mine["--cert"], mine["--key"], fault) if "--cert" in mine else None
    host, own = mine["--listen"].rsplit(":", 1)
    listener = socket.create_server((host, int(own)), backlog=512)
    scheme = "http" if context is None else "https"
    print(f"faulty ({fault}) listens on {scheme}://{host}:{listener.getsockname()[1]}", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve_one, args=(client, ("127.0.0.1", port), context, fault), daemon=True).start()


def main():
    fault = os.environ.get("FAULT", "none")
    if sys.argv[1:] == ["faults"]:
        print(*FAULTS, sep="\n")
    elif fault not in FAULTS:
        sys.exit(f"faulty.py: no fault {fault}; one of: {' '.join(FAULTS)}")
    elif sys.argv[1:2] == ["serve"] and "--listen" in sys.argv:
        serve(sys.argv[2:], fault)
    else:
        os.execv(os.environ["BEHIND"], [os.environ["BEHIND"], *sys.argv[1:]])


if __name__ == "__main__":
    main()
