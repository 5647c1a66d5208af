"""A foreign client of RabbitMQ, on pika. SOCKEYE_RABBIT_URL has the URL, SOCKEYE_RABBIT_CACERT a file of authorities.

    streams.py read STREAM               prints the offset and the text of each message, until no more come for a second
    streams.py write STREAM              publishes each line of the standard input to the stream
    streams.py send QUEUE KIND           publishes lines: a header `channel`, a message_id or "-", and the content;
                                         to a classic queue all at once
    streams.py declare QUEUE ARGUMENTS   creates a durable queue with arguments in JSON
    streams.py delete QUEUE              deletes a queue; prints "yes", or "no" if there was none
    streams.py remove QUEUE              deletes a queue and the exchange of its name
    streams.py has QUEUE                 prints whether there is a queue
"""

import json
import os
import ssl
import sys

import pika
from pika.exceptions import ChannelClosedByBroker


def connect() -> pika.BlockingConnection:
    parameters = pika.URLParameters(os.environ["SOCKEYE_RABBIT_URL"])
    authorities = os.environ.get("SOCKEYE_RABBIT_CACERT")
    if authorities:
        context = ssl.create_default_context(cafile=authorities)
        parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    return pika.BlockingConnection(parameters)


def read(channel, stream: str) -> None:
    channel.basic_qos(prefetch_count=1_000)
    arguments = {"x-stream-offset": "first"}
    for method, properties, body in channel.consume(stream, inactivity_timeout=1, arguments=arguments):
        if method is None:
            return
        print(properties.headers["x-stream-offset"], body.decode())
        channel.basic_ack(method.delivery_tag)


def write(channel, stream: str) -> None:
    channel.confirm_delivery()
    for line in sys.stdin:
        channel.basic_publish("", stream, line.rstrip("\n").encode(), mandatory=True)


def send(channel, queue: str, kind: str) -> None:
    # Quorum queues have no transactions.
    is_atomic = kind == "classic"
    channel.tx_select() if is_atomic else channel.confirm_delivery()
    for line in sys.stdin:
        name, message_id, content = line.rstrip("\n").split(" ", 2)
        properties = pika.BasicProperties(
            delivery_mode=2,
            message_id=None if message_id == "-" else message_id,
            headers={"channel": name},
        )
        channel.basic_publish("", queue, content.encode(), properties, mandatory=True)
    if is_atomic:
        channel.tx_commit()


def declare(channel, queue: str, arguments: str) -> None:
    channel.queue_declare(queue, durable=True, arguments=json.loads(arguments))


def has(channel, queue: str) -> bool:
    try:
        channel.queue_declare(queue, passive=True)
    except ChannelClosedByBroker as closed:
        assert closed.reply_code == 404, closed
        return False
    return True


connection = connect()
match sys.argv[1:]:
    case ["read", stream]:
        read(connection.channel(), stream)
    case ["write", stream]:
        write(connection.channel(), stream)
    case ["send", queue, kind]:
        send(connection.channel(), queue, kind)
    case ["declare", queue, arguments]:
        declare(connection.channel(), queue, arguments)
    case ["delete", queue]:
        was_there = has(connection.channel(), queue)
        connection.channel().queue_delete(queue)
        print("yes" if was_there else "no")
    case ["remove", queue]:
        channel = connection.channel()
        channel.queue_delete(queue)
        channel.exchange_delete(queue)
    case ["has", queue]:
        print("yes" if has(connection.channel(), queue) else "no")
connection.close()
