"""Has HAProxy, nginx and curl speak to several listeners of the program, and says whom it takes for the client."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE_S = 60
HERE = pathlib.Path(__file__).parent

CONFIG = """
[[listen]]
address = "127.0.0.1:{plain}"
tls = false
serves = ["channels"]

[[listen]]
address = "127.0.0.1:{trusting}"
tls = false
trusted_proxies = ["127.0.0.1"]

[[listen]]
address = "127.0.0.1:{v1}"
tls = false
proxy_protocol = "v1"
trusted_proxies = ["127.0.0.1"]

[[listen]]
address = "127.0.0.1:{v2}"
tls = false
proxy_protocol = "v2"
trusted_proxies = ["127.0.0.1"]

[[listen]]
address = "127.0.0.1:{tls}"
tls = true
proxy_protocol = "v2"
trusted_proxies = ["127.0.0.1"]

[[listen]]
address = "127.0.0.1:{tls_trusting}"
tls = true
trusted_proxies = ["127.0.0.1"]

[[listen]]
address = "127.0.0.1:{strange}"
tls = false
proxy_protocol = "v1"
trusted_proxies = ["192.0.2.1"]

[[listen]]
address = "unix:private"
trusted_proxies = ["unix:"]
mode = 0o600

[tls]
certificates = [{{ cert = "dev/cert.pem", key = "dev/key.pem" }}]

[limits]
requests_per_second = 1
streams = 100                  # so an address may have twelve

[access]
subscribe = [">"]
publish = [">"]
"""

HAPROXY = """
defaults
    mode {mode}
    timeout connect 5s
    timeout client 60s
    timeout server 60s
{sections}
"""

NGINX = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    {temporary}
    upstream sockeye {{ server 127.0.0.1:{trusting}; keepalive 4; }}
    upstream local {{ server unix:{dir}/private; }}
    server {{
        listen 127.0.0.1:{nginx};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        location / {{ proxy_pass http://sockeye; }}
    }}
    server {{
        listen 127.0.0.1:{nginx_local};
        proxy_http_version 1.1;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        location / {{ proxy_pass http://local; }}
    }}
}}
"""


CADDY = """
{{
	admin off
	auto_https off
}}
http://:{caddy} {{
	bind 127.0.0.1
{snippet}
}}
"""


