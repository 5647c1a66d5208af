"""Requests that are refused before it is known what was asked for, each with its status and code."""

PATH = "/v1/channels/below:1"
LONG = "a" * 70_000  # more than a target, a head or a body may have

REQUESTS = [
    (400, "bad_http", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nHost: HOST\r\n\r\n"),
    (400, "bad_http", f"POST {PATH} HTTP/1.1\r\n\r\n"),
    (400, "bad_http", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n"),
    (413, "too_large", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 70000\r\n\r\n"),
    (414, "target_too_long", f"POST {PATH}?key={LONG[:8000]} HTTP/1.1\r\nHost: HOST\r\n\r\n"),
    (417, "unknown_expectation", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nExpect: more\r\n\r\n"),
    (431, "head_too_large", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nSockeye-Event: {LONG}\r\n\r\n"),
    (501, "not_implemented", f"POST {PATH} HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
    (505, "bad_version", f"POST {PATH} HTTP/2.0\r\nHost: HOST\r\n\r\n"),
]

# The same over HTTP/2: headers and content of a POST, and whether its origin is known.
OVER_HTTP2 = [
    (413, "too_large", PATH, {}, LONG, True),
    (414, "target_too_long", f"{PATH}?key={LONG[:8000]}", {}, "", True),
    (414, "target_too_long", f"{PATH}?key={LONG[:20_000]}", {}, "", False),
    (417, "unknown_expectation", PATH, {"Expect": "more"}, "", True),
    (431, "head_too_large", PATH, {"Sockeye-Event": LONG[:20_000]}, "", False),
]


def run(report, contract, hub):
    for status, code, request in REQUESTS:
        with report.checking(f"below: {status} {code}") as problems:
            answer = hub.raw(request.replace("HOST", hub.address).encode())
            problems += refusal(contract, answer, status, code)


def run_over_http2(report, contract, hub, credentials):
    for status, code, target, headers, content, is_known in OVER_HTTP2:
        with report.checking(f"below, over HTTP/2: {status} {code} of {len(target)} bytes") as problems:
            answer = hub.ask("POST", target, credentials | headers, content.encode())
            problems += refusal(contract, answer, status, code)
            if ("access-control-allow-origin" in answer.headers) != is_known:
                problems.append(f"Access-Control-Allow-Origin: {not is_known}")


def refusal(contract, answer, status, code):
    """What is wrong with an answer that has to have this status and code."""
    problems = contract.problems("POST", PATH, answer.status, answer.headers, answer.body)
    if answer.status != status or f'"code":"{code}"'.encode() not in answer.body:
        problems.append(f"{answer.status} {answer.body[:200]}")
    return problems
