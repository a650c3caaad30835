"""MQTT topics: `bedside/v1/{gateway}/{channel}`; the broker fences each gateway by its user name, which is its id."""

from enum import StrEnum, unique
from typing import Final

from vitals.errors import InvalidIdentifier, InvalidTopic
from vitals.identifiers import GatewayId, identifier

PREFIX: Final = "bedside/v1"


@unique
class Channel(StrEnum):
    """What a gateway and its hub say to each other."""

    READINGS = "readings"  # QoS 1: a batch of readings
    EVENTS = "events"  # QoS 1: device events, the start of an outbox epoch, tombstones
    WAVEFORMS = "waveforms"  # QoS 0: live only
    STATE = "state"  # QoS 1, retained: online or offline, with a session number
    ACK = "ack"  # QoS 1, from the hub: acknowledgements and greetings
    CONFIG = "config"  # QoS 1, retained, from the hub


FROM_GATEWAY: Final = (Channel.READINGS, Channel.EVENTS, Channel.WAVEFORMS, Channel.STATE)
FROM_HUB: Final = (Channel.ACK, Channel.CONFIG)


def topic(gateway: GatewayId, channel: Channel) -> str:
    """The topic on which `gateway`'s `channel` runs."""
    return f"{PREFIX}/{gateway}/{channel}"


def parse_topic(text: str) -> tuple[GatewayId, Channel]:
    """Gateway and channel of a topic. Raises InvalidTopic."""
    parts = text.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != PREFIX or parts[3] not in set(Channel):
        raise InvalidTopic(text)
    try:
        return identifier("gateway", parts[2]), Channel(parts[3])
    except InvalidIdentifier:
        raise InvalidTopic(text) from None
