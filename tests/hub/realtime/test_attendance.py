"""The figures of a node's own connections."""

from types import SimpleNamespace

import pytest

from hub.limits import Limits
from hub.realtime.attendance import Attendance
from hub.rooms.messages import RoomAddress
from hub.rooms.presence import Activity

ONE, TWO, THREE = (RoomAddress(hospital_id="h1", room=f"patient:{name}") for name in ("p1", "p2", "p3"))


class Connection(SimpleNamespace):
    """A user's connection in some rooms; in `hidden` ones nobody sees them."""

    __hash__ = object.__hash__

    def __init__(self, user: str, *rooms: RoomAddress, activity: Activity = Activity.ACTIVE, hidden: str = "") -> None:
        super().__init__(user=user, rooms={each.room: each for each in rooms}, activity=activity, hidden=hidden)

    def is_present_in(self, room: str) -> bool:
        return room != self.hidden


class Notes(list):
    def moved(self, attendant: Connection, entered: tuple, left: tuple) -> None:
        self.append((attendant.user, [each.room for each in entered], [each.room for each in left]))

    def gone(self, user: str) -> None:
        self.append((user, "gone"))


@pytest.fixture
def attendance() -> Attendance:
    return Attendance()


def entered(attendance: Attendance, *connections: Connection) -> None:
    for connection in connections:
        attendance.enter(connection)
        attendance.look(connection)


def test_rooms_and_users_are_counted_as_they_change(attendance: Attendance):
    one, other, third = Connection("ann", ONE, TWO), Connection("ann", TWO), Connection("bob")
    entered(attendance, one, other, third)
    assert attendance.rooms == {ONE: 1, TWO: 2}
    assert attendance.users == {"ann": 2, "bob": 1}
    version = attendance.version
    del one.rooms[ONE.room]
    third.rooms[THREE.room] = THREE
    for connection in (one, third):
        attendance.glance(connection)
    assert attendance.rooms == {TWO: 2, THREE: 1}
    assert attendance.version > version
    attendance.leave(one)
    attendance.leave(one)
    attendance.leave(third)
    assert attendance.rooms == {TWO: 1}
    assert attendance.users == {"ann": 1}
    assert attendance.connections("bob") == 0


def test_what_changed_is_told_once(attendance: Attendance):
    notes = Notes()
    attendance.listeners.append(notes)
    one = Connection("ann", ONE)
    entered(attendance, one)
    attendance.look(one)
    one.rooms = {TWO.room: TWO}
    attendance.look(one)
    attendance.leave(one)
    attendance.look(one)
    p1, p2 = [ONE.room], [TWO.room]
    assert notes == [("ann", p1, []), ("ann", p2, p1), ("ann", [], p2), ("ann", "gone")]


def test_the_most_active_connection_that_is_seen_counts(attendance: Attendance):
    idle = Connection("ann", ONE, TWO, activity=Activity.IDLE)
    hidden = Connection("ann", ONE, hidden=ONE.room)
    entered(attendance, idle, hidden, Connection("ann", TWO, activity=Activity.AWAY))
    assert attendance.status(ONE, "ann") is Activity.IDLE
    assert attendance.status(THREE, "ann") is attendance.status(ONE, "bob") is None
    assert attendance.everywhere() == {(ONE, "ann"), (TWO, "ann")}
    attendance.leave(idle)
    assert (attendance.status(ONE, "ann"), attendance.status(TWO, "ann")) == (None, Activity.AWAY)


def test_leases_that_would_end_before_they_are_renewed_are_refused():
    with pytest.raises(ValueError, match="at most half of presence_lease_seconds"):
        Limits(presence_lease_seconds=10, presence_refresh_seconds=6)
