"""What is wrong with a request, by docs/openapi.json and the few rules that its schemas cannot say.

It looks at the request as it is sent. So it does not matter what a generator meant to break: `true` is
wrong for a list, and in a query it is a good channel's name.
"""
import json
import re
import urllib.parse

from hub import ORIGIN

CURSORS = {"cursor", "last_event_id", "lastEventId"}
BESIDE = [("event", "sockeye-event"), ("key", "idempotency-key"), ("expect", "sockeye-expect"),
          ("ttl_ms", "sockeye-ttl-ms")]
BYTES_MAX = {"event": 64, "key": 128, "user": 200}
DEPTH_MAX = 64
TARGET_MAX = 8000
SUBPROTOCOL = "sockeye.v1.json"
CREDENTIALS = {"ticket", "token"}


def decode(text, plus):
    """What an escaped text means; None if it means nothing."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        return None
    try:
        return urllib.parse.unquote(text.replace("+", " ") if plus else text, errors="strict")
    except UnicodeDecodeError:
        return None


def pairs(query):
    return [tuple(decode(it, True) for it in (piece.split("=", 1) + [""])[:2])
            for piece in query.split("&") if piece]


def coerced(text):
    """A text as a number, if it is written as one."""
    return int(text) if re.fullmatch(r"0|[1-9][0-9]*", text, re.ASCII) else text


def wrongs(contract, method, target, headers, body):
    """Reasons to refuse a request to an operation of the document."""
    path, _, query = target.partition("?")
    template = contract.template(path)
    if template is None:
        return ["no such path"]
    operation = contract.document["paths"][template][method.lower()]
    if operation["tags"] == ["operations"]:
        return []
    if operation["tags"] == ["preflight"]:
        names = {name.lower(): value for name, value in headers.items()}
        is_listed = names.get("origin") == ORIGIN and "access-control-request-method" in names
        return [] if is_listed else ["no preflight from an origin on the list"]
    given = pairs(query)
    if any(None in pair for pair in given):
        return ["the query cannot be decoded"]
    headers = {name.lower(): value.strip(" \t") for name, value in headers.items()}
    parameters = contract.parameters(template, operation)
    found = ["the target is too long"] if len(target) > TARGET_MAX else []
    found += _path(contract, template, path, parameters)
    found += _query(contract, template, given, parameters)
    found += _headers(contract, given, headers, parameters)
    found += _together(template, given, headers)
    if template == "/v1/channels/{channel}":
        found += _raw(headers, body)
    elif template in ("/v1/publish", "/v1/tickets"):
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        found += json_wrongs(contract, schema, body)
    elif template == "/v1/batch" and not any(line.strip(b" \t\r") for line in body.split(b"\n")):
        found.append("no line")
    return found


def _path(contract, template, path, parameters):
    for part, wanted in zip(path.split("/"), template.split("/")):
        for parameter in parameters:
            if wanted == f"{{{parameter['name']}}}":
                name = decode(part, False)
                if name is None:
                    return ["a name that cannot be decoded"]
                if len(name.encode()) > BYTES_MAX.get(parameter["name"], len(name.encode())):
                    return ["a name with too many bytes"]
                return contract.errors(parameter["schema"], name)
    return []


def _query(contract, template, given, parameters):
    known = {it["name"]: it for it in parameters if it["in"] == "query"}
    found = [f"unknown {name}" for name, _ in given if name not in known and name not in CREDENTIALS]
    for name, parameter in known.items():
        values = [value for it, value in given if it == name]
        schema = contract.resolve(parameter["schema"])
        if not values and parameter.get("required"):
            found.append(f"{name} is missing")
        if name in CURSORS or not values:
            continue
        if schema.get("type") != "array":
            found += [f"{name} is repeated"] if len(values) > 1 else []
            found += value_wrongs(contract, name, parameter["schema"], values[0])
            continue
        if len(values) > schema["maxItems"]:
            found.append("too many channels")
        bad = [value for value in values if contract.errors(schema["items"], value)]
        # One good channel is enough for a stream: it is told of the others inside.
        if bad and (template not in ("/v1/sse", "/v1/ws") or len(bad) == len(values)):
            found.append(f"{name}: {bad[0][:40]!r}")
    return found


def value_wrongs(contract, name, schema, text):
    found = contract.errors(schema, text) and contract.errors(schema, coerced(text))
    if name in BYTES_MAX and len(text.encode(errors="surrogatepass")) > BYTES_MAX[name]:
        found.append(f"{name} has too many bytes")
    return found


def _headers(contract, given, headers, parameters):
    found = []
    for parameter in parameters:
        name = parameter["name"].lower()
        beside = {header: query for query, header in BESIDE}.get(name)
        if parameter["in"] != "header" or name not in headers or beside is None:
            continue
        try:
            text = headers[name].encode("latin-1").decode()
        except UnicodeDecodeError:
            found.append(f"{name} is not UTF-8")
            continue
        found += value_wrongs(contract, beside, parameter["schema"], text)
        found += [f"{beside} is given twice"] if any(it == beside for it, _ in given) else []
    return found


def _together(template, given, headers):
    names = {name for name, _ in given}
    if template.endswith("/history") and {"after", "before"} <= names:
        return ["after and before exclude each other"]
    if template == "/v1/ws":
        protocols = [it.strip(" \t") for it in headers.get("sec-websocket-protocol", "").split(",")]
        if SUBPROTOCOL in protocols:
            return ["commands come without a query"] if names - CREDENTIALS else []
        # The handshake's own rules, which are RFC 6455's.
        token = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
        bad = "sec-websocket-protocol" in headers and not all(re.fullmatch(token, it) for it in protocols)
        return (["not a list of subprotocols"] if bad else []) + \
            (["channel is missing"] if "channel" not in names else [])
    return []


def _raw(headers, body):
    essence = headers.get("content-type", "").split(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        return text_wrongs(body)
    return [] if is_utf8(body) else ["not UTF-8"]


def is_utf8(body):
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_wrongs(body):
    """Why a body is not JSON that is passed on."""
    if not is_utf8(body):
        return ["not UTF-8"]
    text = body.decode()
    try:
        json.loads(text, parse_constant=lambda it: 1 / 0)
    except (ValueError, ZeroDivisionError) as error:
        return [f"not JSON: {error}"]
    plain = re.sub(r'"(\\.|[^"\\])*"', "", text)
    depth = deepest = 0
    for character in plain:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    halves = re.search(r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..", text)
    return (["too deep"] if deepest > DEPTH_MAX else []) + (["half of a surrogate pair"] if halves else [])


def json_wrongs(contract, schema, body):
    found = text_wrongs(body)
    if found:
        return found
    value = json.loads(body)
    found = contract.errors(schema, value)
    if isinstance(value, dict):
        for name, most in BYTES_MAX.items():
            if isinstance(value.get(name), str) and len(value[name].encode()) > most:
                found.append(f"{name} has too many bytes")
    return found