def snippet(language, back, port):
    """The one block of the handbook in this language, with another back end."""
    text = (HERE.parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(found) == 1 and back in found[0], (language, found)
    return found[0].replace(back, f"127.0.0.1:{port}")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


class Programs:
    """What was started, ended at the end, each by itself."""

    def __init__(self, directory):
        self.directory = directory
        self.running = []

    def start(self, command, name, ports=()):
        log = open(self.directory / f"{name}.out", "w", encoding="utf-8")
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        self.running.append(process)
        end = time.monotonic() + PATIENCE_S
        for port in ports:
            while True:
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
                assert time.monotonic() < end, f"{name} does not listen: {self.log(name)}"
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
        return process

    def log(self, name):
        return (self.directory / f"{name}.out").read_text(encoding="utf-8")

    def end(self):
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(PATIENCE_S)


def curl(*arguments):
    """The status, and what was printed."""
    command = ["curl", "-sS", "-m", str(PATIENCE_S), "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    text, _, status = done.stdout.rpartition("\n")
    return int(status or 0), text, done


def ask(*groups):
    """Asks by one curl, so that no time passes: so many times each, with these arguments. The statuses of each
    group, and how many connections were made."""
    command = ["curl"]
    for at, (times, arguments) in enumerate(groups):
        *options, url = arguments
        command += [*(["--next"] if at else []), "-sS", "-m", str(PATIENCE_S), "-w", "%{http_code} %{num_connects}\n"]
        command += options
        for _ in range(times):
            command += ["-o", "/dev/null", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = [line.split() for line in done.stdout.splitlines()]
    statuses = []
    for times, _ in groups:
        statuses.append([int(status) for status, _ in answers[:times]])
        answers = answers[times:]
    made = sum(int(line.split()[1]) for line in done.stdout.splitlines())
    return statuses, made


def is_bounded_apart(*, one, other, forged=None):
    """Whether `one` runs into its rate, which lets five through at once, and `other` then has its own. A `forged`
    client is `one` under another name, so that it has had its rate, too."""
    groups = [(12, one), *([(12, forged)] if forged else []), (1, other)]
    statuses, made = ask(*groups)
    said = f"{groups}: {statuses}"
    assert statuses[0][0] == 200 and 429 in statuses[0], f"no rate: {said}"
    assert statuses[-1] == [200], f"one rate for both: {said}"
    if forged:
        # Each second gives one request back. A rate of its own would let five through.
        assert set(statuses[1]) <= {200, 429} and statuses[1].count(200) < 4, f"another rate for the same client: {said}"
    return made


def metric(directory, name):
    _, text, _ = curl("--unix-socket", f"{directory}/private", "http://localhost/metrics")
    found = re.search(rf"^{re.escape(name)} (\d+)$", text, re.MULTILINE)
    assert found, f"no {name}"
    return int(found.group(1))


class EventStream:
    """An event stream of curl, from this address."""

    def __init__(self, url, address):
        command = ["curl", "-sN", "-m", str(10 * PATIENCE_S), "-w", "\n%{http_code}", "--interface", address, url]
        self.curl = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def is_open(self):
        """Whether it is served, and not sent away."""
        for line in self.curl.stdout:
            if line.startswith("event: "):
                return line == "event: $sync\n"
        return False

    def end(self):
        self.curl.terminate()
        self.curl.wait(PATIENCE_S)


def upgrades(port):
    """Whether a WebSocket is opened."""
    head = ("GET /v1/ws?channel=news HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        client.settimeout(PATIENCE_S)
        client.sendall(head.encode())
        return client.recv(64).startswith(b"HTTP/1.1 101")


class Checks:
    """One world: the program with its listeners, HAProxy and nginx in front."""

    TARGET = "/v1/position?channel=news"

    def __init__(self, program, directory):
        self.program = str(pathlib.Path(program).resolve())
        self.directory = directory
        self.programs = Programs(directory)
        names = ["plain", "trusting", "v1", "v2", "tls", "tls_trusting", "strange", "nginx", "nginx_local",
                 "to_v1", "to_v2", "to_tls", "to_field", "to_h2", "to_h2_snippet", "caddy"]
        self.ports = dict(zip(names, free_ports(len(names))))

    def start(self):
        ports, directory = self.ports, self.directory
        subprocess.run([self.program, "cert", "--out", "dev"], cwd=directory, check=True, capture_output=True)
        (directory / "sockeye.toml").write_text(CONFIG.format(**ports), encoding="utf-8")
        command = [self.program, "serve", "--config", "sockeye.toml"]
        self.server = self.programs.start(command, "sockeye", [ports["plain"], ports["tls"]])
        http = [
            ("to_field", "option forwardfor", f"127.0.0.1:{ports['trusting']}"),
            ("to_h2", "option forwardfor", f"127.0.0.1:{ports['trusting']} proto h2"),
            ("to_v1", "", f"127.0.0.1:{ports['v1']} send-proxy"),
            ("to_v2", "", f"127.0.0.1:{ports['v2']} send-proxy-v2"),
        ]
        sections = "".join(
            f"listen {name}\n    bind 127.0.0.1:{ports[name]}\n    {option}\n    server s {server}\n"
            for name, option, server in http
        )
        sections += (f"frontend snippet\n    bind 127.0.0.1:{ports['to_h2_snippet']}\n    default_backend sockeye\n"
                     + snippet("haproxy", "127.0.0.1:8080", ports["trusting"]))
        (directory / "http.cfg").write_text(HAPROXY.format(mode="http", sections=sections), encoding="utf-8")
        tcp = (f"listen to_tls\n    bind 127.0.0.1:{ports['to_tls']}\n"
               f"    server s 127.0.0.1:{ports['tls']} send-proxy-v2\n")
        (directory / "tcp.cfg").write_text(HAPROXY.format(mode="tcp", sections=tcp), encoding="utf-8")
        self.programs.start(["haproxy", "-db", "-f", "http.cfg"], "haproxy", [ports["to_v2"]])
        self.programs.start(["haproxy", "-db", "-f", "tcp.cfg"], "haproxy-tcp", [ports["to_tls"]])
        text = CADDY.format(caddy=ports["caddy"], snippet=snippet("caddy", "127.0.0.1:8080", ports["trusting"]))
        (directory / "Caddyfile").write_text(text, encoding="utf-8")
        command = ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
        self.programs.start(command, "caddy", [ports["caddy"]])
        temporary = " ".join(f"{it}_temp_path {directory}/{it};"
                             for it in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        text = NGINX.format(dir=directory, temporary=temporary, **ports)
        (directory / "nginx.conf").write_text(("user root; " if os.getuid() == 0 else "") + text, encoding="utf-8")
        command = ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf")]
        self.programs.start(command, "nginx", [ports["nginx"], ports["nginx_local"]])

    def url(self, name, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.ports[name]}{self.TARGET}"

    # Each check has client addresses of its own, because a rate once used up stays so for a while.

    def strangers_are_not_believed(self):
        """A client of the plain listener names another one each time, and has one rate all the same."""
        at = ["--interface", "127.0.0.30", self.url("plain")]
        groups = [(1, ["-H", f"X-Forwarded-For: 198.51.100.{it}", *at]) for it in range(20)]
        statuses, _ = ask(*groups)
        assert [429] in statuses, statuses

    def clients_of_a_trusted_proxy_have_rates_of_their_own(self):
        def of(field):
            return ["-H", f"X-Forwarded-For: {field}", self.url("trusting")]
        is_bounded_apart(one=of("192.0.2.1"), other=of("192.0.2.2"), forged=of("203.0.113.77, 192.0.2.1"))

    def an_ipv6_client_is_its_64(self):
        def of(address):
            return ["-H", f"X-Forwarded-For: {address}", self.url("trusting")]
        is_bounded_apart(one=of("2001:db8:1:2::1"), other=of("2001:db8:1:3::1"), forged=of("2001:db8:1:2:ffff::9"))

    def streams_of_one_http2_connection_have_clients_of_their_own(self):
        def of(address):
            trust = ["--http2", "--cacert", f"{self.directory}/dev/ca.pem"]
            return [*trust, "-H", f"X-Forwarded-For: {address}", self.url("tls_trusting", "https")]
        made = is_bounded_apart(one=of("192.0.2.21"), other=of("192.0.2.22"), forged=of("203.0.113.78, 192.0.2.21"))
        assert made == 1, f"{made} connections"

    def nginx_names_its_clients(self):
        at = self.url("nginx")
        one = ["--interface", "127.0.0.31", at]
        forged = ["-H", "X-Forwarded-For: 198.51.100.5", *one]
        is_bounded_apart(one=one, other=["--interface", "127.0.0.32", at], forged=forged)

    def nginx_names_its_clients_over_a_unix_socket(self):
        at = self.url("nginx_local")
        is_bounded_apart(one=["--interface", "127.0.0.33", at], other=["--interface", "127.0.0.34", at])

    def haproxy_names_its_clients_in_a_field(self):
        at = self.url("to_field")
        is_bounded_apart(one=["--interface", "127.0.0.35", at], other=["--interface", "127.0.0.36", at])

    def haproxy_names_its_clients_over_http2(self):
        at = self.url("to_h2")
        is_bounded_apart(one=["--interface", "127.0.0.37", at], other=["--interface", "127.0.0.38", at])

    def haproxy_sends_the_header_of_version_1(self):
        at = self.url("to_v1")
        is_bounded_apart(one=["--interface", "127.0.0.39", at], other=["--interface", "127.0.0.40", at])

    def haproxy_sends_the_header_of_version_2(self):
        at = self.url("to_v2")
        is_bounded_apart(one=["--interface", "127.0.0.41", at], other=["--interface", "127.0.0.42", at])

    def haproxy_sends_the_header_before_tls(self):
        trust = ["--cacert", f"{self.directory}/dev/ca.pem"]
        at = self.url("to_tls", "https")
        one = [*trust, "--interface", "127.0.0.43", at]
        is_bounded_apart(one=one, other=[*trust, "--interface", "127.0.0.44", at])

    def streams_of_a_named_client_have_its_share(self):
        """Of a hundred streams an address has twelve, whichever connections of a proxy they share."""
        for name, one, other in [("nginx", "127.0.0.50", "127.0.0.51"), ("to_h2", "127.0.0.52", "127.0.0.53")]:
            url = f"http://127.0.0.1:{self.ports[name]}/v1/sse?channel=news"
            streams = [EventStream(url, one) for _ in range(20)]
            try:
                opened = [it.is_open() for it in streams]
                assert 8 <= opened.count(True) <= 12, (name, opened)
                stranger = EventStream(url, other)
                streams.append(stranger)
                assert stranger.is_open(), f"{name}: one share for both"
            finally:
                for stream in streams:
                    stream.end()

    def the_handbooks_lines_for_haproxy_speak_http2(self):
        self.speaks_http2("to_h2_snippet", "Haproxy", 2)

    def the_handbooks_lines_for_caddy_speak_http2(self):
        self.speaks_http2("caddy", "Caddy", 1)

    def speaks_http2(self, name, who, streams):
        """An event stream, and with some gateways a WebSocket, is a stream of HTTP/2."""
        opened = "sockeye_http2_streams_opened_total"
        before = metric(self.directory, opened)
        stream = EventStream(f"http://127.0.0.1:{self.ports[name]}/v1/sse?channel=news", "127.0.0.54")
        try:
            assert stream.is_open(), f"{who} opens no event stream"
            assert upgrades(self.ports[name]), f"{who} opens no WebSocket"
            assert metric(self.directory, opened) == before + streams, f"{who} speaks HTTP/1.1"
        finally:
            stream.end()

    def curl_sends_the_header(self):
        done = curl("--haproxy-protocol", self.url("v1"))
        assert done[0] == 200, done
        assert curl("--haproxy-protocol", self.url("v2"))[0] != 200, "that is version 1"

    def what_is_no_header_is_refused(self):
        name = 'sockeye_connections_rejected_total{reason="proxy"}'
        before = metric(self.directory, name)
        status, text, _ = curl(self.url("v2"))
        assert status == 400 and "PROXY protocol" in text, (status, text)
        status, _, done = curl("--haproxy-protocol", self.url("strange"))
        assert status == 0 and done.returncode != 0, "curl is no trusted proxy there"
        assert metric(self.directory, name) == before + 2

    def a_unix_socket_serves_curl(self):
        status, text, _ = curl("--unix-socket", f"{self.directory}/private", "http://localhost/healthz")
        assert (status, text) == (200, "ok\n"), (status, text)

    def a_listener_hides_what_it_does_not_serve(self):
        for path in ["/metrics", "/healthz", "/readyz", "/admin", "/"]:
            status, text, _ = curl(f"http://127.0.0.1:{self.ports['plain']}{path}")
            assert status == 404, (path, status, text)

    def the_log_names_the_client(self):
        curl("-H", "X-Forwarded-For: 192.0.2.55", "-H", "Authorization: ApiKey wrong", self.url("trusting"))
        end = time.monotonic() + PATIENCE_S
        while "192.0.2.55" not in self.programs.log("sockeye"):
            assert time.monotonic() < end, self.programs.log("sockeye")[-2000:]
            time.sleep(0.1)

    def the_file_of_a_unix_socket_goes_at_the_end(self):
        self.server.send_signal(signal.SIGTERM)
        assert self.server.wait(PATIENCE_S) == 0
        assert not (self.directory / "private").exists()


def vanish(program):
    """A peer that vanishes, in network namespaces of its own."""
    own = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    command = [*own, sys.executable, str(HERE / "vanish.py"), program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    passed = failed = 0
    vanished = []
    beside = threading.Thread(target=lambda: vanished.append(attempt("peers_that_vanish", lambda: vanish(program))))
    beside.start()
    with tempfile.TemporaryDirectory() as name:
        checks = Checks(program, pathlib.Path(name))
        helpers = ("TARGET", "start", "url", "speaks_http2")
        try:
            checks.start()
            for check in [it for it in vars(Checks) if not it.startswith("_") and it not in helpers]:
                good = attempt(check, getattr(checks, check))
                passed, failed = passed + good, failed + (not good)
        finally:
            checks.programs.end()
    beside.join()
    passed, failed = passed + vanished[0], failed + (not vanished[0])
    print(f"listeners: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


def attempt(name, check):
    try:
        said = check()
    except Exception as error:  # pylint: disable=broad-except
        print(f"FAIL {name}: {type(error).__name__} {error}", flush=True)
        return False
    print(f"ok   {name}{': ' + said if said else ''}", flush=True)
    return True


main()
