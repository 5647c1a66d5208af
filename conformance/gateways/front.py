#!/usr/bin/env python3
"""Sockeye behind a gateway, as one program with the command line of Sockeye alone.

    front.py serve --listen HOST:PORT

The gateway of $GATEWAY (haproxy or nghttpx) accepts HTTP/1.1 at HOST:PORT and speaks HTTP/2 with the program
$SOCKEYE behind it: each WebSocket becomes a stream of RFC 8441.
"""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 30

HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 10s
    timeout client 300s
    timeout server 300s
    timeout tunnel 300s
frontend http1
    bind {front}
    default_backend http2
backend http2
    server sockeye {back} proto h2
"""


def haproxy(place, front, back):
    config = place / "haproxy.cfg"
    config.write_text(HAPROXY.format(front=front, back=back))
    return ["haproxy", "-db", "-f", str(config)]


def nghttpx(_, front, back):
    comma = lambda address: address.replace(":", ",")
    return ["nghttpx", "--conf=/dev/null", "--workers=1", f"--frontend={comma(front)};no-tls",
            f"--backend={comma(back)};;proto=h2", "--frontend-read-timeout=300", "--frontend-write-timeout=300",
            "--stream-read-timeout=300", "--stream-write-timeout=300", "--backend-read-timeout=300",
            "--backend-write-timeout=300", "--errorlog-file=/dev/stderr"]


GATEWAYS = {"haproxy": haproxy, "nghttpx": nghttpx}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(address, process):
    host, port = address.split(":")
    late = time.monotonic() + PATIENCE_S
    while time.monotonic() < late and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{process.args[0]} does not listen at {address}")


def end(processes):
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main():
    if len(sys.argv) != 4 or sys.argv[1:3] != ["serve", "--listen"]:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    front, back = sys.argv[3], f"127.0.0.1:{free_port()}"
    processes = []
    with tempfile.TemporaryDirectory() as place:
        try:
            processes.append(subprocess.Popen([os.environ["SOCKEYE"], "serve", "--listen", back]))
            await_port(back, processes[0])
            command = GATEWAYS[os.environ["GATEWAY"]](pathlib.Path(place), front, back)
            processes.append(subprocess.Popen(command))
            while all(process.poll() is None for process in processes):
                time.sleep(0.2)
            sys.exit("a process behind the front ended")
        finally:
            end(processes)


if __name__ == "__main__":
    main()
