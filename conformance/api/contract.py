"""docs/openapi.json, and whether a response is one that it describes."""
import copy
import json
import pathlib

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
METHODS = ("get", "head", "post", "options", "put", "patch", "delete")

# What any response may have, whatever it says: HTTP's own.
COMMON = {"date", "content-type", "content-length", "connection", "transfer-encoding"}


class Contract:
    """The document, closed: in an answer of ours there is nothing that is not described."""

    def __init__(self, text=None):
        self.document = json.loads(text or (ROOT / "docs" / "openapi.json").read_text())
        closed = copy.deepcopy(self.document)
        self.requests = self._request_schemas()
        for name, schema in closed["components"]["schemas"].items():
            if name not in self.requests and "properties" in schema and "type" in schema:
                schema.setdefault("additionalProperties", False)
        resource = Resource(contents=closed, specification=DRAFT202012)
        self.registry = Registry().with_resource("openapi", resource)
        self.closed = closed

    def _request_schemas(self):
        """Names of the schemas that only clients write."""
        return {"Publication", "Item", "Items", "TicketWanted"}

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def operations(self):
        """(path, method, operation)"""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield path, method, item[method]

    def parameters(self, path, operation):
        both = self.document["paths"][path].get("parameters", []) + operation.get("parameters", [])
        return [self.resolve(parameter) for parameter in both]

    def template(self, path):
        """The path of the document that this one is an instance of; None if it is of none."""
        parts = path.split("/")
        for template in self.document["paths"]:
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(
                part == want or (want.startswith("{") and part) for part, want in zip(parts, wanted)
            ):
                return template
        return None

    def allowed(self, template):
        """What `Allow` names: OPTIONS is for browsers only, and not among them."""
        methods = set(METHODS) - {"options"}
        return {method.upper() for method in methods if method in self.document["paths"][template]}

    def response(self, method, path, status):
        """What is described for this; a text says that nothing is."""
        template = self.template(path)
        components = self.document["components"]["responses"]
        if template is None:
            return components["NotFound"] if status == 404 else f"{status} at a path that is not there"
        item = self.document["paths"][template]
        if method.lower() not in item and status == 405:
            return components["MethodNotAllowed"]
        if method.lower() not in item:
            return f"{status} for a method that is not there"
        described = item[method.lower()]["responses"].get(str(status))
        if described is None:
            return f"status {status} is not described for {method} {template}"
        return self.resolve(described)

    def problems(self, method, path, status, headers, body):
        """What a response has that is not described, or lacks. Header names are in lower case."""
        described = self.response(method, path, status)
        if isinstance(described, str):
            return [described]
        found = self._headers(described.get("headers", {}), headers)
        template = self.template(path)
        if status == 405 and template:
            allow = {it.strip() for it in headers.get("allow", "").split(",")}
            if allow != self.allowed(template):
                found.append(f"Allow is {sorted(allow)}, described are {sorted(self.allowed(template))}")
        if status == 101:
            return found
        content = described.get("content", {})
        kind = headers.get("content-type", "").split(";")[0]
        if method == "HEAD":
            return found + ([f"HEAD has {len(body)} bytes of content"] if body else [])
        if not content:
            return found + ([f"content of {kind} where none is described"] if body else [])
        if kind not in content:
            return found + [f"Content-Type {kind!r}, described are {sorted(content)}"]
        if kind == "application/json":
            found += self._json(content[kind]["schema"], body)
        return found

    def _headers(self, described, headers):
        found = []
        names = {name.lower(): self.resolve(header) for name, header in described.items()}
        for name, header in names.items():
            value = headers.get(name)
            if value is None:
                if header.get("required"):
                    found.append(f"no header {name}")
                continue
            schema = header["schema"]
            if self.resolve(schema).get("type") == "integer" and value.isdigit():
                value = int(value)
            found += [f"header {name}: {it}" for it in self.errors(schema, value)]
        strange = set(headers) - set(names) - COMMON
        return found + [f"header {name} is not described" for name in sorted(strange)]

    def _json(self, schema, body):
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"not JSON: {error}"]
        return self.errors(schema, value)

    def errors(self, schema, value):
        absolute = json.loads(json.dumps(schema).replace('"#/', '"openapi#/'))
        validator = Draft202012Validator(absolute, registry=self.registry)
        return [f"{it.json_path}: {it.message}"[:300] for it in validator.iter_errors(value)]
