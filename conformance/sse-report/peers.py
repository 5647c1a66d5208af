"""The parsers, how each is built and started, and what its interface cannot say."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "sse-report"

# What the vectors ask for besides events: the reconnection time, the last event ID string after
# the end, and a last event ID string to begin with.
RETRY, FINAL_ID, FIRST_ID = "retry", "final ID", "first ID"


@dataclass(frozen=True)
class Peer:
    name: str
    home: "Home"
    lacks: tuple = ()
    # The reconnection time that cannot be told from none.
    retry_default: int | None = None
    note: str = ""
    package: str = ""

    def command(self):
        return [*self.home.command(), self.name]

    def version(self):
        return self.home.version(self.package or self.name)


class Home:
    """A language's runner."""

    def __init__(self, language):
        self.language = language
        self.source = HERE / language
        self.place = TARGET / language


class Rust(Home):
    def set_up(self):
        run("cargo", "build", "--quiet", "--release", "--locked", "--manifest-path",
            self.source / "Cargo.toml", "--target-dir", self.place)

    def command(self):
        return [self.place / "release/sse-report-rust"]

    def version(self, package):
        lines = (self.source / "Cargo.lock").read_text().splitlines()
        return lines[lines.index(f'name = "{package}"') + 1].split('"')[1]


class Node(Home):
    def set_up(self):
        shutil.copytree(self.source, self.place, dirs_exist_ok=True)
        run("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=self.place)

    def command(self):
        return [self.place / "node_modules/.bin/node", self.place / "run.mjs"]

    def version(self, package):
        manifest = self.place / "node_modules" / package / "package.json"
        return json.loads(manifest.read_text())["version"]


class Python(Home):
    def set_up(self):
        if not (self.place / "bin/python").exists():
            run(sys.executable, "-m", "venv", self.place)
        run(self.place / "bin/pip", "install", "--quiet", "--requirement",
            self.source / "requirements.txt")

    def command(self):
        return [self.place / "bin/python", self.source / "run.py"]

    def version(self, package):
        code = f"from importlib.metadata import version; print(version({package!r}))"
        return subprocess.check_output([self.place / "bin/python", "-c", code], text=True).strip()


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


RUST, NODE, PYTHON = Rust("rust"), Node("node"), Python("python")

PEERS = [
    Peer("sockeye-sse", RUST),
    Peer("sse-parse", RUST),
    Peer("sse-core", RUST, note="its limit raised to 1 GiB"),
    Peer("sse-stream", RUST, note="raw blocks, IDs kept by the adapter"),
    Peer("sseer", RUST),
    Peer("sse-codec", RUST, (FINAL_ID,)),
    Peer("async-sse", RUST, (FINAL_ID,)),
    Peer("eventsource-stream", RUST, note="also the parser of reqwest-eventsource"),
    Peer("eventsource-client", RUST, (FINAL_ID,), note="LaunchDarkly's, fed by its transport"),
    Peer("eventsource-parser", NODE, note="behind a TextDecoder, IDs kept by the adapter"),
    Peer("eventsource-parser/stream", NODE, package="eventsource-parser",
         note="behind a TextDecoderStream, IDs kept by the adapter"),
    Peer("eventsource", NODE, (FIRST_ID,), 3000,
         note="the whole class; the next request says what its parser knew"),
    Peer("undici", NODE, note="the parser of its EventSource"),
    Peer("fetch-event-source", NODE, package="@microsoft/fetch-event-source"),
    Peer("fetch-event-stream", NODE, note="raw blocks, IDs kept by the adapter"),
    Peer("parse-sse", NODE, (FINAL_ID, FIRST_ID)),
    Peer("event-stream-parser", NODE, (RETRY, FINAL_ID, FIRST_ID)),
    Peer("httpx-sse", PYTHON, (FINAL_ID, FIRST_ID)),
]
