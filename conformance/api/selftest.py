"""Breaks one thing at a time and expects a check to fail. See README.md."""
import contextlib
import io
import json
import pathlib
import sys

import commands
import coverage
import generated
import hub as hubs
from contract import ROOT, Contract
from main import CASES, SEED
from report import Report

# Enough to see every fault, and soon.
ASKED = {"/v1/channels/{channel}", "/v1/channels/{channel}/history", "/v1/position", "/v1/poll", "/v1/publish"}
API = ROOT / "docs" / "http-api.md"


def edited(change):
    """A contract with a change in its document."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    change(document)
    return Contract(json.dumps(document))


def drop(*keys):
    """Takes something out of the document."""
    def change(document):
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]
    return change


def put(value, *keys):
    """Puts something else into the document."""
    def change(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value
    return change


class Faulty:
    """A hub whose answers have a fault."""

    def __init__(self, hub, fault):
        self.hub, self.fault = hub, fault

    def ask(self, *arguments, **more):
        answer = self.hub.ask(*arguments, **more)
        self.fault(answer)
        return answer


class GoesAway(hubs.Http2Hub):
    """A hub whose server goes away once with an error, as its client sees it."""

    asked = 0

    def ask(self, *arguments):
        self.asked += 1
        if self.asked == 5:
            self.client.socket = Interrupted(self.client.socket)
        return super().ask(*arguments)


class Interrupted:
    """A socket that has a GOAWAY (INTERNAL_ERROR, no stream processed) for what the server says."""

    def __init__(self, socket):
        self.socket = socket

    def __getattr__(self, name):
        return getattr(self.socket, name)

    def recv(self, _):
        return bytes.fromhex("000008070000000000" "00000000" "00000002")


def replace(old, new):
    def fault(answer):
        answer.body = answer.body.replace(old, new)
    return fault


def without(name):
    return lambda answer: answer.headers.pop(name, None)


def status(old, new):
    def fault(answer):
        answer.status = new if answer.status == old else answer.status
    return fault


SCHEMAS, PATHS = ("components", "schemas"), ("paths",)
DOCUMENT = {
    "a route is not described": drop(*PATHS, "/v1/position"),
    "a method is not described": drop(*PATHS, "/v1/poll", "head"),
    "a method is described that is not taken": put({"responses": {}}, *PATHS, "/v1/batch", "put"),
    "a code is not described": put(["not_found", "gone"], *SCHEMAS, "Error404", "properties", "error", "allOf", 1,
                                   "properties", "code", "enum"),
    "a header is described that is not sent": put({"required": True, "schema": {"type": "string"}}, "components",
                                                  "responses", "MethodNotAllowed", "headers", "X-Missing"),
    "a header is not described": drop("components", "responses", "MethodNotAllowed", "headers", "Allow"),
}
MADE_UP = {
    "a status is not described": drop(*PATHS, "/v1/channels/{channel}/history", "get", "responses", "400"),
    "a field is not described": drop(*SCHEMAS, "History", "properties", "floor"),
    "a field is of another type": put({"type": "string"}, *SCHEMAS, "Receipt", "properties", "seq"),
    "a bound is looser than the server's": put(5184000000, *SCHEMAS, "TtlMs", "maximum"),
    "a bound is tighter than the server's": put(9, *SCHEMAS, "TtlMs", "maximum"),
    "a parameter is described that is not taken": lambda it: it["paths"]["/v1/position"]["get"]["parameters"].append(
        {"name": "at", "in": "query", "required": True, "schema": {"type": "integer", "minimum": 0}}),
}
ANSWERS = {
    "a field has another name": replace(b'"floor"', b'"flor"'),
    "a field is missing": replace(b'"duplicate":false,', b""),
    "a field is new": replace(b'"duplicate"', b'"news":1,"duplicate"'),
    "a code is unknown": replace(b'"bad_query"', b'"bad_qery"'),
    "a body is cut": replace(b"}", b""),
    "no-store is missing": without("cache-control"),
    "the cursor's header is missing": without("sockeye-cursor"),
    "what is wrong is taken": status(400, 200),
    "what is right is refused": status(200, 400),
    "another status": status(200, 201),
}
PAGES = {
    "another answer": ('"seq":1,', '"seq":2,'),
    "another status": ("HTTP/1.1 204 No Content", "HTTP/1.1 200 OK"),
    "another header": ("Allow: POST", "Allow: PUT"),
    "another frame": ("event: $end", "event: end"),
    "another command": ("?expect=2'", "?expect=1'"),
    "a command that is not one": ("curl -X POST http", "curl -X POST htp"),
    "a field that is gone": ('"level":"accepted",', ""),
    "an answer too many": ("```json\n{\"ticket\"", "```json\n{}\n{\"ticket\""),
}


def main(binary, out):
    seen, missed = 0, []
    with hubs.Hub(binary, out, "open", hubs.OPEN) as hub:
        def made_up(report, contract, hub):
            generated.run(report, contract, hub, "open", {}, CASES, SEED, ASKED)

        # First with nothing broken: what is red then says nothing later.
        cases = [("nothing: the tables", lambda r: coverage.run(r, Contract(), hub)),
                 ("nothing: made up", lambda r: made_up(r, Contract(), hub)),
                 ("nothing: the page", lambda r: page(r, binary, out, "", ""))]
        cases += [(f"document: {name}", lambda r, c=change: coverage.run(r, edited(c), hub))
                  for name, change in DOCUMENT.items()]
        cases += [(f"made up: {name}", lambda r, c=change: made_up(r, edited(c), hub))
                  for name, change in MADE_UP.items()]
        cases += [(f"answers: {name}", lambda r, f=fault: made_up(r, Contract(), Faulty(hub, f)))
                  for name, fault in ANSWERS.items()]
        cases.append(("HTTP/2: the server goes away", lambda r: goes_away(r, binary, out)))
        cases += [(f"page: {name}", lambda r, e=edit: page(r, binary, out, *e)) for name, edit in PAGES.items()]
        for name, run in cases:
            report = Report()
            with contextlib.redirect_stdout(io.StringIO()):
                run(report)
            is_seen = (report.failed > 0) != name.startswith("nothing")
            print(f"{'seen' if is_seen else 'MISS'} {name}: {report.failed} red of {report.passed + report.failed}",
                  flush=True)
            seen += is_seen
            missed += [name] * (not is_seen)
    print(f"api selftest: {seen} seen, {len(missed)} missed")
    return 1 if missed else 0


def goes_away(report, binary, out):
    """One check is red, and those behind it go on with another connection."""
    with GoesAway(binary, out, "goes-away", hubs.OPEN) as hub:
        coverage.check_methods(report, Contract(), hub)
    if report.failed != 1 or hub.client.connections != 2:
        raise SystemExit(f"{report.failed} red with {hub.client.connections} connections")


def page(report, binary, out, old, new):
    text = API.read_text()
    if old not in text:
        raise SystemExit(f"the page has no {old!r}: what is to be broken has changed")
    path = pathlib.Path(out) / "http-api.md"
    path.write_text(text.replace(old, new, 1))
    with hubs.Hub(binary, out, "page", "") as open_hub, hubs.Hub(binary, out, "guarded", hubs.GUARDED) as guarded:
        commands.run_document(report, Contract(), path, open_hub, guarded)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
