"""Connections whose blocks are those of the corpus with faults, or made of random representations."""

import random

from oracle import Oracle

BLOCKS_MAX = 8
BOUNDS = [0, 64, 256, 1024, 4096, 8192]
# Bytes at which something begins or ends: prefixes full and almost full, size updates, EOS, padding.
ODD = [0x00, 0x0F, 0x10, 0x1F, 0x20, 0x3E, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0xBD, 0xBE, 0xFE, 0xFF]


class Mutator:
    """The same connections for the same seed."""

    def __init__(self, stories, seed):
        self.random = random.Random(seed)
        self.stories = [[wire for _, wire, _ in blocks] for _, blocks in stories]

    def connection(self):
        """Commands, what the other implementation says to their blocks, and how many blocks are mutated."""
        rng, decoder = self.random, Oracle()
        steps, expected, mutated = [], [], 0
        story = rng.choice(self.stories)
        for wire in story[: rng.randint(1, BLOCKS_MAX)]:
            if rng.random() < 0.05:
                bound = rng.choice(BOUNDS)
                steps.append(f"ack {bound}")
                decoder.max_allowed_table_size = bound
                if rng.random() < 0.8 and bound < decoder.header_table_size:
                    wire = integer(0x20, 5, rng.choice([0, bound // 2, bound])) + wire
            if rng.random() < 0.9:
                wire = self.mutate(wire) if rng.random() < 0.75 else self.random_block()
                mutated += 1
            steps.append(f"block {wire.hex()}")
            expected.append(decoder.judge(wire))
            if expected[-1][0] != "ok":
                break
        return steps, expected, mutated

    def mutate(self, wire):
        """A block with one to three faults."""
        rng, wire = self.random, bytearray(wire)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            at = rng.randrange(len(wire) + 1)
            fault = rng.randrange(8)
            if fault == 0:
                wire[at:at] = bytes([rng.choice(ODD)])
            elif fault == 1:
                wire[at:at] = rng.randbytes(rng.randint(1, 4))
            elif fault == 2:
                del wire[at : at + rng.choice([1, 1, 2, 5])]
            elif fault == 3:
                del wire[at:]
            elif fault == 4:
                other = rng.choice(rng.choice(self.stories))
                wire[at:] = other[rng.randrange(len(other) + 1) :]
            elif at < len(wire):
                wire[at] = rng.choice([wire[at] ^ 1 << rng.randrange(8), rng.choice(ODD), (wire[at] + 1) % 256])
        return bytes(wire)

    def random_block(self):
        """Representations that are right more often than not."""
        rng, wire = self.random, bytearray()
        for _ in range(rng.choice([0, 0, 0, 0, 1, 2, 3])):
            wire += integer(0x20, 5, rng.choice([0, 64, 256, 4096, rng.randrange(5000)]))
        for _ in range(rng.randint(0, 12)):
            kind = rng.randrange(5)
            if kind == 0:
                wire += integer(0x80, 7, rng.choice([rng.randint(1, 61), 62, 62, 63, rng.randint(62, 70)]))
                continue
            first, bits = [(0x40, 6), (0x40, 6), (0x00, 4), (0x10, 4)][kind - 1]
            name = rng.choice([0, 0, rng.randint(1, 61), 62])
            wire += integer(first, bits, name)
            wire += b"" if name else self.string()
            wire += self.string()
        return bytes(wire)

    def string(self):
        """A string of any bytes, or one that claims to be coded, mostly padded with ones."""
        rng = self.random
        text = rng.randbytes(rng.choice([0, 1, 2, 3, 8, 30, 130]))
        if rng.random() < 0.5:
            return integer(0x00, 7, len(text)) + text
        code = rng.choice([b"\xf1\xe3\xc7", b"\x07", b"\xff\xff\xff\xff", b"\xf8", text[:2] + b"\x0f", text])
        return integer(0x80, 7, len(code)) + code


def integer(first, bits, value):
    """An integer behind the high bits of its first byte."""
    mask = (1 << bits) - 1
    if value < mask:
        return bytes([first | value])
    out, value = bytearray([first | mask]), value - mask
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + bytes([value]))
