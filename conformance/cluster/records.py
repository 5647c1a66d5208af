"""A foreign client of Kafka's protocol.

    records.py PORT read TOPIC        prints the offset and the value of each record, until no more come for a second
    records.py PORT write TOPIC       appends each line of the standard input
"""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition


def read(server: str, topic: str) -> None:
    consumer = KafkaConsumer(bootstrap_servers=server, consumer_timeout_ms=1_000)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek(partition, 0)
    for record in consumer:
        print(record.offset, record.value.decode())


def write(server: str, topic: str) -> None:
    producer = KafkaProducer(bootstrap_servers=server, acks="all", enable_idempotence=False)
    sent = [producer.send(topic, line.rstrip("\n").encode(), partition=0) for line in sys.stdin]
    producer.flush()
    for record in sent:
        record.get(timeout=10)


port, verb, topic = sys.argv[1:]
{"read": read, "write": write}[verb](f"127.0.0.1:{port}", topic)
