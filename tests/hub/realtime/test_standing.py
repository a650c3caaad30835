"""Streams that stand in the same place share it: one cursor and one event's bytes a message, however many streams there are."""

import gc
import weakref

import pytest

from hub.realtime import standing as module
from hub.realtime.cursor import decode_cursor
from hub.realtime.frames import Frame
from hub.realtime.standing import NOWHERE, Standing
from hub.rooms.messages import Message, Position

ROOMS = ("patient:p1", "patient:p1:vitals")


def frame(offset: int, room: str = ROOMS[1]) -> Frame:
    return Frame(
        Message(
            room=room,
            record_epoch=1,
            epoch="e",
            offset=offset,
            n=offset,
            event="patient.vitals.update",
            members=b'"event_id":"x"',
            data=b"{}",
        )
    )


def start() -> Standing:
    """Where a new stream stands, made by itself."""
    standing = NOWHERE
    for room in ROOMS:
        standing = standing.at(room, Position(epoch="e", offset=0))
    return standing.shared()


def after(standing: Standing, *told: Frame) -> Standing:
    """Each in a turn of its own."""
    for each in told:
        standing = standing.after(each, {})
    return standing


def test_a_message_makes_one_cursor_and_one_chunk_for_all_streams(monkeypatch: pytest.MonkeyPatch):
    made: list[object] = []
    encode = module.encode_cursor
    monkeypatch.setattr(module, "encode_cursor", lambda positions: made.append(positions) or encode(positions))
    streams = [start() for _ in range(100)]
    for offset in range(1, 4):
        told = frame(offset)
        turn: dict = {}
        streams = [standing.after(told, turn) for standing in streams]
        assert len({id(standing.chunk(told)) for standing in streams}) == 1
        assert decode_cursor(streams[0].cursor, ROOMS)[ROOMS[1]] == Position(epoch="e", offset=offset)
    assert len(made) == 3


def test_streams_that_come_later_or_by_another_way_share_too():
    first = after(start(), frame(1), frame(1, ROOMS[0]))
    second = after(start(), frame(1, ROOMS[0]), frame(1))
    assert first is not second
    assert first.shared() is second.shared()


def test_another_message_leads_elsewhere():
    begun = start()
    assert after(begun, frame(1)).positions != after(begun, frame(2)).positions
    assert begun.positions[ROOMS[1]].offset == 0


def test_a_stream_that_stays_behind_keeps_nothing_of_what_follows():
    behind = start()
    ahead = after(behind, frame(1))
    watched = weakref.ref(ahead)
    for offset in range(2, 10):
        ahead = after(ahead, frame(offset))
    gc.collect()
    assert watched() is None
    assert after(behind, frame(1)).positions[ROOMS[1]].offset == 1


def test_a_frame_that_waits_for_a_slow_client_keeps_no_standing():
    told, turn = frame(1), {}
    watched = weakref.ref(start().after(told, turn))
    turn.clear()  # as the turn's end does
    gc.collect()
    assert watched() is None


def test_a_room_without_a_position_leads_nowhere():
    begun = start().without(ROOMS[0])
    told = frame(7, ROOMS[0])
    assert begun.after(told, {}) is begun
    assert begun.cursor.encode() in begun.chunk(told)
