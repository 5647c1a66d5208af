"""What happens to a cluster, and what still has to hold."""
import asyncio
import dataclasses
import random
import signal
from collections.abc import Callable

# A reader that comes to a node which lags for longer than openings wait there has a gap `ahead`.
LAGS = frozenset({"ahead"})


@dataclasses.dataclass
class Promise:
    """What is promised to readers and publishers."""
    gaps: frozenset = frozenset()  # the reasons that may be declared
    must_gap: bool = False  # each reader has one
    is_lost: bool = False  # the log has begun anew, and its keys with it
    is_forked: bool = False  # and some had read what others never will
    is_trimmed: bool = False  # the log has lost its beginning: a node that starts has not all of it


@dataclasses.dataclass
class Check:
    happens: Callable
    promise: Promise = dataclasses.field(default_factory=Promise)
    messages: int = 150  # of each publisher, at least
    pause: float = 0.01  # behind each of its messages
    entries: int = 65536  # that nodes remember
    balancer: str = "haproxy"
    has_replica: bool = False


SAFE = Promise()
LAGGING = Promise(LAGS)
LOST = Promise(LAGS | {"epoch", "trimmed"}, must_gap=True, is_lost=True)
FORKED = dataclasses.replace(LOST, is_forked=True)
TRIMMED = Promise(LAGS | {"trimmed", "epoch"}, is_trimmed=True)


async def nothing(_):
    pass


async def kill_node(world, node):
    """SIGKILL, and a start again; others go on meanwhile."""
    await asyncio.to_thread(node.kill)
    await world.until_published(5)
    await asyncio.to_thread(node.start)


async def stop_node(world, node):
    """It neither answers nor ends, for longer than its clients wait; then it goes on with what it had."""
    node.signal(signal.SIGSTOP)
    await asyncio.sleep(5)
    node.signal(signal.SIGCONT)
    await asyncio.to_thread(node.wait)


async def drain_node(_, node):
    """Ends it in order, and starts it again."""
    node.signal(signal.SIGTERM)
    await asyncio.to_thread(node.process.wait, 30)
    await asyncio.to_thread(node.start)


async def kill_redis(world):
    await asyncio.to_thread(world.redis.kill)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(world.redis.start)


async def stop_redis(world):
    """Until no node is ready. The balancer still leads to those that live: they serve what they have, and refuse."""
    world.redis.signal(signal.SIGSTOP)
    while any([(await asyncio.to_thread(node.ask, "/readyz"))[0] == 200 for node in world.nodes]):
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # two rounds of the balancer's questions
    await asyncio.to_thread(world.balancer.serves_without_log)
    world.redis.signal(signal.SIGCONT)


async def hold_link(world, link):
    """Longer than the nodes' patience: the link is half open."""
    link.hold()
    await asyncio.sleep(3)
    link.cut()
    link.release()


def each(times, pause, what, of):
    """The same to one after the other."""
    async def happens(world):
        targets = getattr(world, of)
        for round_ in range(times):
            await world.until_published(pause)
            await what(world, targets[round_ % len(targets)])
    return happens


def often(times, pause, what):
    async def happens(world):
        for _ in range(times):
            await world.until_published(pause)
            await what(world)
    return happens


async def hurt_links(world):
    for round_ in range(9):
        await world.until_published(15)
        world.links[round_ % 3].cut()
    for link in world.links[:2]:
        await world.until_published(30)
        await hold_link(world, link)


async def flush(world):
    await world.until_published(150)
    await asyncio.to_thread(world.redis.ask, "FLUSHALL")


async def forget(world):
    """Redis comes back without the log."""
    await world.until_published(150)
    await asyncio.to_thread(world.redis.kill)
    world.redis.forget()
    await asyncio.to_thread(world.redis.start)


async def trim(world):
    """Behind the nodes' backs; then one has to read what is left."""
    await world.until_published(150)
    await asyncio.to_thread(world.redis.ask, "XTRIM", "sockeye", "MAXLEN", "50")
    await world.until_published(50)
    await kill_node(world, world.nodes[0])


async def lose_tail(world):
    """The replica stops to copy, and becomes the primary later."""
    await world.until_published(100)
    # A port where nobody answers: it keeps what it has.
    await asyncio.to_thread(world.replica.ask, "REPLICAOF", world.replica.host, "9")
    await world.until_published(100)
    await asyncio.to_thread(world.redis.kill)
    await asyncio.to_thread(world.replica.ask, "REPLICAOF", "NO", "ONE")
    for link in world.links:
        link.lead_to(world.replica)


CHECKS = {
    "nothing happens": Check(nothing, SAFE),
    "nodes are killed, twelve times": Check(each(12, 25, kill_node, "nodes"), SAFE),
    "nodes are killed, six times, behind nginx": Check(each(6, 50, kill_node, "nodes"), SAFE, balancer="nginx"),
    "nodes are stopped, three times": Check(each(3, 40, stop_node, "nodes"), SAFE),
    "nodes end in order, behind nginx": Check(each(3, 80, drain_node, "nodes"), SAFE, balancer="nginx"),
    "Redis is killed, six times": Check(often(6, 50, kill_redis), SAFE),
    "Redis is stopped": Check(often(2, 100, stop_redis), LAGGING),
    "links are cut, and half open": Check(hurt_links, LAGGING),
    "the log is flushed": Check(flush, LOST),
    "Redis comes back without the log": Check(forget, LOST),
    "the log is trimmed behind our backs": Check(trim, TRIMMED, entries=1024),
    "a replica that lacks the tail takes over": Check(lose_tail, FORKED, has_replica=True),
}


def long(kills, engine_kills, seed):
    """Everything that loses nothing, in a random order, for long."""
    chance = random.Random(seed)
    nodes, engines = [kill_node] * 9 + [stop_node], [kill_redis] * 9 + [stop_redis]
    plan = [("node", chance.choice(nodes)) for _ in range(kills)]
    plan += [("redis", chance.choice(engines)) for _ in range(engine_kills)]
    plan += [("link", hold_link)] * (engine_kills // 10)
    chance.shuffle(plan)

    async def happens(world):
        for kind, what in plan:
            await world.until_published(chance.randrange(5, 40))
            match kind:
                case "node":
                    await what(world, chance.choice(world.nodes))
                case "link":
                    await what(world, chance.choice(world.links))
                case _:
                    await what(world)
    return Check(happens, LAGGING, pause=0.04)
