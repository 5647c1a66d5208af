"""Python's hpack with the bounds that RFC 7541 leaves to an implementation, and the comparison with it."""

import hpack
import hpack.hpack
from hpack.exceptions import HPACKDecodingError, InvalidTableIndexError, InvalidTableSizeError

CREDENTIALS = {b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"}

INDEX = {"IndexZero", "IndexOutOfRange"}
TABLE = {"TableSizeTooBig"}
OTHERS = {"Truncated", "IntegerTooBig", "HuffmanEos", "HuffmanPadding", "TableSizeMisplaced", "TableSizeRepeated"}
# The other implementation looks for a missing update behind the block, where any other error comes first.
LATE = {"TableSizeMissing"}
KINDS = INDEX | TABLE | OTHERS | LATE | {"ok"}

unbounded = hpack.hpack.decode_integer


def bounded(data, prefix_bits):
    """An integer of at most five bytes after its prefix, and of 32 bits."""
    number, length = unbounded(data[:7], prefix_bits)
    if length > 6 or number >= 1 << 32:
        raise HPACKDecodingError("an integer over the bounds")
    return number, length


hpack.hpack.decode_integer = bounded


class Oracle(hpack.Decoder):
    """A connection. It has at most two size updates a block (RFC 7541 §4.2)."""

    def __init__(self):
        super().__init__(max_header_list_size=1 << 60)
        self.updates = 0

    def _update_encoding_context(self, data):
        self.updates += 1
        if self.updates > 2:
            raise HPACKDecodingError("a third size update")
        return super()._update_encoding_context(data)

    def judge(self, block):
        """Status and fields, as `read` returns them."""
        self.updates = 0
        try:
            fields = self.decode(block, raw=True)
        except InvalidTableIndexError:
            return "index", []
        except InvalidTableSizeError:
            return "table", []
        except HPACKDecodingError:
            return "other", []
        return "ok", [(bytes(it[0]), bytes(it[1]), not it.indexable) for it in fields]


def read(answer):
    """Status and fields of an answer: name, value, whether it is never indexed."""
    status, *rest = answer.split(" ")
    if status == "error":
        return rest[0], []
    fields = []
    for field in rest:
        name, value = field.split("=")
        fields.append((bytes.fromhex(name), bytes.fromhex(value.removesuffix("!")), value.endswith("!")))
    return status, fields


def difference(theirs, ours):
    """What is different, or None."""
    kind, fields = ours
    allowed = {"ok": {"ok"}, "index": INDEX, "table": TABLE, "other": OTHERS}[theirs[0]]
    if kind in LATE and theirs[0] != "ok":
        return None
    if kind not in allowed:
        return f"they say {theirs[0]}, we say {kind}"
    if kind == "ok" and theirs[1] != fields:
        return f"they read {theirs[1]}, we read {fields}"
    return None
