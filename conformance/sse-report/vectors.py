"""The vectors, and the judgement of what a parser gave out, by the conventions in their file."""

import base64
import hashlib
import json
from pathlib import Path

import peers

FILE = peers.ROOT / "crates/sse/tests/vectors/event-stream.json"


def load():
    return [Vector(entry) for entry in json.loads(FILE.read_text())["vectors"]]


def raw(part, text="input", b64="input_b64"):
    return part[text].encode() if text in part else base64.b64decode(part[b64])


class Vector:
    def __init__(self, entry):
        self.name, self.group = entry["name"], entry["group"]
        self.expected = entry["expected"]
        self.ambiguous = "ambiguous" in entry
        self.first_id = entry.get("initial_last_event_id", "")
        self.chunkings = [chunking(listed) for listed in entry["chunkings"]]
        self.input = b"".join(
            raw(part, "text", "b64") * part.get("times", 1) for part in entry["input_parts"]
        ) if "input_parts" in entry else raw(entry)

    def write(self, place):
        file = Path(place) / self.name
        file.write_bytes(self.input)
        return file

    def applies_to(self, peer):
        return not self.first_id or peers.FIRST_ID not in peer.lacks

    def judge(self, peer, lines, fate):
        """What was missed, by chunking, given the runner's lines and how it ended."""
        missed, seen = {}, None
        for kind, *values in map(json.loads, lines):
            if kind == "begin":
                name, seen = values[0], Seen()
            elif kind == "end":
                missed[name] = self.difference(peer, seen)
                seen = None
            else:
                seen.take(kind, values)
        if seen is not None or len(missed) < len(self.chunkings):
            at = name if seen is not None else self.chunkings[len(missed)]
            missed[at] = fate or "ended early"
        return {name: what for name, what in missed.items() if what}

    def difference(self, peer, seen):
        """The first thing that is not as expected, in words; None if all is."""
        what = (
            self.events_difference(seen.events)
            or (peers.RETRY not in peer.lacks and self.retry_difference(peer, seen))
            or (peers.FINAL_ID not in peer.lacks and self.final_id_difference(seen))
        )
        if what and seen.errors:
            return f"error {show(seen.errors[0])}: {what}"
        return what or None

    def events_difference(self, events):
        expected = self.expected
        wanted = expected.get("events")
        count = expected["event_count"] if wanted is None else len(wanted)
        if wanted is None:
            pairs = [(expected["first_event"], events[:1]), (expected["last_event"], events[-1:])]
        else:
            pairs = [(want, events[at : at + 1]) for at, want in enumerate(wanted)]
        if len(events) != count:
            return f"{plural(len(events), 'event')} instead of {count}" + surprise(events, wanted)
        for want, (event, *_) in pairs:
            what = event_difference(want, *event)
            if what:
                return what
        if "events_sha256" in expected:
            text = "".join(f"{kind}\0{data}\0{id}\n" for kind, data, id in events)
            if digest(text) != expected["events_sha256"]:
                return "an event in the middle is not as it should be"
        return None

    def retry_difference(self, peer, seen):
        wanted, got = self.expected["retry"], seen.retry
        wanted = None if wanted is None else int(wanted)
        # The standard has no upper bound, and does not say what an unfinished last line is: where
        # a vector is ambiguous, anything goes but a number that wrapped.
        if self.ambiguous and (got is None or not wraps(got)):
            return None
        if got is None and wanted == peer.retry_default is not None:
            return None
        wanted = "none" if wanted is None else str(wanted)
        got = "none" if got is None else got
        return None if got == wanted else f"retry {show(got)} instead of {wanted}"

    def final_id_difference(self, seen):
        wanted, got = self.expected["final_last_event_id"], seen.final_id or ""
        return None if got == wanted else f"last ID {show(got)} instead of {show(wanted)}"


class Seen:
    """What a parser gave out for one chunking."""

    def __init__(self):
        self.events, self.errors = [], []
        self.retry = self.final_id = None

    def take(self, kind, values):
        if kind == "event":
            self.events.append(values)
        elif kind == "retry":
            self.retry = values[0]
        elif kind == "id":
            self.final_id = values[0]
        else:
            self.errors.append(values[0])


def chunking(listed):
    if isinstance(listed, list):
        return "cut:" + ",".join(map(str, listed))
    return f"size:{listed['size']}" if isinstance(listed, dict) else listed


def event_difference(want, kind, data, last_id):
    if kind != want["type"]:
        return f"type {show(kind)} instead of {show(want['type'])}"
    if "data" in want and data != want["data"]:
        return f"data {show(data)} instead of {show(want['data'])}"
    if "data_utf8_len" in want:
        length = len(data.encode(errors="surrogatepass"))
        if length != want["data_utf8_len"]:
            return f"{length} bytes of data instead of {want['data_utf8_len']}"
    if "data_sha256" in want and digest(data) != want["data_sha256"]:
        return "other data of the right length"
    if last_id != want["lastEventId"]:
        return f"event's ID {show(last_id)} instead of {show(want['lastEventId'])}"
    return None


def surprise(events, wanted):
    """The first event that should not be there, or the first that is missing."""
    if wanted is None or len(wanted) > 20:
        return ""
    for at, event in enumerate(events):
        if at >= len(wanted) or event_difference(wanted[at], *event):
            return f", {ordinal(at)} with data {show(event[1])}"
    missing = wanted[len(events)]
    return f", none with data {show(missing['data'])}" if "data" in missing else ""


def wraps(retry):
    """Whether a number that was too big came out small. Clamped ones are at the top of some type."""
    try:
        return int(retry) < 2**32 - 1
    except ValueError:
        return retry != "Infinity"


def digest(text):
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def plural(count, noun):
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"


def ordinal(at):
    return f"number {at + 1}"


def show(text):
    """A text in quotes, readable in a table."""
    short = text if len(text) <= 32 else text[:31] + "…"
    return json.dumps(short, ensure_ascii=not short.isprintable())
