"""Writes the golden batches beside this file: three records each, as other clients of Kafka compress them.

    python make.py        needs kafka-python, python-snappy, lz4 and zstandard

The first ones are as kafka-python's producer writes them. `snappy-raw`, `lz4-linked` and `zstd-stream` are what librdkafka,
streaming encoders of lz4 and the client in Java write: one block without framing, blocks that depend on each other with
checksums, a frame that does not say how long its content is.
"""

import pathlib

import lz4.frame
import snappy
import zstandard
from kafka.record import default_records
from kafka.record.default_records import DefaultRecordBatchBuilder as Builder

HERE = pathlib.Path(__file__).parent


def linked(content: bytes) -> bytes:
    return lz4.frame.compress(content, block_linked=True, block_checksum=True, content_checksum=True)


def stream(content: bytes) -> bytes:
    encoder = zstandard.ZstdCompressor(level=19, write_checksum=True).compressobj()
    return encoder.compress(content) + encoder.flush()


def batch(codec: int) -> bytes:
    builder = Builder(2, codec, False, -1, -1, -1, 1 << 20)
    for at in range(3):
        value = f"{at} " + "paid " * 20
        builder.append(at, 1_795_000_000_000, f"key-{at}".encode(), value.encode(), [("kind", b"order")])
    return bytes(builder.build())


def write(name: str, codec: int, encoder: str = "", encode: object = None) -> None:
    former = getattr(default_records, encoder, None)
    if encoder:
        setattr(default_records, encoder, encode)
    (HERE / f"{name}.bin").write_bytes(batch(codec))
    if encoder:
        setattr(default_records, encoder, former)


write("none", 0)
write("gzip", 1)
write("snappy", 2)
write("lz4", 3)
write("zstd", 4)
write("snappy-raw", 2, "snappy_encode", snappy.compress)
write("lz4-linked", 3, "lz4_encode", linked)
write("zstd-stream", 4, "zstd_encode", stream)
