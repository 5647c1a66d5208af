"""Has the program order certificates from Pebble, a certificate authority for tests."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

PATIENCE_S = 180
NAMES = ["one.acme.test", "two.acme.test"]


def until(what, found, patience=PATIENCE_S):
    """Waits for a result that is not false."""
    end = time.monotonic() + patience
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < end, f"no {what} in {patience} s"
        time.sleep(0.1)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Process:
    def __init__(self, command, log, env=None):
        self.log = log
        with open(log, "ab") as out:
            environment = {**os.environ, **(env or {})}
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment)

    def text(self):
        with open(self.log) as file:
            return file.read()

    def count(self, words):
        return self.text().count(words)

    def until_logged(self, words, count=1):
        until(f"{words!r} in the log", lambda: self.count(words) >= count)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)


class World:
    """The ports, the names and the authority of all checks."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.ports = {name: free_port() for name in ("acme", "manage", "dns", "dns_manage", "http", "tls")}
        subprocess.run([program, "cert", "--out", f"{directory}/ca"], check=True, stdout=subprocess.DEVNULL)
        self.running, self.number = [], 0
        self.start(
            ["pebble-challtestsrv", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
            + ["-dns01", f"127.0.0.1:{self.ports['dns']}", "-http01", "", "-https01", "", "-tlsalpn01", ""]
            + ["-management", f"127.0.0.1:{self.ports['dns_manage']}"],
            "names.log",
        )
        until("DNS", lambda: connects(self.ports["dns_manage"]))

    def start(self, command, log, env=None):
        process = Process(command, f"{self.directory}/{log}", env)
        self.running.append(process)
        return process

    def stop(self, process):
        process.kill()
        self.running.remove(process)

    def end(self):
        for process in self.running:
            process.kill()
        self.running = []

    def pebble(self, validity_s=90 * 86_400, http_port=None):
        """A new authority: it knows nothing of earlier ones."""
        config = {
            "listenAddress": f"127.0.0.1:{self.ports['acme']}",
            "managementListenAddress": f"127.0.0.1:{self.ports['manage']}",
            "certificate": f"{self.directory}/ca/cert.pem",
            "privateKey": f"{self.directory}/ca/key.pem",
            "httpPort": http_port or self.ports["http"],
            "tlsPort": self.ports["tls"],
            "certificateValidityPeriod": validity_s,
        }
        path = f"{self.directory}/pebble.json"
        with open(path, "w") as file:
            json.dump({"pebble": config}, file)
        env = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        command = ["pebble", "-config", path, "-dnsserver", f"127.0.0.1:{self.ports['dns']}"]
        self.number += 1
        pebble = self.start(command, f"pebble{self.number}.log", env)
        until("Pebble", lambda: connects(self.ports["manage"]) and connects(self.ports["acme"]))
        return pebble

    def roots(self):
        """Trusts what the authority that runs now has signed."""
        trusted = ssl.create_default_context(cafile=f"{self.directory}/ca/ca.pem")
        connection = http.client.HTTPSConnection("localhost", self.ports["manage"], context=trusted, timeout=PATIENCE_S)
        connection.request("GET", "/roots/0")
        context = ssl.create_default_context(cadata=connection.getresponse().read().decode())
        context.set_alpn_protocols(["http/1.1"])
        return context

    def serve(self, challenge, dir, extra="", own=False, directory_port=None, names=NAMES):
        """The program with orders in a directory of its own; `own`: and with a certificate for localhost."""
        pair = f'[[tls.certificates]]\ncert = "{self.directory}/ca/cert.pem"\nkey = "{self.directory}/ca/key.pem"\n'
        text = f"""listen = "127.0.0.1:{self.ports['tls']}"
{pair if own else ""}
[tls.acme]
directory = "https://localhost:{directory_port or self.ports['acme']}/dir"
names = {json.dumps(names)}
contact = "ops@acme.test"
agree_to_terms = true
dir = "{dir}"
challenge = "{challenge}"
ca_file = "ca/ca.pem"
retry_seconds = 1
{extra}

[access]
subscribe = [">"]
publish = [">"]
"""
        path = f"{self.directory}/{dir}.toml"
        with open(path, "w") as file:
            file.write(text)
        server = self.start([self.program, "serve", "--config", path], f"{dir}.log")
        until("server", lambda: connects(self.ports["tls"]))
        return server

    def connect(self, context, name):
        plain = socket.create_connection(("127.0.0.1", self.ports["tls"]), PATIENCE_S)
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except Exception:
            plain.close()
            raise

    def shown(self, context, name):
        """The certificate for a name, if it is good."""
        try:
            with self.connect(context, name) as tls:
                return tls.getpeercert(binary_form=True)
        except (ssl.SSLError, ConnectionError):
            return None

    def ask(self, context, path, name="localhost"):
        with self.connect(context, name) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while data := tls.recv(65_536):
                answer += data
        return answer.decode()

    def own(self):
        context = ssl.create_default_context(cafile=f"{self.directory}/ca/ca.pem")
        context.set_alpn_protocols(["http/1.1"])
        return context

    def orders(self, outcome):
        line = re.search(rf'certificate_orders_total{{outcome="{outcome}"}} (\d+)', self.ask(self.own(), "/metrics"))
        return int(line.group(1))


def check_first(world, challenge):
    pebble = world.pebble()
    extra = f'http = "127.0.0.1:{world.ports["http"]}"' if challenge == "http-01" else ""
    server = world.serve(challenge, f"first-{challenge}", extra)
    roots = world.roots()
    first = until("certificate", lambda: world.shown(roots, NAMES[0]))
    assert world.shown(roots, NAMES[1]) == first, "one certificate for both names"
    assert world.ask(roots, "/readyz", NAMES[0]).endswith("\r\n\r\nready\n")
    directory = f"{world.directory}/first-{challenge}"
    account = f"account-localhost_3a{world.ports['acme']}_2fdir.json"
    assert sorted(os.listdir(directory)) == [account, "certificate.pem", "lock"], os.listdir(directory)
    for name in os.listdir(directory):
        assert os.stat(f"{directory}/{name}").st_mode & 0o777 == 0o600, name
    assert os.stat(directory).st_mode & 0o777 == 0o700
    # Another server in the same directory would answer for this one.
    with open(f"{directory}.toml") as file:
        other = file.read().replace(f"127.0.0.1:{world.ports['tls']}", "127.0.0.1:0").replace(extra, "")
    other = other.replace('challenge = "http-01"', 'challenge = "tls-alpn-01"')
    with open(f"{directory}-other.toml", "w") as file:
        file.write(other)
    command = [world.program, "serve", "--config", f"{directory}-other.toml"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert refused.returncode == 1 and "another server orders" in refused.stderr, refused
    # A restart takes the files, and asks for nothing.
    world.stop(server)
    world.stop(pebble)
    server = world.serve(challenge, f"first-{challenge}", extra)
    assert world.shown(roots, NAMES[0]) == first
    assert server.count("ordering a certificate") == 1, server.text()
    if challenge == "http-01":
        connection = http.client.HTTPConnection("127.0.0.1", world.ports["http"], timeout=PATIENCE_S)
        connection.request("GET", "/.well-known/acme-challenge/unknown")
        assert connection.getresponse().status == 404
    world.stop(server)


class Stream:
    """An event stream that stays open, and what has come on it."""

    def __init__(self, world, context, name):
        self.tls, self.text = world.connect(context, name), ""
        self.tls.sendall(f"GET /v1/sse?channel=news HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        self.until("$sync")

    def until(self, words):
        while words not in self.text:
            data = self.tls.recv(65_536)
            assert data, f"the stream ended: {self.text}"
            self.text += data.decode()


def publish(world, context, name, text):
    connection = http.client.HTTPSConnection("127.0.0.1", context=context)
    connection.sock = world.connect(context, name)
    connection.request("POST", "/v1/channels/news", body=text, headers={"Host": name})
    assert connection.getresponse().status == 200


def check_renewal(world):
    # Half a minute is left when it is renewed.
    pebble = world.pebble(validity_s=90)
    server = world.serve("tls-alpn-01", "renewal")
    roots = world.roots()
    first = until("certificate", lambda: world.shown(roots, NAMES[0]))
    stream = Stream(world, roots, NAMES[0])
    publish(world, roots, NAMES[0], "before")
    stream.until("before")
    assert until("renewal", lambda: world.shown(roots, NAMES[0]) not in (first, None))
    publish(world, roots, NAMES[0], "behind")
    stream.until("behind")
    assert "certificate was issued" in server.text() and "no certificate" not in server.text(), server.text()
    assert server.count("an account was made") == 1, server.text()
    world.stop(server)
    world.stop(pebble)


def check_away_at_the_start(world):
    server = world.serve("tls-alpn-01", "away")
    server.until_logged("outcome=unreachable")
    # Without a certificate a handshake is refused, and nobody gets a certificate that nobody trusts.
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        world.connect(anybody, NAMES[0])
        raise AssertionError("a handshake without a certificate")
    except ssl.SSLError as why:
        assert "ALERT" in why.reason, why
    world.stop(server)
    server = world.serve("tls-alpn-01", "away", own=True)
    server.until_logged("outcome=unreachable", 2)
    ready = world.ask(world.own(), "/readyz")
    assert ready.startswith("HTTP/1.1 200 ") and "certificate_order_failed" in ready, ready
    assert world.orders("unreachable") >= 1 and world.orders("issued") == 0
    pebble = world.pebble()
    roots = world.roots()
    until("certificate", lambda: world.shown(roots, NAMES[0]))
    until("issue", lambda: world.orders("issued") == 1)
    assert world.ask(world.own(), "/readyz").endswith("\r\n\r\nready\n")
    world.stop(server)
    world.stop(pebble)


def check_away_at_the_renewal(world):
    pebble = world.pebble()
    server = world.serve("tls-alpn-01", "renewal-away", own=True)
    roots = world.roots()
    first = until("certificate", lambda: world.shown(roots, NAMES[0]))
    world.stop(pebble)
    # Another name needs another certificate, and now.
    path = f"{world.directory}/renewal-away.toml"
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace(NAMES[1], "three.acme.test"))
    failed = server.count("outcome=unreachable")
    server.process.send_signal(signal.SIGHUP)
    server.until_logged("outcome=unreachable", failed + 1)
    assert world.shown(roots, NAMES[0]) == first, "the old certificate stays"
    assert "certificate_order_failed" in world.ask(world.own(), "/readyz")
    # The new authority does not know the account of the old one.
    pebble = world.pebble()
    roots = world.roots()
    until("certificate", lambda: world.shown(roots, "three.acme.test"))
    assert server.count("an account was made") >= 2, server.text()
    world.stop(server)
    world.stop(pebble)


def check_failed_challenge(world):
    # Pebble looks at a port where nobody answers.
    pebble = world.pebble(http_port=free_port())
    port = f'http = "127.0.0.1:{world.ports["http"]}"'
    server = world.serve("http-01", "failed", port, own=True, names=NAMES[:1])
    server.until_logged("outcome=challenge_failed")
    line = next(line for line in server.text().splitlines() if "challenge_failed" in line)
    assert NAMES[0] in line and "urn:ietf:params:acme:error:connection" in line, line
    waits = lambda: [int(wait) for wait in re.findall(r"challenge_failed .*next_attempt_seconds=(\d+)", server.text())]
    assert world.orders("challenge_failed") == 1 and waits()[0] >= 5, waits()
    assert "certificate_order_failed" in world.ask(world.own(), "/readyz")
    # Asking again and again does not shorten the wait.
    for _ in range(10):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
    assert server.count("ordering a certificate") == 1, server.text()
    server.until_logged("outcome=challenge_failed", 2)
    assert waits()[1] >= 2 * 5, waits()
    world.stop(server)
    world.stop(pebble)


class Limited(http.server.BaseHTTPRequestHandler):
    """An authority that has had enough."""

    accounts = 0

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        for header in (("Replay-Nonce", "nonce"), ("Content-Length", str(len(body))), *headers):
            self.send_header(*header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        base = f"https://localhost:{self.server.server_port}"
        names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
        self.answer(200, {name: f"{base}/{name}" for name in names})

    do_HEAD = do_GET

    def do_POST(self):
        Limited.accounts += 1
        problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new accounts"}
        self.answer(429, problem, [("Retry-After", "5400")])

    def log_message(self, *_):
        pass


def check_rate_limit(world):
    authority = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Limited)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{world.directory}/ca/cert.pem", f"{world.directory}/ca/key.pem")
    authority.socket = context.wrap_socket(authority.socket, server_side=True)
    threading.Thread(target=authority.serve_forever, daemon=True).start()
    server = world.serve("tls-alpn-01", "limited", own=True, directory_port=authority.server_port)
    server.until_logged("outcome=rate_limited")
    assert "too many new accounts" in server.text() and "next_attempt_seconds=5400" in server.text(), server.text()
    # Neither other settings nor SIGHUP shorten the authority's wait.
    path = f"{world.directory}/limited.toml"
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("retry_seconds = 1", "retry_seconds = 2"))
    server.process.send_signal(signal.SIGHUP)
    server.until_logged("the configuration was read again")
    time.sleep(3)
    assert Limited.accounts == 1, Limited.accounts
    world.stop(server)
    authority.shutdown()


def checks(program):
    """The names of the checks, and the checks, which share a world."""
    directory = tempfile.TemporaryDirectory()
    world = World(program, directory.name)

    def one(check, *arguments):
        try:
            return check(world, *arguments)
        except BaseException:
            for process in world.running:
                print(f"--- {process.log}\n{process.text()[-3_000:]}", flush=True)
            raise
        finally:
            for process in world.running[1:]:
                process.kill()
            del world.running[1:]

    yield "ACME: the first certificate, TLS-ALPN-01", lambda: one(check_first, "tls-alpn-01")
    yield "ACME: the first certificate, HTTP-01", lambda: one(check_first, "http-01")
    yield "ACME: a renewal drops no stream", lambda: one(check_renewal)
    yield "ACME: the authority is away at the start", lambda: one(check_away_at_the_start)
    yield "ACME: the authority is away at the renewal", lambda: one(check_away_at_the_renewal)
    yield "ACME: a challenge that fails", lambda: one(check_failed_challenge)
    yield "ACME: a rate limit is obeyed", lambda: one(check_rate_limit)
    world.end()
    directory.cleanup()
