"""That docs/openapi.json has what the server's own tables have, and nothing else."""
import re

from contract import METHODS, ROOT
from hub import ORIGIN

ROUTES = ROOT / "crates" / "service" / "src" / "dialect" / "routes.rs"
PROTOCOL = ROOT / "docs" / "protocol.md"
# Where the reasons of /readyz stand.
READINESS = [ROOT / "crates" / it for it in (
    "service/src/dialect/requests.rs", "service/src/certificates.rs", "service/src/sequencing/health.rs",
    "service/src/sequencing/clock.rs", "service/src/inlet.rs", "backbone/src/engine.rs", "backbone/src/node/status.rs")]
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
PROBED = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def routes(source):
    """(variant, method, path) of each resource: its documentation begins with both."""
    body = re.search(r"pub\(crate\) enum Resource<'p> \{(.*?)\n\}", source, re.S)[1]
    found, doc = [], None
    for line in body.split("\n"):
        comment = re.match(r"\s*/// `([A-Z]+) (/\S*)`", line)
        variant = re.match(r"\s*([A-Z]\w*)", line)
        if comment:
            doc = comment.groups()
        elif variant:
            found.append((variant[1], *(doc or ("?", "?"))))
            doc = None
    return found


def codes(text):
    """(code, status) of the tables of errors."""
    section = text.split("\n## Errors\n")[1].split("\n## ")[0]
    return [(code, int(status)) for code, status in re.findall(r"(?m)^\| `(\w+)` \| (\d{3}) \|", section)]


def reasons(source):
    return set(re.findall(r'"(draining|(?:log|certificate|calendar|backbone|source)_\w+)"', source))


def run(report, contract, hub):
    check_reasons(report, contract, set().union(*(reasons(it.read_text()) for it in READINESS)))
    check_routes(report, contract, routes(ROUTES.read_text()))
    check_codes(report, contract, codes(PROTOCOL.read_text()))
    check_methods(report, contract, hub)


def check_routes(report, contract, resources):
    described = {(path, method) for path, method, _ in contract.operations()}
    report.check("routes.rs: resources were found", [] if len(resources) >= 13 else [str(resources)])
    for variant, method, path in resources:
        wrong = [] if (path, method.lower()) in described else [f"{method} {path} is not in openapi.json"]
        report.check(f"routes.rs: Resource::{variant} is described", wrong)
    paths = {path for _, _, path in resources}
    for path in contract.document["paths"]:
        report.check(f"openapi.json: {path} is a resource", [] if path in paths else ["it is not in routes.rs"])


def check_reasons(report, contract, found):
    report.check("reasons of /readyz were found", [] if len(found) >= 20 else sorted(found))
    schemas = contract.document["components"]["schemas"]
    listed = {*schemas["Objection"]["enum"], *schemas["Remark"]["enum"]}
    report.check("openapi.json: Objection and Remark have all reasons of /readyz", sorted(listed ^ found))


def check_codes(report, contract, table):
    components = contract.document["components"]
    described = {}
    for name, schema in components["schemas"].items():
        status = re.fullmatch(r"Error(\d{3})", name)
        if status:
            for code in contract.resolve(schema["properties"]["error"]["allOf"][1])["properties"]["code"]["enum"]:
                described.setdefault(code, set()).add(int(status[1]))
    report.check("protocol.md: codes were found", [] if len(table) >= 40 else [str(len(table))])
    for code, status in table:
        wrong = [] if status in described.get(code, ()) else [f"status {status} is not described for it"]
        report.check(f"protocol.md: {code} is described", wrong)
    for code, statuses in described.items():
        strange = [str(it) for it in statuses if (code, it) not in table]
        report.check(f"openapi.json: {code} is in protocol.md", [f"not with status {it}" for it in strange])
    listed = set(components["schemas"]["ErrorCode"]["enum"])
    report.check("openapi.json: ErrorCode has all", sorted(listed ^ set(described)))


def check_methods(report, contract, hub):
    """Of each path the methods that are described are taken, and no other."""
    for path, item in contract.document["paths"].items():
        target = path.replace("{channel}", "methods:1").replace("{user}", "methods")
        for method in PROBED:
            body = b"" if method in ("POST", "PUT", "PATCH") else None
            with report.checking(f"{method} {path} is taken or not as described") as wrong:
                answer = hub.ask(method, target, PREFLIGHT if method == "OPTIONS" else {}, body)
                wrong += contract.problems(method, target, answer.status, answer.headers, answer.body)
                if (method.lower() in item) == (answer.status == 405):
                    wrong.append(f"status {answer.status}, and described are {sorted(set(item) & set(METHODS))}")
