"""A cluster with its publishers and readers, what happens to it, and what has to hold then."""
import asyncio
import collections
import os
import pathlib
import time

import oracle
from people import CHANNELS, Events, Polls, Publisher, Script, ShortPolls, Socket, SocketPublisher
from places import Balancer, Link, Node, Redis, address

READERS_S = 90  # that readers may need behind the last receipt
HERE = pathlib.Path(__file__).resolve().parent


class World:
    """Redis with a replica, a link of each node to it, three nodes, a balancer; publishers and readers behind it."""

    def dump(self, out):
        """What came to each reader, for whoever looks for a fault."""
        for reader in self.readers:
            (out / f"{reader.name}.txt").write_text("\n".join(map(str, reader.log)))

    def __init__(self, stack, out, slot, binary, scripts, check):
        enter = stack.enter_context  # whose end ends all of it
        self.redis = enter(Redis(out, "redis", address(slot, 1)))
        self.redis.start()
        self.replica = None
        if check.has_replica:
            self.replica = enter(Redis(out, "replica", address(slot, 2), "--replicaof", self.redis.host, "16379"))
            self.replica.start()
        self.links = [enter(Link(address(slot, 4 + n), self.redis)) for n in range(3)]
        self.nodes = [enter(Node(out, f"node{n}", address(slot, 4 + n), binary, link.url, check.entries))
                      for n, link in enumerate(self.links)]
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait()
        self.balancer = enter(Balancer(out, check.balancer, address(slot, 3), self.nodes))
        self.balancer.start()
        base = f"http://{self.balancer.host}:{self.balancer.port}"
        # A repeat of what the log has lost is new, and one of what was trimmed stands alone.
        repeats = not check.promise.is_lost and not check.promise.is_trimmed
        self.publishers = [kind(name, base, check.messages, check.pause, repeats)
                           for name, kind in (("a", Publisher), ("b", Publisher), ("c", SocketPublisher))]
        self.readers = [Socket("sockets", base, CHANNELS), Socket("socket of one", base, CHANNELS[1:2]),
                        Events("events", base, CHANNELS), Events("events of two", base, CHANNELS[:2]),
                        Polls("polls", base, CHANNELS), ShortPolls("short polls", base, CHANNELS)]
        if scripts:
            os.environ["SOCKEYE_JS"] = str(HERE.parents[2] / "clients" / "js" / "sockeye.js")
            self.readers += [Script(scripts / "reader.mjs", kind, f"node's {kind}", base, CHANNELS)
                             for kind in ("events", "sockets", "eventsource")]

    async def run(self, happens):
        """Publishes and reads while something happens."""
        reading = [asyncio.create_task(reader.run(), name=reader.name) for reader in self.readers]
        publishing = [asyncio.create_task(publisher.run(), name=publisher.name) for publisher in self.publishers]
        happening = asyncio.create_task(happens(self))
        finishing = asyncio.create_task(self.finish(happening, publishing))
        try:
            await asyncio.wait([*reading, finishing], return_when=asyncio.FIRST_COMPLETED)
            for task in reading:
                if task.done():
                    task.result()
            await finishing
        finally:
            tasks = [*reading, *publishing, happening, finishing]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self, happening, publishing):
        await happening
        for publisher in self.publishers:
            publisher.is_enough = True
        await asyncio.wait_for(asyncio.gather(*publishing), 2 * READERS_S)
        await self.until_read()
        for node in self.nodes:
            await asyncio.to_thread(node.wait)

    def receipts(self):
        return sum(len(publisher.receipts) for publisher in self.publishers)

    async def until_published(self, count):
        """Waits until this many messages more have a receipt."""
        late, count = time.monotonic() + READERS_S, self.receipts() + count
        while self.receipts() < count:
            assert time.monotonic() < late, f"{self.receipts()} receipts, and nobody gets more"
            await asyncio.sleep(0.01)

    async def until_read(self):
        """Waits for the last message of each publisher in each channel, at each reader."""
        late = time.monotonic() + READERS_S
        while any(oracle.lacks_end(reader, self.publishers) for reader in self.readers):
            if time.monotonic() > late:
                return  # the oracle says who lacks what
            await asyncio.sleep(0.05)

    def check(self, promise):
        """The oracle; `promise` says what a log that was hurt still promises."""
        faults = []
        for publisher in self.publishers:
            faults += publisher.wrong[:3]
            if not promise.is_lost:
                faults += [f"{publisher.name}: a repeat has another place: {other}" for other in publisher.others[:3]]
            faults += [f"{data}: {receipt}" for data, receipt in publisher.receipts.items() if receipt["level"] != "logged"]
            if len(publisher.receipts) != publisher.count:
                faults.append(f"{publisher.name}: {len(publisher.receipts)} receipts of {publisher.count}")
        for reader in self.readers:
            found = oracle.numbers(reader, self.publishers, promise.is_forked) + oracle.order(reader)
            found += [f"a gap {gap}" for gap in reader.gaps() if gap.reason not in promise.gaps]
            if promise.must_gap and not reader.gaps():
                found.append("no gap, though the log was lost")
            faults += [f"{reader.name}: {fault}" for fault in found[:3]]
        faults += oracle.one_log(self.readers, self.publishers, promise.is_lost, oracle.epoch(self.nodes[0]))[:3]
        faults += oracle.kept(self.nodes, self.redis_now(), self.publishers, promise)[:3]
        assert not faults, "\n  ".join(["it does not hold:", *faults])

    def redis_now(self):
        """The server that the nodes use."""
        return self.links[0].target

    def lags(self):
        """How many gaps came from nodes that lag."""
        return sum(gap.reason == "ahead" for reader in self.readers for gap in reader.gaps())

    def story(self):
        """What it was, in figures."""
        gaps = [gap.reason for reader in self.readers for gap in reader.gaps()]
        refused = sum((reader.refused for reader in self.readers), collections.Counter())
        refused = ", ".join(f"{times} {status}" for status, times in refused.items())
        return (f"{self.receipts()} messages, {sum(publisher.repeats for publisher in self.publishers)} repeated, "
                f"{sum(publisher.refusals for publisher in self.publishers)} attempts without a receipt; "
                f"{sum(reader.connections for reader in self.readers)} connections of readers, refused: {refused or 'none'}, "
                f"{sum(map(oracle.again, self.readers))} messages again behind a gap; gaps: "
                + (", ".join(f"{gaps.count(reason)} {reason}" for reason in sorted(set(gaps))) or "none"))
