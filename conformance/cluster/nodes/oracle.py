"""What must have come to everybody. Each function gives the faults that it finds."""
import collections
import re

from people import CHANNELS, Gap

DATA = re.compile(rb"<(\w+) (\d+)>")


def place(cursor):
    """The epoch and the number of a cursor."""
    epoch, number = re.split("[.~]", cursor)[0].split("-")
    return epoch, int(number, 36)


def segments(reader, channel):
    """The messages of a channel between two gaps that concern it."""
    parts = [[]]
    for item in reader.log:
        if isinstance(item, Gap):
            if item.channel in (None, channel):
                parts.append([])
        elif item.channel == channel:
            parts[-1].append(item)
    return parts


def numbers(reader, publishers, is_forked):
    """In each channel the numbers of each publisher follow each other, from the first to the last, without a gap between.

    Before the gap of a log that forked some may be missing: a node has told them that were lost, another one has not.
    """
    faults, step = [], len(CHANNELS)
    for channel in reader.channels:
        first = CHANNELS.index(channel) or step
        parts = segments(reader, channel)
        for publisher in publishers:
            expected = first
            for index, part in enumerate(parts):
                if index:
                    expected = None
                may_miss = is_forked and index + 1 < len(parts)
                for message in part:
                    name, number = DATA.fullmatch(message.data.encode()).groups()
                    if name.decode() != publisher.name:
                        continue
                    is_next = expected in (None, int(number)) or (may_miss and int(number) > expected)
                    if not is_next:
                        faults.append(f"{message} where {expected} is expected")
                    expected = int(number) + step
            if expected is not None and expected <= publisher.count:
                faults.append(f"the end of {channel} where {publisher.name} {expected} is expected")
    return faults


def lacks_end(reader, publishers):
    """Whether somebody's last message of a channel has not come."""
    have = {message.data for message in reader.messages()}
    wanted = {f"<{publisher.name} {number}>" for publisher in publishers
              for number in range(publisher.count + 1 - len(CHANNELS), publisher.count + 1)
              if CHANNELS[number % len(CHANNELS)] in reader.channels}
    return not wanted <= have


def order(reader):
    """Between two gaps all messages of one epoch come in the order of their places, over all channels."""
    faults, last = [], None
    for item in reader.log:
        if isinstance(item, Gap):
            last = None
            continue
        here = place(item.cursor)
        if last is not None and (here[0] != last[0] or here[1] <= last[1]):
            faults.append(f"{item} comes behind {last}")
        last = here
    return faults


def again(reader):
    """How many messages came more than once: behind a gap they may."""
    counts = collections.Counter((message.channel, message.data) for message in reader.messages())
    return sum(count - 1 for count in counts.values())


def witnesses(readers, publishers):
    """Each place that was told: its message, by whom."""
    for reader in readers:
        for message in reader.messages():
            yield place(message.cursor), message.data, reader.name
    for publisher in publishers:
        for data, receipt in publisher.receipts.items():
            yield place(receipt["cursor"]), data, f"a receipt of {publisher.name}"


def epoch(node):
    """The epoch that a node is in."""
    return place(node.page(f"/v1/position?channel={CHANNELS[0]}")["cursor"])[0]


def one_log(readers, publishers, is_lost, now):
    """A place has one message for everybody, and a message one place. Of a log that was lost only the epoch that is now counts."""
    faults, at, of = [], {}, {}
    for here, data, who in witnesses(readers, publishers):
        if is_lost and here[0] != now:
            continue
        if at.setdefault(here, data) != data:
            faults.append(f"{who} has {data} at {here}, somebody else {at[here]}")
        if of.setdefault(data, here) != here:
            faults.append(f"{who} has {data} at {here}, somebody else at {of[data]}")
    return faults


def history(node):
    """What a node keeps, as its pages of history say: the number from which on all is there, and contents by place."""
    floor, kept = 0, {}
    for channel in CHANNELS:
        after = 0
        while after is not None:
            page = node.page(f"/v1/channels/{channel}/history?limit=1000&after={after}")
            floor = max(floor, page["floor"])
            kept |= {place(message["cursor"]): message["data"] for message in page["messages"]}
            after = page["next"] if page["more"] else None
    return floor, kept


def in_the_log(redis):
    """The contents in Redis, in the order in which each stands there first."""
    seen = {}
    for _, fields in redis.ask("XRANGE", "sockeye", "-", "+"):
        for value in fields.values():
            for found in DATA.finditer(value):
                seen.setdefault(found.group().decode())
    return list(seen)


def kept(nodes, redis, publishers, promise):
    """Each receipt of this epoch is for what all nodes have, and Redis, in one order; what nodes have forgotten apart."""
    faults, stored, now = [], in_the_log(redis), epoch(nodes[0])
    told = [(place(receipt["cursor"]), data) for publisher in publishers for data, receipt in publisher.receipts.items()]
    told = {here: data for here, data in told if here[0] == now}
    for node in nodes:
        floor, have = history(node)
        wanted = {here: data for here, data in told.items() if here[1] > floor}
        if wanted != {here: data for here, data in have.items() if here[1] > floor}:
            faults.append(f"{node.name} has not what receipts say: {sorted(wanted.items() ^ have.items())[:3]}")
    told = [(here, data) for here, data in sorted(told.items()) if not promise.is_trimmed or data in stored]
    contents = {data for _, data in told}
    if not promise.is_trimmed and not contents <= set(stored):
        faults.append(f"Redis has not what has a receipt: {sorted(contents - set(stored))[:3]}")
    # After a loss a node appends again from the first offer that is gone: one behind it stands twice, and the first is passed over.
    pairs = [] if promise.is_lost else zip(told, (data for data in stored if data in contents))
    faults += [f"a receipt for {data} is for {here}, where Redis has {other}" for (here, data), other in pairs if data != other][:5]
    return faults
