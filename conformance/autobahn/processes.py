"""Child processes that are bounded in time and ended by their process id."""
import contextlib
import random
import signal
import socket
import subprocess
import sys
import time

POLL_S = 0.05
END_S = 10


class Budget:
    """The time that is left for the whole run; once cancelled there is none."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def cancel(self):
        self._end = 0

    @property
    def spent(self):
        return time.monotonic() >= self._end

    def wait(self, process):
        """The exit status, or None if the budget was spent first."""
        while process.poll() is None and not self.spent:
            time.sleep(POLL_S)
        return process.poll()


@contextlib.contextmanager
def running(command, log):
    """Runs `command` with all output in the file `log`; it has ended afterwards."""
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield process
    finally:
        end(process)


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port():
    """A port below those that the system gives to outgoing connections: none takes it meanwhile."""
    while True:
        with socket.socket() as s:
            port = random.randrange(10_000, 30_000)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listens(port, process, budget, seconds=30):
    """Waits until something accepts on `port`; False if `process` ended or took too long."""
    late = time.monotonic() + seconds
    while process.poll() is None and not budget.spent and time.monotonic() < late:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(POLL_S)
    return False


def exit_on_sigterm():
    """Lets SIGTERM unwind the stack, so that every child is ended."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
