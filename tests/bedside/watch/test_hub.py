"""The link to a real hub: what it tells, what it does when it breaks, and what it gives up on."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from bedside.client import TokenUnavailable
from bedside.services.redis import Redis, redis
from bedside.watch.errors import HubLost, HubRefused, NotThere
from bedside.watch.happenings import (
    BedsRead,
    Happening,
    HistoryRead,
    LinkLive,
    LinkLost,
    Missed,
    ReadingsRead,
    Received,
)
from bedside.watch.hub import TIMINGS, Follower, Target
from bedside.watch.messages import Event, Pong
from hub.record.places import PatientPlace
from tests.bedside.watch.samples import said
from tests.support.hub import CUFF, HOSPITAL, OTHER_HOSPITAL, PATIENT, WARD, LiveHub, running_hub
from tests.support.net import free_port
from tests.support.tokens import claims_of
from tests.support.waiting import eventually
from vitals.events import EventName

pytestmark = pytest.mark.slow

VITALS = f"ward:{HOSPITAL}:{WARD}:vitals"
ALERTS = f"ward:{HOSPITAL}:{WARD}:alerts"
HOSPITAL_ALERTS = f"hospital:{HOSPITAL}:alerts"
H = TypeVar("H")


@dataclass(kw_only=True)
class Heard:
    """Everything that one follower has told."""

    happenings: list[Happening] = field(default_factory=list)

    def of(self, kind: type[H]) -> list[H]:
        return [happening for happening in self.happenings if isinstance(happening, kind)]

    @property
    def events(self) -> list[Event]:
        return [received.message for received in self.of(Received) if isinstance(received.message, Event)]

    @property
    def rates(self) -> list[Any]:
        return [event.data.heart_rate for event in self.events if event.event == EventName.PATIENT_VITALS_UPDATE]

    @property
    def upstream(self) -> str | None:
        """What the last pong said of the road behind the hub."""
        pongs = [received.message for received in self.of(Received) if isinstance(received.message, Pong)]
        return pongs[-1].upstream if pongs else None

    async def live(self, times: int = 1) -> None:
        """Until it was settled so many times."""
        await eventually(lambda: len(self.of(LinkLive)) >= times and self.of(ReadingsRead), seconds=30)


@pytest.fixture
async def hub(tmp_path: Path, redis_server: Redis) -> AsyncIterator[LiveHub]:
    async with running_hub(tmp_path, redis_server.url) as running:
        yield running


def target(hub: LiveHub, token: Callable[[], str] | None = None, **changes: Any) -> Target:
    url = f"http://127.0.0.1:{hub.settings.port}"
    return Target(url=url, token=token or (lambda: hub.token("viewer")), **changes)


@contextlib.asynccontextmanager
async def following(aim: Target, **timings: float) -> AsyncIterator[Heard]:
    heard = Heard()
    follower = Follower(
        aim, heard.happenings.append, random=random.random, timings=msgspec.structs.replace(TIMINGS, **timings)
    )
    task = asyncio.create_task(follower.run())
    try:
        yield heard
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def follow_to_its_end(aim: Target) -> None:
    await asyncio.wait_for(Follower(aim, lambda _: None, random=random.random).run(), 30)


async def reconnected(hub: LiveHub, heard: Heard) -> None:
    """End every connection as a hub does that is about to stop, and let clients in again."""
    await hub.live.clients.drain(random.Random(1), hurried=lambda: True)
    await eventually(lambda: heard.of(LinkLost))
    hub.live.clients._draining = False


def rate(number: int) -> dict[str, Any]:
    return {"patient_id": PATIENT, "heart_rate": number, "timestamp": said(datetime.now(UTC))}


def high(message: str = "High blood pressure detected: 150/95", episode: str = "e1") -> dict[str, Any]:
    return {
        "patient_id": PATIENT,
        "alert_type": "high_blood_pressure",
        "severity": "warning",
        "message": message,
        "data": {},
        "episode_id": episode,
        "kind": "physiological",
        "repeat": 1,
        "timestamp": said(datetime.now(UTC)),
    }


async def test_beds_then_the_live_link_then_last_readings_then_events(hub: LiveHub):
    async with following(target(hub)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        await eventually(lambda: heard.rates == [72])
    kinds = [type(happening) for happening in heard.happenings]
    assert kinds.index(BedsRead) < kinds.index(LinkLive) < kinds.index(ReadingsRead)
    (bed,) = heard.of(BedsRead)[0].view.beds
    assert (bed.bed, bed.patient_id, bed.devices[0].device_id) == ("b1", PATIENT, CUFF.device_id)


async def test_an_event_that_comes_in_two_rooms_is_told_once(hub: LiveHub):
    async with following(target(hub)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [ALERTS, HOSPITAL_ALERTS], high(), event=EventName.PATIENT_ALERT)
        await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        await eventually(lambda: heard.rates == [72])
    assert [event.event for event in heard.events] == ["patient.alert", "patient.vitals.update"]


async def test_alerts_of_before_are_told_as_history_and_not_again(hub: LiveHub):
    await hub.owner.publish(HOSPITAL, [ALERTS, HOSPITAL_ALERTS], high("before"), event=EventName.PATIENT_ALERT)
    async with following(target(hub)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [ALERTS], high("now", "e2"), event=EventName.PATIENT_ALERT)
        await eventually(lambda: heard.events)
    history = [event.data.message for read in heard.of(HistoryRead) for event in read.events]
    assert history == ["before"]
    assert [event.data.message for event in heard.events] == ["now"]


async def test_a_hub_that_restarts_is_found_again_and_nothing_is_missed(tmp_path: Path, redis_server: Redis):
    """What was published while the link was down comes after it, in order, and once."""
    port = free_port()
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with contextlib.AsyncExitStack() as first:
        hub = await first.enter_async_context(running_hub(tmp_path / "one", redis_server.url, port=port))
        tokens = [hub.token("viewer")]

        def token() -> str:
            """The other hub has another secret, and until a token of it is there, there is none."""
            if not tokens:
                raise TokenUnavailable("the hub starts again")
            return tokens[-1]

        async with following(target(hub, token=token)) as heard:
            await heard.live()
            await hub.owner.publish(HOSPITAL, [VITALS], rate(1))
            await eventually(lambda: heard.rates == [1])
            tokens.clear()
            await first.aclose()
            await eventually(lambda: heard.of(LinkLost))
            async with running_hub(tmp_path / "two", redis_server.url, port=port, begin=False) as again:
                again.owner.n.update(hub.owner.n)
                tokens.append(again.token("viewer"))
                await again.owner.publish(HOSPITAL, [VITALS], rate(2))
                await again.owner.publish(HOSPITAL, [VITALS], rate(3))
                await heard.live(2)
                await again.owner.publish(HOSPITAL, [VITALS], rate(4))
                await eventually(lambda: heard.rates == [1, 2, 3, 4])
                await eventually(lambda: len(heard.of(ReadingsRead)) > 1)  # it asks the hub no more
    assert heard.of(Missed) == []


async def test_what_can_not_be_had_after_a_new_epoch_is_told(tmp_path: Path, redis_server: Redis, hub: LiveHub):
    async with following(target(hub)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [ALERTS], high(), event=EventName.PATIENT_ALERT)
        await eventually(lambda: heard.events)
        hub.owner.n[HOSPITAL] += 10  # a jump in the sequence, as after a lost key
        await hub.owner.begin(HOSPITAL)
        await reconnected(hub, heard)
        await heard.live(2)
        assert any(ALERTS in missed.what for missed in heard.of(Missed))


async def test_a_hub_that_falls_silent_counts_as_lost(hub: LiveHub):
    """A connection that stands, on which nothing comes: a hub that hangs, or a network that swallows everything."""
    async with following(target(hub), silence_seconds=0.5, ping_seconds=60) as heard:
        await heard.live()
        await eventually(lambda: heard.of(LinkLost))
    assert heard.of(LinkLost)[0].silent_seconds == 0.5


async def test_a_patient_who_moves_makes_it_read_the_beds_again(hub: LiveHub):
    async with following(target(hub)) as heard:
        await heard.live()
        read = len(heard.of(BedsRead))
        hub.registry.places["newcomer"] = PatientPlace(
            patient_id="newcomer", hospital_id=HOSPITAL, ward_id=WARD, bed_id="b2"
        )
        moved = {"patient_id": "newcomer", "ward_id": WARD, "bed": "b2", "at": said(datetime.now(UTC)), "by": "a"}
        await hub.owner.publish(HOSPITAL, [f"ward:{HOSPITAL}:{WARD}"], moved, event=EventName.PATIENT_ADMISSION)
        await eventually(lambda: len(heard.of(BedsRead)) > read)
    assert [bed.bed for bed in heard.of(BedsRead)[-1].view.beds] == ["b1", "b2"]


async def test_one_patient_alone_is_followed_by_that_patients_rooms(hub: LiveHub):
    async with following(target(hub, patient=PATIENT)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [f"patient:{PATIENT}:vitals", VITALS], rate(72))
        await eventually(lambda: heard.rates == [72])
    assert VITALS not in heard.of(BedsRead)[0].view.rooms


async def test_a_message_that_can_not_be_read_is_told_and_the_rest_goes_on(hub: LiveHub):
    async with following(target(hub)) as heard:
        await heard.live()
        await hub.owner.publish(HOSPITAL, [VITALS], {"nonsense": True})
        await hub.owner.publish(HOSPITAL, [VITALS], rate(72))
        await eventually(lambda: heard.rates == [72])
    assert [received for received in heard.of(Received) if received.message is None]


async def test_while_redis_is_lost_it_says_so_and_joins_when_it_is_back(tmp_path: Path, services_folder: Path):
    server = redis(services_folder / "watch-redis")  # of this test's own
    server.start()
    try:
        async with (
            running_hub(tmp_path, server.url, canary_seconds=0.5) as hub,
            following(target(hub)) as heard,
        ):
            await heard.live()
            await asyncio.to_thread(server.stop)
            await eventually(lambda: heard.upstream == "redis_lost")
            await reconnected(hub, heard)
            await eventually(lambda: heard.of(LinkLost)[-1].problem == "the hub can't follow its rooms now")
            await asyncio.to_thread(server.start)
            await heard.live(2)
            await eventually(lambda: heard.upstream == "ok")
    finally:
        server.stop()


# What it gives up on


async def test_a_hub_that_is_not_there_is_told_at_once():
    with pytest.raises(HubLost, match="Connection refused"):
        await follow_to_its_end(Target(url=f"http://127.0.0.1:{free_port()}", token=lambda: "t"))


@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_a_token_that_is_not_believed_is_refused(hub: LiveHub, token: str):
    with pytest.raises(HubRefused):
        await follow_to_its_end(target(hub, token=lambda: token))


async def test_a_token_that_has_expired_is_refused(hub: LiveHub):
    past = hub.token("viewer", hospitals=[HOSPITAL], ttl=timedelta(seconds=1), now=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(HubRefused, match="expired"):
        await follow_to_its_end(target(hub, token=lambda: past))


async def test_a_token_that_expires_while_it_watches_ends_it(hub: LiveHub):
    fixed = hub.token("viewer", hospitals=[HOSPITAL], ttl=timedelta(seconds=2), now=datetime.now(UTC))
    with pytest.raises(HubRefused, match="expired"):
        await follow_to_its_end(target(hub, token=lambda: fixed))


async def test_a_token_that_is_taken_back_ends_nothing_where_there_is_a_new_one(hub: LiveHub):
    tokens = [hub.token("viewer")]
    async with following(target(hub, token=lambda: tokens[-1])) as heard:
        await heard.live()
        tokens.append(hub.token("viewer"))
        taken_back = {"token_id": claims_of(tokens[0])["jti"]}
        await hub.http.post("/auth/revocations", json=taken_back, headers=hub.headers("admin"))
        await heard.live(2)


async def test_a_role_that_may_watch_no_bed_is_refused(hub: LiveHub):
    with pytest.raises(HubRefused, match="may watch no bed"):
        await follow_to_its_end(target(hub, token=lambda: hub.token("technician")))


async def test_several_hospitals_are_a_choice_for_the_person(hub: LiveHub):
    both = hub.token("viewer", hospitals=[HOSPITAL, OTHER_HOSPITAL])
    with pytest.raises(NotThere, match=f"--hospital: .*{HOSPITAL}"):
        await follow_to_its_end(target(hub, token=lambda: both))


@pytest.mark.parametrize("narrowed", [{"ward": "nowhere"}, {"patient": "nobody"}, {"hospital": "nowhere"}])
async def test_what_is_not_there_is_said(hub: LiveHub, narrowed: dict[str, str]):
    everywhere = hub.token("admin", hospitals=["*"])
    with pytest.raises(NotThere, match=r"nowhere|nobody"):
        await follow_to_its_end(target(hub, token=lambda: everywhere, **({"hospital": HOSPITAL} | narrowed)))


async def test_something_else_that_answers_there_is_no_hub(hub: LiveHub):
    aim = target(hub)
    with pytest.raises((HubLost, NotThere)):
        await follow_to_its_end(Target(url=f"{aim.url}/health/live", token=aim.token))
