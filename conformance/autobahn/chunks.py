"""A run of the suite, cut into chunks that can go side by side.

A chunk is one `wstest` process with some of the cases. In the server role it is a
fuzzingclient, and all chunks share one server under test; in the client role it is a
fuzzingserver with a testee of its own.
"""
import contextlib
import dataclasses
import fnmatch
import json
import os
import pathlib
import socket

import processes

AGENT = "sockeye"
QUICK_MESSAGES = 50

# Longest first, so that the last chunk to end is a short one. The cases of one chunk in
# 12.* and 13.* share their test data, and with it what the port remembers of it.
ORDER = ["12.3", "12.2", "12.5", "json", "12.4", "9", "basic"]


def case_key(case):
    return tuple(int(x) for x in case.split("."))


def chunk_of(case):
    group, sub = case.split(".")[:2]
    if group == "13" or (group, sub) == ("12", "1"):
        return "json"
    if group == "12":
        return f"{group}.{sub}"
    return "9" if group == "9" else "basic"


def select(cases, patterns):
    return [c for c in cases if any(fnmatch.fnmatchcase(c, p) for p in patterns)]


def split(cases):
    """Chunk name to cases, longest chunk first."""
    parts = {}
    for case in sorted(cases, key=case_key):
        parts.setdefault(chunk_of(case), []).append(case)
    return {name: parts[name] for name in ORDER if name in parts}


class Wstest:
    """How to start the suite: from the environment, or from its container image."""

    def __init__(self, path):
        self._path = path

    def command(self, mode, directory):
        return [str(self._path), "-m", mode, "-s", str(directory / "spec.json"), "-u", "0"]


class DockerWstest:
    IMAGE = os.environ.get("AUTOBAHN_IMAGE", "crossbario/autobahn-testsuite")

    def command(self, mode, directory):
        # `--init` and the signal proxy of `docker run` let the container end with its client.
        return ["docker", "run", "--rm", "--init", "--network", "host", "--user",
                f"{os.getuid()}:{os.getgid()}", "-v", f"{directory}:{directory}", "-w", str(directory),
                self.IMAGE, "wstest", "-m", mode, "-s", str(directory / "spec.json"), "-u", "0"]


@dataclasses.dataclass
class Chunk:
    """One chunk of a role. `run` gives the problems that are not results of cases."""

    role: str
    name: str
    cases: list
    directory: pathlib.Path
    wstest: object
    budget: processes.Budget

    def run(self, binary, server_url):
        self.directory.mkdir(parents=True)
        if self.budget.spent:
            return [f"{self.role} {self.name}: no time left to start"]
        problems = self._as_client(server_url) if self.role == "server" else self._as_server(binary)
        return [f"{self.role} {self.name}: {p}" for p in problems + self._suite_errors()]

    def results(self):
        """Case to result; a case of another agent is kept apart by its name."""
        path = self.directory / "index.json"
        if not path.exists():
            return {}
        index = json.loads(path.read_text())
        return {case if agent == AGENT else f"{case}@{agent}": result
                for agent, results in index.items() for case, result in results.items()}

    def _start(self, mode, **spec):
        spec |= {"outdir": str(self.directory), "cases": self.cases, "exclude-cases": [],
                 "exclude-agent-cases": {}}
        (self.directory / "spec.json").write_text(json.dumps(spec))
        return processes.running(self.wstest.command(mode, self.directory), self._log())

    def _log(self):
        return self.directory / "wstest.log"

    def _as_client(self, url):
        """The suite is the client: it ends by itself."""
        with self._start("fuzzingclient", servers=[{"url": url, "agent": AGENT}]) as suite:
            status = self.budget.wait(suite)
        return [] if status == 0 else [f"the suite {ending(status)}"]

    def _as_server(self, binary):
        """The suite is the server: the testee asks for all cases, then for the reports."""
        port = processes.free_port()
        url = f"ws://127.0.0.1:{port}"
        with self._start("fuzzingserver", url=url) as suite:
            if not processes.listens(port, suite, self.budget):
                return ["the suite did not start to listen"]
            log = self.directory / "testee.log"
            with processes.running([str(binary), "testee", url], log) as testee:
                status = self.budget.wait(testee)
            if status != 0 and suite.poll() is None:
                ask_for_reports(port)
        return [] if status == 0 else [f"the testee {ending(status)}"]

    def _suite_errors(self):
        """`wstest` reports neither its own exceptions nor its failure by its exit status."""
        if not self._log().exists():
            return []
        count = self._log().read_text(errors="replace").count("Traceback (most recent call last)")
        return [f"{count} exceptions of the suite itself, see {self._log()}"] if count else []


def ask_for_reports(port):
    """A testee that failed did not ask for them; what it did should still be seen."""
    request = (f"GET /updateReports?agent={AGENT} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(60)
        s.sendall(request.encode())
        seen = b""
        while b"\x88" not in seen.partition(b"\r\n\r\n")[2] and (data := s.recv(4096)):
            seen += data


def ending(status):
    return "ran out of time" if status is None else f"ended with status {status}"
