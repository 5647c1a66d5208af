"""Prints messages of 200 bytes over a month, as `sockeye log import` reads them."""

import sys
import time

MONTH_MS = 30 * 24 * 3_600_000
CHUNK = 10_000


def main():
    messages, channels = int(sys.argv[1]), int(sys.argv[2])
    begin = int(time.time() * 1000) - MONTH_MS
    rest, chunk = "x" * 180, []
    for number in range(1, messages + 1):
        # Neighbours in a channel are far from each other in the log.
        channel = number * 2_654_435_761 % channels
        at = begin + number * MONTH_MS // messages
        chunk.append('{"channel":"room:%d","time":%d,"message":{"t":"%020d%s"}}\n' % (channel, at, number, rest))
        if len(chunk) == CHUNK:
            sys.stdout.write("".join(chunk))
            chunk.clear()
    sys.stdout.write("".join(chunk))


main()
