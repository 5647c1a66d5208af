"""A foreign client of Kafka's protocol.

    records.py PORT read TOPIC        prints the offset and the value of each record, until no more come for a second
    records.py PORT write TOPIC       appends each line of the standard input
    records.py PORT pack TOPIC        appends a record for each line "CODEC PARTITION KEY VALUE", in their order; CODEC is none,
                                      gzip, snappy, lz4 or zstd
"""

import itertools
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def read(server: str, topic: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=server, consumer_timeout_ms=1_000)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    for record in consumer:
        print(record.offset, record.value.decode())


def producer_of(server: str, codec: str = "none") -> KafkaProducer:
    compression = None if codec == "none" else codec
    return KafkaProducer(
        bootstrap_servers=server, acks="all", enable_idempotence=False, compression_type=compression, linger_ms=5
    )


def write(server: str, topic: str) -> None:
    producer = producer_of(server)
    sent = [producer.send(topic, line.rstrip("\n").encode(), partition=0) for line in sys.stdin]
    producer.flush()
    for record in sent:
        record.get(timeout=10)


def pack(server: str, topic: str) -> None:
    producers: dict[str, KafkaProducer] = {}
    for codec, lines in itertools.groupby(sys.stdin, lambda line: line.split(" ")[0]):
        if codec not in producers:
            producers[codec] = producer_of(server, codec)
        producer = producers[codec]
        sent = []
        for line in lines:
            _, partition, key, value = line.rstrip("\n").split(" ", 3)
            sent.append(producer.send(topic, value.encode(), key.encode(), partition=int(partition)))
        producer.flush()
        for record in sent:
            record.get(timeout=10)


port, verb, topic = sys.argv[1:]
{"read": read, "write": write, "pack": pack}[verb](f"127.0.0.1:{port}", topic)
