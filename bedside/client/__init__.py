"""The client for Python: the hub's events as an async iterator, over losses and gaps that it mends or names.

It needs the hub nowhere: `pip install 'bedside[client]'`.
"""

from bedside.client.client import Client
from bedside.client.errors import ClientError, ConnectionEnded, NotConnected, RequestRefused, TokenUnavailable
from bedside.client.event_stream import EventStreamReader, EventTooLong, StreamEvent
from bedside.client.events import (
    ClientEvent,
    Closed,
    Condition,
    Denied,
    Event,
    Expiring,
    Gap,
    Missing,
    Position,
    PresenceChange,
    Reconnected,
    Recovered,
    Refreshed,
    Refused,
    Revoked,
    Subscribed,
    Unreadable,
)
from bedside.client.link import Link, Timings
from bedside.client.rooms import RoomRequest

__all__ = [
    "Client",
    "ClientError",
    "ClientEvent",
    "Closed",
    "Condition",
    "ConnectionEnded",
    "Denied",
    "Event",
    "EventStreamReader",
    "EventTooLong",
    "Expiring",
    "Gap",
    "Link",
    "Missing",
    "NotConnected",
    "Position",
    "PresenceChange",
    "Reconnected",
    "Recovered",
    "Refreshed",
    "Refused",
    "RequestRefused",
    "Revoked",
    "RoomRequest",
    "StreamEvent",
    "Subscribed",
    "Timings",
    "TokenUnavailable",
    "Unreadable",
]
