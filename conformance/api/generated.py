"""Requests that schemathesis makes up from docs/openapi.json, valid ones and wrong ones.

It only makes them up; they are sent, and their answers judged, here. The same seed makes the same
requests, and their number is bounded.
"""
import copy
import json
import re

import hypothesis
import requests
import schemathesis
from schemathesis.generation import GenerationMode

import oracle
from report import NoAnswer

WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}

# What is refused for what the server holds, and not for what the request says.
STATE = {"channel_ended", "expect_failed", "session_over", "ticket_too_large"}


def loadable(contract):
    """The document as schemathesis can use it here: credentials are ours to add, nobody waits for a
    minute, and lines of a batch are made by us."""
    document = copy.deepcopy(contract.document)
    document["security"] = []
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    document["components"]["parameters"]["Wait"]["schema"]["maximum"] = 0
    # Thirteen digits of base 36 may be more than 64 bits, and the four of a check more than 20, which a
    # pattern cannot say.
    schemas = document["components"]["schemas"]
    for cursor in (schemas["Expect"]["oneOf"][1], schemas["Cursor"]):
        cursor["pattern"] = cursor["pattern"].replace("{0,12}", "{0,11}").replace("{0,3}", "{0,2}")
    batch = document["paths"]["/v1/batch"]["post"]["requestBody"]["content"]
    batch["application/json"] = {"schema": {"type": "array", "minItems": 1, "maxItems": 20,
                                            "items": {"$ref": "#/components/schemas/Item"}}}
    del batch["application/x-ndjson"]
    return schemathesis.openapi.from_dict(document)


def cases(operation, mode, count, seed):
    """So many requests to an operation, or as many as there are."""
    made = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, database=None, deadline=None,
                         phases=[hypothesis.Phase.generate],
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def collect(case):
        made.append(case)

    try:
        collect()
    except hypothesis.errors.Unsatisfiable:
        # Without parameters and body there is nothing to get wrong.
        assert mode == GenerationMode.NEGATIVE and not made, operation.label
    return made


def request_of(case, path):
    """(method, target, headers, body)"""
    arguments = case.as_transport_kwargs(base_url="http://hub.example")
    lines = None
    if path == "/v1/batch" and isinstance(arguments.get("json"), list):
        lines = b"\n".join(json.dumps(whole(item)).encode() for item in arguments.pop("json"))
    elif "json" in arguments and path != "/v1/channels/{channel}":
        arguments["json"] = whole(arguments["json"])
    prepared = requests.Request(
        arguments["method"], arguments["url"], params=arguments.get("params"), data=arguments.get("data"),
        json=arguments.get("json")).prepare()
    headers = dict(case.headers or {})
    if prepared.body is not None and "Content-Type" not in headers:
        headers["Content-Type"] = case.media_type or "application/json"
    body = lines if lines is not None else prepared.body
    body = body.encode() if isinstance(body, str) else body
    if body is None and case.method.upper() == "POST":
        body = b""
    if path == "/v1/ws":
        headers |= WEBSOCKET
    # A number above the `maximum` that `loadable` has put there is right, and would be waited for.
    target = re.sub(r"([?&]wait=)\d+(?=&|$)", r"\g<1>0", prepared.path_url)
    return case.method.upper(), target, headers, body


def whole(value):
    """Numbers as the server reads them: 473.0 is an integer to JSON Schema, and none to Sockeye. Data
    may be anything."""
    if isinstance(value, dict):
        return {name: it if name == "data" else whole(it) for name, it in value.items()}
    if isinstance(value, list):
        return [whole(it) for it in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def batch_wrongs(contract, body, answer):
    """A batch is taken, whatever its lines are; each of them has its result."""
    lines = [line for line in body.split(b"\n") if line.strip(b" \t\r")]
    results = answer.json()["results"]
    if len(results) != len(lines):
        return [f"{len(results)} results for {len(lines)} lines"]
    found = []
    for line, result in zip(lines, results):
        wrong = oracle.json_wrongs(contract, {"$ref": "#/components/schemas/Item"}, line)
        code = result.get("error", {}).get("code")
        if code not in STATE and bool(wrong) != (code is not None):
            found.append(f"line {line[:200]}: {wrong[:1]}, and the result is {result}")
    return found


def run(report, contract, hub, name, credentials, count, seed, only=None):
    """`count` valid and `count` wrong requests to each operation, or to those of some paths, with these
    headers."""
    for found in loadable(contract).get_all_operations():
        operation = found.ok()
        path, method = operation.path, operation.method.upper()
        if only is not None and path not in only:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for number, case in enumerate(cases(operation, mode, count, seed)):
                sent = request_of(case, path)
                with report.checking(f"{name}: {mode.value} {number} of {method} {path}") as problems:
                    problems += judge(contract, hub, credentials, path, sent)


def judge(contract, hub, credentials, path, sent):
    method, target, headers, body = sent
    request = f"asked: {method} {target[:300]} {headers} {(body or b'')[:300]}"
    try:
        answer = hub.ask(method, target, headers | credentials, body)
    except NoAnswer as error:
        return [f"no answer: {error}", request]
    problems = contract.problems(method, target.split("?")[0], answer.status, answer.headers, answer.body)
    wrong = oracle.wrongs(contract, method, target, headers | credentials, body)
    refused = answer.status >= 400
    if refused and not wrong and not is_state(method, path, answer, credentials):
        problems.append(f"a valid request is refused: {answer.status} {answer.body[:200]}")
    if wrong and not refused:
        problems.append(f"a wrong request is taken: {answer.status}: {wrong[0]}")
    if answer.status >= 500:
        problems.append(f"{answer.status}: {answer.body[:200]}")
    origin = credentials.get("Origin")
    if origin and path.startswith("/v1/") and answer.status not in (101, 414) and \
            answer.headers.get("access-control-allow-origin") != origin:
        problems.append(f"the page of {origin} may not read the answer")
    if path == "/v1/batch" and answer.status == 200:
        problems += batch_wrongs(contract, body, answer)
    return [*problems[:4], request] if problems else []


def is_state(method, path, answer, credentials):
    """Whether a refusal is for what the server holds, of which the request says nothing."""
    # An open server has no tickets, no users, and no list of origins.
    for_guarded = method == "OPTIONS" or path in ("/v1/tickets", "/v1/users/{user}/disconnect")
    # A cursor that is made up is of an epoch that the server does not have.
    of_another_epoch = path.endswith("/history") and answer.status == 404
    if answer.status == 409 or of_another_epoch or for_guarded and not credentials:
        return True
    return answer.body.startswith(b'{"error"') and answer.json()["error"]["code"] in STATE
