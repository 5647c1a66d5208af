"""The curl commands of a document, run as they stand there, and their answers compared with those that
stand below them.

Only the address of the server is put in, and the epoch of its log. curl gets the rest of what we need
from a .curlrc: a time limit, and a note of each transfer on its standard error.
"""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import urllib.parse

STREAM_SECONDS = 1.5  # for which a command that has no end is listened to
SECONDS_MAX = 60
END = "\x1e"  # behind each transfer's output
EPOCH = "mubbs7i8"  # of the documents' cursors
OPEN, GUARDED = "http://127.0.0.1:8080", "https://hub.example"
NOTE = '@@{"method":"%{method}","url":"%{url_effective}","status":"%{http_code}","headers":%{header_json}}@@'

# What is of one moment, as it stands in the documents.
MOMENTS = [
    (r'"time":\d{13}\b', '"time":1790000123456'),
    (r"(?m)^retry: \d+$", "retry: 1500"),
    (r'"ticket":"[A-Za-z0-9_-]{40,}"', '"ticket":"vQ3hJ8Zl6kP0xT5yR2wN9mB4cF7gD1sA"'),
    (r"(1[0-9a-z]+-[0-9a-z]+(?:\.[0-9a-z]+)?)~[0-9a-f]+~[A-Za-z0-9_-]+", r"\1~p3x9~Xb2_k"),
]


class Block:
    """Commands, and what is said to be their answer; None if nothing is."""

    def __init__(self, line, script, is_fenced):
        self.line, self.script, self.is_fenced = line, script, is_fenced
        # The line of the closing fence: an answer begins two lines below.
        self.end = line + script.count("\n") + 1 if is_fenced else None
        self.kind = self.answer = None


def blocks(text):
    """The blocks of a document that have a curl command: fenced, or a line of its own where it is indented."""
    lines = text.split("\n")
    found, at = [], 0
    while at < len(lines):
        line = lines[at]
        if re.match(r" {4}curl ", line):
            found.append(Block(at + 1, line.strip(), False))
        elif line.startswith("```"):
            end = at + 1 + lines[at + 1:].index("```")
            kind, content = line[3:], "\n".join(lines[at + 1:end])
            if re.search(r"(?m)^curl ", content) and kind in ("sh", "console", "bash"):
                found.append(Block(at + 1, content, True))
            elif found and found[-1].end == at - 2 and kind in ("http", "json", "text"):
                found[-1].kind, found[-1].answer = kind, content
            at = end
        at += 1
    return found


def run_document(report, contract, path, open_hub, guarded):
    """Runs all commands of a document; the (method, path) of each transfer."""
    epochs = {hub: hub.ask("GET", "/v1/position", {"Authorization": f"ApiKey {hub.key}"} if hub is guarded else {})
              .json()["cursor"][1:].split("-")[0] for hub in (open_hub, guarded)}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "KEY": guarded.key, "TOKEN": guarded.token(), "TICKET": ""}
    seen = []
    with tempfile.TemporaryDirectory() as home:
        environment["CURL_HOME"] = environment["HOME"] = home
        for block in blocks(path.read_text()):
            hub = guarded if GUARDED in block.script else open_hub
            label = f"{path.name}:{block.line}"
            transfers = run_block(report, label, block, hub, epochs[hub], environment, home)
            for transfer in transfers:
                report.check(f"{label}: {transfer.method} {transfer.path} as described",
                             transfer.problems(contract))
                seen.append((transfer.method, transfer.path))
                ticket = re.search(r'"ticket":"([^"]+)"', transfer.text)
                environment["TICKET"] = ticket[1] if ticket else environment["TICKET"]
            name = f"{label}: as shown" if block.answer is not None else f"{label}: answered"
            report.check(name, compare(block, transfers, epochs[hub]))
    return seen


