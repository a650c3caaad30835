"""Readings and events as strange as the envelope lets them be."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import strategies as st

from vitals.identifiers import DeviceKey, DeviceType
from vitals.parameters import PARAMETERS, Parameter, Vital, parameters_of
from vitals.readings import (
    EARLIEST,
    MAX_NUMBER,
    MAX_PLACES,
    MAX_WORD,
    RAW_LIMIT,
    Quality,
    Reading,
    Reason,
    Replayed,
    Value,
)
from vitals.units import Unit

identifiers = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=MAX_WORD)
instants = st.builds(
    datetime.astimezone,
    st.datetimes(EARLIEST.replace(tzinfo=None), datetime(9999, 12, 30), timezones=st.just(UTC)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
_most = MAX_NUMBER - Decimal(1).scaleb(-MAX_PLACES)
numbers = st.one_of(
    st.integers(0, MAX_PLACES).flatmap(lambda places: st.decimals(-_most, _most, places=places)),
    st.sampled_from(["1E+2", "9E+5", "1E-9", "0.10", "120.0", "-0", "0E-9", "999999.999999999"]).map(Decimal),
)
_reasons = st.lists(st.sampled_from(Reason), unique=True, min_size=1, max_size=4).map(tuple)


@st.composite
def values(draw: st.DrawFn, parameter: Parameter) -> Value:
    facts = {"parameter": parameter, "unit": PARAMETERS[parameter].unit}
    if draw(st.booleans()):
        return Value(number=None, quality=Quality.MISSING, reasons=draw(_reasons), **facts)
    return Value(
        number=draw(numbers),
        quality=draw(st.sampled_from([Quality.VALID, Quality.QUESTIONABLE])),
        reasons=draw(st.just(()) | _reasons),
        sent_number=draw(st.none() | numbers),
        sent_unit=draw(st.none() | st.sampled_from(Unit)),
        **facts,
    )


@st.composite
def parameters(draw: st.DrawFn, vital: Vital) -> list[Parameter]:
    """Some of the vital's own, and others; a blood pressure is systolic and diastolic."""
    both = {Parameter.SYSTOLIC, Parameter.DIASTOLIC}
    chosen = {draw(st.sampled_from(parameters_of(vital)))} | draw(st.sets(st.sampled_from(Parameter), max_size=5))
    return draw(st.permutations(sorted(chosen | both if chosen & both else chosen)))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    vital = draw(st.sampled_from(Vital))
    floats = st.floats(allow_nan=False, allow_infinity=False)
    return Reading(
        data_type=vital,
        device=DeviceKey(device_type=draw(st.sampled_from(DeviceType)), device_id=draw(identifiers)),
        values=tuple(draw(values(parameter)) for parameter in draw(parameters(vital))),
        measured=draw(instants),
        received=draw(instants),
        raw=draw(st.binary(max_size=RAW_LIMIT)),
        device_time=draw(st.none() | st.datetimes()),
        time_uncertain=draw(st.booleans()),
        stored=draw(st.booleans()),
        record=draw(st.none() | st.integers(0, 2**63 - 1)),
        user=draw(st.none() | st.integers(0, 2**31 - 1)),
        replayed=draw(st.none() | st.builds(Replayed, recording=words, position_seconds=floats, speed=floats)),
    )
