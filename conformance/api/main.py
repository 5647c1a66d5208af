"""Runs all checks. See README.md."""
import pathlib
import sys

import below
import commands
import coverage
import generated
import hub as hubs
from contract import ROOT, Contract
from openapi_spec_validator import validate
from report import Report

CASES = 15  # valid ones, and as many wrong ones, of each operation and server
SEED = 20260919
DOCUMENTS = [("README.md", 6), ("docs/protocol.md", 0), ("docs/http-api.md", 30)]


def main(binary, out):
    report, contract = Report(), Contract()
    step(report, "the document", lambda: check_document(report, contract))
    with hubs.Hub(binary, out, "open", hubs.OPEN) as open_hub:
        step(report, "the tables", lambda: coverage.run(report, contract, open_hub))
        step(report, "below", lambda: below.run(report, contract, open_hub))
        step(report, "made up, open", lambda: generated.run(report, contract, open_hub, "open", {}, CASES, SEED))
    with hubs.Hub(binary, out, "guarded", hubs.OPEN + hubs.GUARDED) as guarded:
        key = {"Authorization": f"ApiKey {guarded.key}", "Origin": hubs.ORIGIN}
        step(report, "made up, guarded",
             lambda: generated.run(report, contract, guarded, "guarded", key, CASES, SEED + 1))
    over_http2(report, contract, binary, out)
    step(report, "commands", lambda: check_commands(report, contract, binary, out))
    print(f"api: {report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


def over_http2(report, contract, binary, out):
    """The same requests, where the server hears them over HTTP/2."""
    with hubs.Http2Hub(binary, out, "h2c", hubs.OPEN) as hub:
        step(report, "the tables, h2c", lambda: coverage.check_methods(report, contract, hub))
        step(report, "made up, h2c", lambda: generated.run(report, contract, hub, "h2c", {}, CASES, SEED))
        report.check("h2c: requests share a connection", shared(hub.client))
    with hubs.SecureHub(binary, out, "secure", hubs.OPEN + hubs.GUARDED) as hub:
        key = {"Authorization": f"ApiKey {hub.key}", "Origin": hubs.ORIGIN}
        step(report, "below, h2 over TLS", lambda: below.run_over_http2(report, contract, hub, key))
        step(report, "made up, h2 over TLS",
             lambda: generated.run(report, contract, hub, "h2", key, CASES, SEED + 1))
        report.check("h2: requests share a connection", shared(hub.client))


def shared(client):
    asked = f"{client.requests} requests on {client.connections} connections"
    return [] if client.connections * 20 <= client.requests else [asked]


def step(report, name, run):
    before = report.state()
    run()
    report.group(name, before)
    # A step without a check has checked nothing.
    report.check(f"{name} has checks", [] if report.state() != before else ["none"])


def check_document(report, contract):
    try:
        validate(contract.document)
        report.check("openapi.json is OpenAPI 3.1", [])
    except Exception as error:  # whatever the validator found
        report.check("openapi.json is OpenAPI 3.1", [str(error)[:500]])
    for path, method, operation in contract.operations():
        problems = []
        for status, response in operation["responses"].items():
            for kind, content in contract.resolve(response).get("content", {}).items():
                if kind == "application/json" and "example" in content:
                    problems += contract.errors(content["schema"], content["example"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in [content.get("example")] + [it["value"] for it in content.get("examples", {}).values()]:
                if example is not None:
                    problems += contract.errors(content["schema"], example)
        report.check(f"openapi.json: examples of {method} {path}", problems)


def check_commands(report, contract, binary, out):
    for name, least in DOCUMENTS:
        with hubs.Hub(binary, out, "open", "") as open_hub, \
                hubs.Hub(binary, out, "guarded", hubs.GUARDED) as guarded:
            seen = commands.run_document(report, contract, ROOT / name, open_hub, guarded)
        report.check(f"{name} has at least {least} commands", [] if len(seen) >= least else [str(len(seen))])
    # The last of them is to show everything.
    shown = {(contract.template(path), method.lower()) for method, path in seen}
    for path, method, _ in contract.operations():
        if method not in ("head", "options"):
            missing = [] if (path, method) in shown else ["no command"]
            report.check(f"{DOCUMENTS[-1][0]} shows {method} {path}", missing)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
