"""What a cluster is made of: Redis, nodes, a balancer without stickiness, and links between them. Each is a process of its
own, but for the links. The addresses are 127.0.N.0 to 127.0.N.255, eight of them for each world; N, 61 to 92, is another one for
each run on this machine."""
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import httpx
import redis

PATIENCE_S = 60
PROXIES = pathlib.Path(__file__).resolve().parents[3] / "docs" / "proxies"

CONFIG = """
[backbone]
patience_seconds = 2
entries = {entries}
[limits]
address_percent = 100          # all clients have one address here
messages_per_second = 100000
requests_per_second = 100000
heartbeat_seconds = 1
ping_seconds = 2
connections_per_address = 20000
[channels]
history_messages = 100000
history_bytes = 67108864
history_seconds = 3600
patterns = true
[log]
level = "info"
"""


def network():
    """The number of a network that no other run has, and the file whose lock says so. It ends with this process."""
    for number in range(61, 93):
        with contextlib.suppress(OSError):
            file = open(pathlib.Path(tempfile.gettempdir()) / f"sockeye-cluster-127.0.{number}", "w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return number, file
            except OSError:
                file.close()
    raise AssertionError("other runs have all the addresses")


NETWORK, _LOCK = network()


def address(world, place):
    """The address of a place of a world."""
    return f"127.0.{NETWORK}.{world * 8 + place}"


class Place:
    """A process with a directory and an address. It ends with `with`."""

    def __init__(self, out, name, host, port):
        self.dir = pathlib.Path(out) / name
        self.dir.mkdir(parents=True)
        self.name, self.host, self.port, self.process = name, host, port, None

    def command(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def start(self, wait=True):
        with (self.dir / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.dir)
        if wait:
            self.wait()

    def wait(self):
        late = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < late:
            if self.is_ready():
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.name} is not ready: {self.tail()}")

    def tail(self):
        return (self.dir / "log").read_text(errors="replace")[-1500:]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        """SIGKILL, also for one that is stopped."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.kill()


class Redis(Place):
    """A server with AOF. `always`: what was read survives a kill, also beside a busy disk."""

    def __init__(self, out, name, host, *settings):
        super().__init__(out, name, host, 16379)
        self.settings = settings

    def command(self):
        return ["redis-server", "--bind", self.host, "--port", str(self.port), "--save", "", "--appendonly", "yes",
                "--appendfsync", "always", "--repl-diskless-sync-delay", "0", *self.settings]

    def client(self):
        return redis.Redis(self.host, self.port, socket_timeout=PATIENCE_S)

    def is_ready(self):
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return client.ping()
        return False

    def ask(self, *words):
        with self.client() as client:
            return client.execute_command(*words)

    def forget(self):
        """Deletes what a killed server has on disk."""
        assert self.process.poll() is not None
        shutil.rmtree(self.dir / "appendonlydir")


class Node(Place):
    """A node of Sockeye on the log."""

    def __init__(self, out, name, host, binary, url, entries=65536):
        super().__init__(out, name, host, 18080)
        self.binary, self.url = binary, url
        self.kills = 0
        (self.dir / "sockeye.toml").write_text(CONFIG.format(entries=entries))

    def command(self):
        return [self.binary, "serve", "--config", "sockeye.toml", "--listen", f"{self.host}:{self.port}",
                "--backbone", self.url]

    def ask(self, path):
        """The status and the text of a page; 0 if nobody answers."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""
        finally:
            connection.close()

    def is_ready(self):
        return self.ask("/readyz")[0] == 200

    def page(self, path):
        """An object of the API."""
        status, text = self.ask(path)
        assert status == 200, f"{path}: {status} {text}"
        return json.loads(text)

    def newest(self, channel):
        """The newest message of a channel; None if there is none."""
        messages = self.page(f"/v1/channels/{channel}/history?limit=1")["messages"]
        return messages[-1]["data"] if messages else None

    def figure(self, name):
        """A figure of /metrics."""
        _, page = self.ask("/metrics")
        found = [line.split()[1] for line in page.splitlines() if line.split(" ")[0] == name]
        assert len(found) == 1, f"{name}: {found}"
        return float(found[0])


def substitute(text, changes):
    """Puts our addresses and times in the place of those of a documented configuration."""
    for old, new, times in changes:
        assert text.count(old) == times, f"{old!r} stands {text.count(old)} times in the configuration"
        text = text.replace(old, new)
    return text


class Balancer(Place):
    """HAProxy or nginx in front of nodes, as documented."""

    def __init__(self, out, name, host, nodes):
        super().__init__(out, name, host, 18000)
        self.conf = self.dir / "conf"
        text = (PROXIES / {"haproxy": "nodes-haproxy.cfg", "nginx": "nodes-nginx.conf"}[name]).read_text()
        servers = {"haproxy": 4, "nginx": 1}[name]
        changes = [("127.0.0.1:8000", f"{host}:18000", 1)]
        changes += [(f"127.0.0.1:{8081 + n}", f"{node.host}:{node.port}", servers) for n, node in enumerate(nodes)]
        if name == "haproxy":
            changes += [("maxconn 10000", "maxconn 1000", 1), ("inter 1s", "inter 200ms", 1)]
            changes += [("retry: 2000", "retry: 200", 3)]
        else:
            user = "user root;\n" if os.getuid() == 0 else ""
            inside = "".join(f"    {of}_temp_path {self.dir}/{of};\n"
                             for of in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            changes += [("/run/nginx.pid", f"{self.dir}/nginx.pid", 1), ("/var/log/nginx", str(self.dir), 2),
                        ("/var/cache/nginx-sockeye", f"{self.dir}/cache", 1), ("http {\n", "http {\n" + inside, 1),
                        ("worker_processes auto;", f"{user}worker_processes 1;", 1), ("retry: 2000", "retry: 200", 1),
                        ("worker_rlimit_nofile 65536;", "worker_rlimit_nofile 8192;", 1),
                        ("worker_connections 16384;", "worker_connections 4096;", 1)]
        self.conf.write_text(substitute(text, changes))

    def command(self):
        if self.name == "haproxy":
            return ["haproxy", "-db", "-f", str(self.conf)]
        return ["nginx", "-p", str(self.dir), "-c", str(self.conf), "-g", "daemon off;"]

    def is_ready(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def serves_without_log(self):
        """History comes from memory, and a publication is told to come back."""
        base = f"http://{self.host}:{self.port}/v1"
        page = httpx.get(f"{base}/poll?channel=cluster:0&cursor=earliest&wait=0", trust_env=False)
        assert page.status_code == 200 and page.json()["messages"], f"{page.status_code} {page.text[:200]}"
        refused = httpx.post(f"{base}/channels/refused:1", content="refused", trust_env=False, timeout=20)
        assert refused.status_code == 503 and "Retry-After" in refused.headers, f"{refused.status_code} {refused.text[:200]}"

    def __exit__(self, *_):
        """nginx has processes of its own, which its own end ends."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Link:
    """Leads connections to a server: it cuts them, holds their bytes, and leads elsewhere."""

    def __init__(self, host, target):
        self.target, self.open = target, set()
        self.goes = threading.Event()
        self.goes.set()
        self.listener = socket.create_server((host, 16379))
        self.url = f"redis://{host}:16379"
        threading.Thread(target=self.accept, daemon=True).start()

    def lead_to(self, place):
        self.target = place

    def cut(self):
        """Both ends of each connection get a reset or an end."""
        for end in list(self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def hold(self):
        """Nothing passes from now on, and no connection ends: the link is half open."""
        self.goes.clear()

    def release(self):
        self.goes.set()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        self.goes.wait()
        try:
            server = socket.create_connection((self.target.host, self.target.port))
        except OSError:
            client.close()
            return
        self.open |= {client, server}
        back = threading.Thread(target=self.copy, args=(server, client), daemon=True)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back.start()
        self.copy(client, server)
        back.join()
        self.open -= {client, server}
        client.close()
        server.close()

    def copy(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self.goes.wait()
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.release()
        self.cut()
