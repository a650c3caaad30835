"""Every limit of the hub's live side, in one place. All can be set under `[limits]`; each bounds what one client can cost."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Rate = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes in bytes, durations in seconds.

    A client: `message_bytes` a message it sends, `connection_rooms` rooms, `user_connections` connections of a user (over all nodes),
    `unsent_bytes` waiting for it before it is closed as too slow, `behind_bytes` from which on its numerics are coalesced,
    `waveform_bytes` of the newest waveforms (a quarter of that waiting, and they are held back), `message_errors` bad messages in a row before it is closed,
    `user_messages_a_second` with bursts of `user_message_burst` over all of a user's connections, and `rate_errors` messages beyond
    (less those within) before the connection that sends them is closed,
    `head_bytes` address and headers of a request, `request_bytes` a REST body, `token_bytes` a credential.
    A room's history: `history_seconds` and `history_bytes`, whichever ends first; `replay_messages` in one answer, and
    `replay_bytes` (about) to one request: rooms of which a client missed more are told as a gap, with their latest state.
    Life: a server ping every `ping_seconds`, the end after `silence_seconds` without a sign of life, an SSE comment every
    `comment_seconds`, a look at every watched room's top every `top_check_seconds`, a canary through Redis every
    `canary_seconds`. `lease_margin_seconds` is how much earlier than a lease's end the rooms refuse its owner, for clocks
    that differ. Presence lasts `presence_lease_seconds` and is renewed every `presence_refresh_seconds`; a node that has not been
    heard of for `node_lease_seconds` counts as gone. `request_seconds` is how long a REST request waits for the record, `arrival_seconds` how long a request's
    or a handshake's address and headers may take to arrive; of more than `arriving_connections` for which they are waited the oldest is ended. Clients of a node that stops are asked to leave within `drain_seconds`.
    Redis: at most `redis_connections` to each server, for which callers wait their turn, `redis_wait_seconds` at most.
    Tokens: `token_life_seconds` from `iat` to `exp`, after which a revocation is forgotten; a ticket is good for `ticket_seconds`; a client is
    told `expiring_seconds` before its token ends. What is open to clients: the record's changes are looked for every `access_seconds`, and all
    open rooms are gone over every `recheck_seconds`. `break_glass_seconds` is how long break-glass opens a patient.
    """

    def __post_init__(self) -> None:
        if self.presence_refresh_seconds * 2 > self.presence_lease_seconds:
            raise ValueError(
                "presence_refresh_seconds must be at most half of presence_lease_seconds, or users would flap"
            )

    message_bytes: Count = 64 * 1024
    connection_rooms: Count = 512
    user_connections: Count = 10
    unsent_bytes: Count = 1024 * 1024
    behind_bytes: Count = 256 * 1024
    waveform_bytes: Count = 256 * 1024
    message_errors: Count = 100
    user_messages_a_second: Rate = 20
    user_message_burst: Count = 40
    rate_errors: Count = 100
    head_bytes: Count = 32 * 1024
    request_bytes: Count = 256 * 1024
    token_bytes: Count = 8 * 1024
    history_seconds: Count = 3600
    history_bytes: Count = 1024 * 1024
    replay_messages: Count = 10_000
    replay_bytes: Count = 512 * 1024
    ping_seconds: Seconds = 25
    silence_seconds: Seconds = 60
    comment_seconds: Seconds = 15
    top_check_seconds: Seconds = 40
    canary_seconds: Seconds = 5
    retry_seconds: Seconds = 1
    lease_margin_seconds: Seconds = 0.5
    presence_lease_seconds: Seconds = 60
    presence_refresh_seconds: Seconds = 25
    node_lease_seconds: Seconds = 6
    request_seconds: Seconds = 10
    arrival_seconds: Seconds = 20
    arriving_connections: Count = 1000
    drain_seconds: Seconds = 3
    redis_connections: Count = 32
    redis_wait_seconds: Seconds = 2
    token_life_seconds: Count = 400 * 86400
    ticket_seconds: Seconds = 30
    expiring_seconds: Seconds = 60
    access_seconds: Seconds = 0.5
    recheck_seconds: Seconds = 30
    break_glass_seconds: Seconds = 4 * 3600
