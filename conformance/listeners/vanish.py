"""Within a network namespace of its own: a client in another one opens streams, and its cable is taken away.

Ends with status 0 and one line if the server notices in time.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

HEARTBEAT_S = 15
DEAD_PEER_S = 30
# The timers of the kernel are coarse, and the machine may be busy.
LATE_S = 5
PATIENCE_S = 60

CONFIG = """
[[listen]]
address = "192.0.2.1:8080"

[[listen]]
address = "127.0.0.1:9090"

[access]
subscribe = [">"]
"""


def run(*command):
    subprocess.run(command, check=True)


def until(what, holds, patience=PATIENCE_S):
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < patience, f"not within {patience} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - start


def count(sample):
    """The sum of the samples that the expression matches."""
    with urllib.request.urlopen("http://127.0.0.1:9090/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    return sum(int(it) for it in re.findall(rf"^{sample} (\d+)$", text, re.MULTILINE))


def open_streams():
    return count(r"sockeye_streams\{[^}]*\}")


def main():
    run("ip", "link", "set", "lo", "up")
    holder = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
    inside = ["nsenter", "--target", str(holder.pid), "--net"]
    children = [holder]
    try:
        own = pathlib.Path("/proc/self/ns/net").readlink()
        other = pathlib.Path(f"/proc/{holder.pid}/ns/net")
        until("a namespace for the client", lambda: other.readlink() != own)
        run("ip", "link", "add", "server0", "type", "veth", "peer", "name", "client0", "netns", str(holder.pid))
        run("ip", "address", "add", "192.0.2.1/24", "dev", "server0")
        run("ip", "link", "set", "server0", "up")
        run(*inside, "ip", "address", "add", "192.0.2.2/24", "dev", "client0")
        run(*inside, "ip", "link", "set", "client0", "up")
        with tempfile.TemporaryDirectory() as name:
            pathlib.Path(name, "sockeye.toml").write_text(CONFIG, encoding="utf-8")
            command = [sys.argv[1], "serve", "--config", "sockeye.toml"]
            server = subprocess.Popen(command, cwd=name, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            children.append(server)
            assert b"listens on" in server.stdout.readline()
            url = "http://192.0.2.1:8080/v1/sse?channel=news"
            for _ in range(3):
                client = [*inside, "curl", "-sN", "-m", "3600", "-o", "/dev/null", url]
                children.append(subprocess.Popen(client))
            until("three streams", lambda: open_streams() == 3)
            # From here on the client's machine is gone: nothing answers, not even with a reset.
            run(*inside, "ip", "link", "set", "client0", "down")
            bound = HEARTBEAT_S + DEAD_PEER_S + LATE_S
            took = until("the server notices", lambda: open_streams() == 0, bound)
            assert 1 < took <= bound, f"after {took:.1f} s, not within {bound} s"
            cut = count(r'sockeye_streams_closed_total\{transport="sse",by="server",code="1006"\}')
            assert cut == 3, f"the server says that it cut {cut} of the three"
            print(f"three event streams were given up {took:.0f} s after the peer vanished, of {bound} s")
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            child.wait(PATIENCE_S)


main()