def run_block(report, label, block, hub, epoch, environment, home):
    is_stream = bool(re.search(r"curl (-\w*N|.* -\w*N)", block.script))
    limit = STREAM_SECONDS if is_stream else SECONDS_MAX
    note = NOTE.replace('"', '\\"')
    pathlib.Path(home, ".curlrc").write_text(
        f'silent\nshow-error\nmax-time = {limit}\nwrite-out = "%{{stderr}}{note}%{{stdout}}{END}"\n')
    script = block.script.replace(OPEN, f"http://{hub.address}").replace(GUARDED, f"http://{hub.address}")
    script = script.replace(f"1{EPOCH}-", f"1{epoch}-")
    done = subprocess.run(["bash", "-uc", script], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=120)
    notes = [json.loads(it, strict=False) for it in re.findall(r"@@(\{.*?\})@@", done.stderr.decode(), re.S)]
    outputs = done.stdout.decode().split(END)[:-1]
    commands = len(re.findall(r"(?m)^curl ", block.script))
    wrong = []
    if done.returncode != (28 if is_stream and ended_by_us(notes) else 0):
        wrong.append(f"exit status {done.returncode}: {done.stderr.decode()[-300:]}")
    if not len(notes) == len(outputs) == commands:
        wrong.append(f"{commands} commands, {len(outputs)} answers")
    report.check(f"{label}: runs", wrong)
    return [Transfer(note, output) for note, output in zip(notes, outputs)]


def ended_by_us(notes):
    kinds = [note["headers"].get("content-type", [""])[0] for note in notes]
    return any(note["status"] == "101" or kind == "text/event-stream" for note, kind in zip(notes, kinds))


class Transfer:
    def __init__(self, note, output):
        self.text = output.replace("\r\n", "\n")
        # 000 where nothing was answered.
        self.method, self.status = note["method"], int(note["status"])
        self.path = urllib.parse.urlsplit(note["url"]).path
        self.headers = {name: values[0] for name, values in note["headers"].items()}
        self.head, self.body = "", self.text
        if self.text.startswith("HTTP/"):
            self.head, _, self.body = self.text.partition("\n\n")
            # curl's own account has none for a 101.
            pairs = [line.partition(": ") for line in self.head.split("\n")[1:]]
            self.headers = {name.lower(): value for name, _, value in pairs}

    def problems(self, contract):
        if not self.path.startswith("/v1/") and contract.template(self.path) is None:
            return [] if self.status == 200 else [f"status {self.status}"]  # the demo beside the API
        return contract.problems(self.method, self.path, self.status, self.headers, self.body.encode())


def compare(block, transfers, epoch):
    """What is different from what is shown. Without an answer, a command has to succeed."""
    if block.answer is None:
        return [f"status {it.status}" for it in transfers if it.status >= 400]
    texts = [it.text.replace(f"1{epoch}-", f"1{EPOCH}-") for it in transfers]
    for pattern, moment in MOMENTS:
        texts = [re.sub(pattern, moment, text) for text in texts]
    if block.kind == "http":
        return compare_http(block.answer, texts)
    actual = "\n".join(text.rstrip("\n") for text in texts)
    pieces = [re.escape(piece) for piece in re.split(r"(?m)^…$", block.answer.rstrip("\n"))]
    if re.fullmatch("(?s:.*)".join(pieces), actual):
        return []
    return [f"shown:    {block.answer}", f"answered: {actual}"]


def compare_http(answer, texts):
    """Status line and body are as shown; of the headers, those that are shown."""
    shown = [it for it in re.split(r"(?m)^(?=HTTP/1\.1 )", answer) if it]
    if len(shown) != len(texts):
        return [f"{len(shown)} responses are shown, {len(texts)} came"]
    found = []
    for want, got in zip(shown, texts):
        (want_head, _, want_body), (got_head, _, got_body) = want.partition("\n\n"), got.partition("\n\n")
        want_lines, got_lines = want_head.rstrip("\n").split("\n"), got_head.split("\n")
        missing = [line for line in want_lines if line not in got_lines and not is_moment(line, want_body)]
        found += [f"not in the head: {line}" for line in missing]
        if want_lines[0] != got_lines[0]:
            found.append(f"shown {want_lines[0]}, answered {got_lines[0]}")
        # Where the body is not worth showing, it is not compared.
        if want_body and want_body.rstrip("\n") != got_body.rstrip("\n"):
            found += [f"shown:    {want_body}", f"answered: {got_body}"]
    return found


def is_moment(line, body):
    """A header that differs each time; a length is that of the body which is shown with it."""
    return line.startswith("Date: ") or line == f"Content-Length: {len(body.rstrip(chr(10)))}"
