"""Servers under test: an open one, and one that wants credentials."""
import base64
import contextlib
import dataclasses
import hashlib
import hmac
import http.client
import json
import pathlib
import re
import secrets
import socket
import subprocess
import time

import h2.exceptions
import http2
from report import NoAnswer

ORIGIN = "https://app.example"  # whose pages may use the guarded one
SECONDS_MAX = 60  # that anything of a server may take

OPEN = """
[channels]
patterns = true
presence = true
"""

GUARDED = """
[access]
subscribe = ["public:>"]
origins = ["https://app.example"]

[[access.api_keys]]
name = "shop"
key_file = "shop.key"
subscribe = [">"]
publish = [">"]
tickets = [">"]
disconnect = true
nodes = true

[access.jwt]
issuer = "https://login.example"
audience = "sockeye"
query_token = "token"
cookie = "session"

[[access.jwt.keys]]
algorithm = "HS256"
kid = "2026"
file = "login.key"

[access.tickets]
secret_file = "ticket.secret"

[namespaces.chat]
patterns = true
presence = true
"""


@dataclasses.dataclass
class Answer:
    """A response; names of headers are in lower case."""
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Hub:
    """A running server. Use it with `with`."""

    scheme, flags = "http", []

    def __init__(self, binary, out, name, config):
        self.dir = pathlib.Path(out) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.key = "key_" + secrets.token_urlsafe(24)
        self.jwt_secret = secrets.token_urlsafe(32)
        for file, text in [("shop.key", self.key), ("login.key", self.jwt_secret),
                           ("ticket.secret", secrets.token_urlsafe(32)), ("sockeye.toml", config)]:
            (self.dir / file).write_text(text)
        self.binary = binary

    def __enter__(self):
        log = self.dir / "server.log"
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", "--config", self.dir / "sockeye.toml",
                   *self.flags]
        with log.open("wb") as file:
            self.process = subprocess.Popen([str(x) for x in command], stdout=file, stderr=file,
                                            stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS_MAX
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(rf"listens on {self.scheme}://(\S+):(\d+)", log.read_text())
            if found:
                self.host, self.port = found[1], int(found[2])
                return self
            time.sleep(0.02)
        self.process.kill()
        raise SystemExit(f"the server does not listen: {log.read_text()[-500:]}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def token(self, **claims):
        """A token of a user, good for ten minutes."""
        now = int(time.time())
        claims = {"iss": "https://login.example", "aud": "sockeye", "sub": "ana", "exp": now + 600,
                  "channels": ["chat:>"], "publish": ["chat:>"]} | claims
        claims = {name: value for name, value in claims.items() if value is not None}
        parts = [{"alg": "HS256", "kid": "2026", "typ": "JWT"}, claims]
        text = ".".join(base64url(json.dumps(part).encode()) for part in parts)
        mac = hmac.new(self.jwt_secret.encode(), text.encode(), hashlib.sha256)
        return f"{text}.{base64url(mac.digest())}"

    def raw(self, request):
        """Sends these bytes, and reads one response to the end of the connection."""
        with answering(), socket.create_connection((self.host, self.port), SECONDS_MAX) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def ask(self, method, target, headers=None, body=None):
        """One request on a connection of its own. Of what has no end, the head and a first piece."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=SECONDS_MAX)
        with answering(), contextlib.closing(connection):
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value.encode("latin-1") if isinstance(value, str) else value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = once(response.getheaders())
            endless = response.status == 101 or found.get("content-type") == "text/event-stream"
            if not endless:
                piece = response.read()
            else:
                piece = response.read1(65536) if response.status == 200 and method == "GET" else b""
            return Answer(response.status, found, piece)


class Http2Hub(Hub):
    """A running server that is asked over HTTP/2 with prior knowledge, all on one connection."""

    ca = None

    def __enter__(self):
        super().__enter__()
        self.client = http2.Client(self.host, self.port, self.ca, SECONDS_MAX)
        return self

    def __exit__(self, *error):
        self.client.close()
        super().__exit__(*error)

    def ask(self, method, target, headers=None, body=None):
        with answering():
            status, pairs, body = self.client.ask(method, target, headers or {}, body)
            return Answer(status, once(pairs), body)


class SecureHub(Http2Hub):
    """A running server that is asked over TLS, where ALPN chooses HTTP/2."""

    scheme = "https"

    def __enter__(self):
        place = self.dir / "cert"
        if not place.exists():
            subprocess.run([self.binary, "cert", "--out", place], check=True, stdout=subprocess.DEVNULL,
                           timeout=SECONDS_MAX)
        self.ca = place / "ca.pem"
        self.flags = ["--cert", place / "cert.pem", "--key", place / "key.pem"]
        return super().__enter__()


@contextlib.contextmanager
def answering():
    """Whatever a connection ends with instead of an answer is a `NoAnswer`."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException, h2.exceptions.ProtocolError, http2.Unprocessed) as error:
        raise NoAnswer(f"{type(error).__name__}: {error}") from error


def once(pairs):
    """Headers by their names in lower case; none of ours stands twice."""
    names = [name.lower() for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"headers that stand twice: {twice}")
    return {name.lower(): value for name, value in pairs}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
