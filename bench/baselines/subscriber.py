"""Mosquitto alone: a subscriber that acknowledges each batch to the gateway and does nothing with it.

Run as `python -m bench.baselines.subscriber PORT EPOCH BATCH PASSWORD_FILE`, until it is ended. It trusts that
messages come in order with BATCH readings each, so that it need not decode them.
"""

import sys
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.ward import GATEWAY
from vitals.envelope import Acknowledgement, Greeting, encode
from vitals.topics import Channel, topic

_ACK = topic(GATEWAY, Channel.ACK)


def main(port: int, epoch: str, batch: int, password: str) -> None:
    """Greet when subscribed, then acknowledge."""
    client = paho.Client(CallbackAPIVersion.VERSION2, clean_session=True, manual_ack=True)
    client.username_pw_set("hub", password)
    client.max_inflight_messages_set(1000)
    taken = 0

    def received(client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        nonlocal taken
        ranges = [(taken + 1, taken + batch)]
        client.publish(_ACK, encode(Acknowledgement(record_epoch=1, token=1, epoch=epoch, committed=ranges)), qos=1)
        client.ack(message.mid, message.qos)
        taken += batch

    def subscribed(client: paho.Client, *_: Any) -> None:  # noqa: ANN401 - paho's own
        client.publish(_ACK, encode(Greeting(record_epoch=1, token=1, committed={})), qos=1)

    client.on_connect = lambda client, *_: client.subscribe(topic(GATEWAY, Channel.READINGS), qos=1)
    client.on_subscribe = subscribed
    client.on_message = received
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).read_text(encoding="utf-8"))
