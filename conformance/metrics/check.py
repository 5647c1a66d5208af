"""Starts the program, uses it, and reads its /metrics with the parser of prometheus_client."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 90
FAMILIES_MIN = 40
HISTOGRAMS = {"sockeye_delivery_lag_seconds", "sockeye_loop_turn_seconds"}
# Names that only clients know: none may be in the page.
SECRET_NAMES = ["room_of_nobody", "event_of_nobody", "key_of_nobody"]


def ask(base, path, body=None, headers=None):
    request = urllib.request.Request(base + path, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode()


def scrape(base):
    status, headers, text = ask(base, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    families = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in families, f"{family.name} comes twice"
        families[family.name] = family
    return text, families


def samples(families):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families.values()
        for sample in family.samples
    }


def check_families(text, families):
    declared = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(declared) == len(families) >= FAMILIES_MIN, (len(declared), len(families))
    for name, kind in declared:
        # The parser names a counter without its suffix.
        family = families[name.removesuffix("_total") if kind == "counter" else name]
        assert family.type == kind and family.documentation, (name, kind, family)
        assert family.samples, f"{name} has no sample"
    assert {name for name, family in families.items() if family.type == "histogram"} == HISTOGRAMS
    for name in HISTOGRAMS:
        check_histogram(families[name])


def check_histogram(family):
    buckets = [s for s in family.samples if s.name.endswith("_bucket")]
    counts = [bucket.value for bucket in buckets]
    assert counts == sorted(counts) and buckets[-1].labels["le"] == "+Inf", family.name
    bounds = [float(bucket.labels["le"]) for bucket in buckets]
    assert bounds == sorted(set(bounds)), family.name
    (count,) = [s.value for s in family.samples if s.name.endswith("_count")]
    (total,) = [s.value for s in family.samples if s.name.endswith("_sum")]
    assert counts[-1] == count and (total > 0) == (count > 0), family.name


def use(base):
    """Over each transport that needs no more than HTTP, and wrongly."""
    events = urllib.request.urlopen(base + "/v1/sse?channel=room_of_nobody", timeout=PATIENCE_S)
    headers = {"Sockeye-Event": "event_of_nobody", "Idempotency-Key": "key_of_nobody"}
    status, _, receipt = ask(base, "/v1/channels/room_of_nobody", b"hello", headers)
    assert status == 200, receipt
    while b"hello" not in events.readline():
        pass
    cursor = json.loads(receipt)["cursor"]
    assert ask(base, "/v1/poll?channel=room_of_nobody&cursor=" + cursor)[0] == 200
    assert ask(base, "/v1/nothing")[0] == 404
    assert ask(base, "/v1/channels/room_of_nobody/history")[0] == 200
    events.close()


def check(base):
    text, before = scrape(base)
    check_families(text, before)
    use(base)
    text, after = scrape(base)
    check_families(text, after)
    for name in SECRET_NAMES:
        assert name not in text, name
    old, new = samples(before), samples(after)
    assert old.keys() <= new.keys(), "series went away"
    grown = [key for key in old if key[0].endswith(("_total", "_bucket", "_sum", "_count"))]
    for key in grown:
        assert new[key] >= old[key], f"{key} went back"
    assert new[("sockeye_published_total", ())] == old[("sockeye_published_total", ())] + 1
    # How a stream may end is the only thing that makes series, and by a closed set.
    fresh = {key[0] for key in new.keys() - old.keys()}
    assert fresh <= {"sockeye_streams_closed_total"}, fresh
    return len(after)


def check_namespaces(base):
    """Families by namespace have the labels that the configuration names, and no other."""
    for name in ("a", "b", "many:1", "many:2"):
        assert ask(base, f"/v1/channels/{name}", b"hello")[0] == 200
    found = samples(scrape(base)[1])
    families = ["messages", "bytes", "bytes_max", "channels", "full", "no_room_total"]
    for family in families:
        labels = [dict(labels) for name, labels in found if name == f"sockeye_log_{family}"]
        assert labels == [{"namespace": "*"}, {"namespace": "many"}], (family, labels)
    many = (("namespace", "many"),)
    assert found[("sockeye_log_messages", many)] == 2 == found[("sockeye_log_channels", many)]
    return len(families)


def main():
    with tempfile.TemporaryDirectory() as place:
        families = run([], check)
        config = os.path.join(place, "sockeye.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[namespaces.many]\n")
        data = ["--config", config, "--data", os.path.join(place, "data")]
        families += run(data, check_namespaces)
    print(f"metrics: {families} passed, 0 failed")


def run(arguments, check_with):
    command = [sys.argv[1], "serve", "--listen", "127.0.0.1:0", *arguments]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env=environment) as server:
        try:
            base = server.stdout.readline().split(" listens on ")[1].strip()
            return check_with(base)
        finally:
            server.kill()


main()
