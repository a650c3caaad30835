"""What the rounds of the fan-out come to: figures, ratios within the rounds, and goals."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bench.fanout_rounds import JOINED, Contest, Round
from bench.figures import Bound, Figure, Goal, Unit, against, as_baseline
from bench.plot import Bar
from bench.rivals import BARE, COMPRESSED, NCHAN, SOCKET_IO, Rivals
from bench.servers import HUB, Kind

RIVAL_FIGURES: Final = frozenset({"delivery"})
"""The parts of the fan-out that rivals are in."""
_NAMES: Final = {Kind.WEBSOCKET: "WebSocket", Kind.EVENTS: "Server-sent events"}
_GOALS: Final = {
    (Kind.WEBSOCKET, 1, BARE): 1 / 0.70,
    (Kind.WEBSOCKET, 1, SOCKET_IO): 1 / 1.65,
    (Kind.WEBSOCKET, 1, COMPRESSED): 1 / 6,
    (Kind.WEBSOCKET, JOINED, BARE): 1 / 4,
    (Kind.EVENTS, 1, BARE): 1 / 0.65,
    (Kind.EVENTS, 1, NCHAN): 1.0,
}
"""The most that the hub's delivery may cost, as a multiple of the rival's. JOINED is held against bare send() of single messages."""


def delivery_figures(rounds: Sequence[Round]) -> list[Figure]:
    """For each transport: the hub's cost and its ratios, then every rival against bare send()."""
    return [figure for kind in Kind for figure in _of_kind(rounds, kind)]


def panels(rounds: Sequence[Round]) -> dict[str, list[Bar]]:
    """The same for the picture: every server against bare send() of single messages."""
    return {_NAMES[kind]: [_bar(rounds, kind, contest.name) for contest in _single(rounds, kind)] for kind in Kind}


def _bar(rounds: Sequence[Round], kind: Kind, name: str) -> Bar:
    bare = _alone(rounds, Contest(name=BARE, kind=kind, tick=1))
    single, joined = (
        against(_alone(rounds, Contest(name=name, kind=kind, tick=tick)), bare).median for tick in (1, JOINED)
    )
    return Bar(name=name, single=single, joined=joined)


def _single(rounds: Sequence[Round], kind: Kind) -> list[Contest]:
    return [contest for contest in rounds[0] if contest.kind is kind and contest.tick == 1]


def _of_kind(rounds: Sequence[Round], kind: Kind) -> list[Figure]:
    rivals = [contest.name for contest in _single(rounds, kind) if contest.name not in (HUB, BARE)]
    bare = replace(_alone(rounds, Contest(name=BARE, kind=kind, tick=1)), what=BARE)
    figures = [*_hub(rounds, kind, 1, [BARE, *rivals]), *_hub(rounds, kind, JOINED, [BARE])]
    hub_joined = Contest(name=HUB, kind=kind, tick=JOINED)
    rate = tuple(1 / each[hub_joined].wall for each in rounds)
    what = f"{_NAMES[kind]}, {JOINED} a tick: deliveries/s, from MQTT to client"
    figures += [
        Figure(what=what, unit=Unit.PER_SECOND, values=rate),
        as_baseline(_alone(rounds, Contest(name=BARE, kind=kind, tick=1))),
    ]
    bare_joined = _alone(rounds, Contest(name=BARE, kind=kind, tick=JOINED))
    figures += [as_baseline(bare_joined), against(bare_joined, bare)]
    for name in rivals:
        for tick in (1, JOINED):
            rival = _alone(rounds, Contest(name=name, kind=kind, tick=tick))
            figures += [as_baseline(rival), against(rival, bare)]
    return figures


def _hub(rounds: Sequence[Round], kind: Kind, tick: int, rivals: Sequence[str]) -> list[Figure]:
    hub = _alone(rounds, Contest(name=HUB, kind=kind, tick=tick))
    ratios = []
    for name in rivals:
        limit = _GOALS.get((kind, tick, name))
        goal = None if limit is None else Goal(bound=Bound.AT_MOST, limit=limit)
        ratios.append(against(hub, replace(_alone(rounds, Contest(name=name, kind=kind, tick=1)), what=name), goal))
    return [hub, *ratios]


def _alone(rounds: Sequence[Round], contest: Contest) -> Figure:
    """Microseconds of CPU a delivery."""
    ticks = "one a tick" if contest.tick == 1 else f"{contest.tick} a tick"
    return Figure(
        what=f"{_NAMES[contest.kind]}, {ticks}: {contest.name}, CPU a delivery",
        unit=Unit.MICROSECONDS,
        values=tuple(each[contest].alone * 1e6 for each in rounds),
    )


def notes(rivals: Rivals) -> list[str]:
    """What the figures must be read with."""
    said = [
        "checked: every client got every message, in order and byte for byte, and each says what was sent",
        "every client is a user of its own, with a token: the hub allows ten connections a user",
        "bare send() is a loop in C; with 8 a tick it joins them in one send() a client",
    ]
    versions = [version for version in rivals.versions.values() if version]
    if versions:
        said.append(f"beside: {', '.join(versions)}")
    if rivals.missing:
        said.append(f"not installed, so not compared: {', '.join(rivals.missing)} (./dev bench installs them)")
    return said
