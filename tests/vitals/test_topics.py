import pytest

from vitals.errors import InvalidTopic
from vitals.topics import FROM_GATEWAY, FROM_HUB, Channel, parse_topic, topic


@pytest.mark.parametrize("channel", Channel)
def test_a_topic_parses_to_what_made_it(channel):
    assert parse_topic(topic("gw-1", channel)) == ("gw-1", channel)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bedside/v1/gw",
        "bedside/v2/gw/readings",
        "bedside/v1//readings",
        "bedside/v1/gw/other",
        "bedside/v1/gw/readings/x",
        "bedside/v1/+/readings",
        "$SYS/broker",
    ],
)
def test_foreign_topics_are_refused(text):
    with pytest.raises(InvalidTopic):
        parse_topic(text)


def test_every_channel_has_one_direction():
    assert sorted(FROM_GATEWAY + FROM_HUB) == sorted(Channel)
