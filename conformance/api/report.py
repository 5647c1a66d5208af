"""Counts checks, and prints those that fail."""
import contextlib


class NoAnswer(Exception):
    """A request that has no answer, and why."""


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    def check(self, name, problems):
        """A check: it has passed if there are no problems."""
        if not problems:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL  {name}", flush=True)
        for problem in problems[:5]:
            print(f"      {problem}", flush=True)

    @contextlib.contextmanager
    def checking(self, name):
        """A check with a list for its problems. Without an answer it fails, and the next check goes on."""
        problems = []
        try:
            yield problems
        except NoAnswer as error:
            problems.append(f"no answer: {error}")
        self.check(name, problems)

    def group(self, name, before):
        passed, failed = self.passed - before[0], self.failed - before[1]
        print(f"{name}: {passed} passed, {failed} failed", flush=True)

    def state(self):
        return self.passed, self.failed
