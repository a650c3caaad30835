"""The one table of formats and of drivers, and which driver a device may belong to.

A new device is one module, its name in `MODULES`, and its vectors. Where several drivers would take a device all are shown, the surest
first; none is guessed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from device_drivers.advertisement import Advertisement
from device_drivers.cuffs import (
    and_ble,
    and_pbt,
    beurer,
    beurer_ble,
    contec_08a,
    fora,
    lepu_bp2,
    lepu_bp2_list,
    lepu_bp2_session,
    microlife,
    omron_790it,
    omron_ble,
    omron_frames,
    omron_records,
    suntech,
    taidoc_formats,
)
from device_drivers.driver import Driver, UsbId
from device_drivers.errors import UnknownDriver, UnknownFormat
from device_drivers.format import AnyFormat
from device_drivers.oximeters import (
    bci,
    contec_cms50_old,
    contec_cms50d_bt,
    contec_v7,
    jks50f,
    masimo_ascii1,
    nellcor_ascii,
    nonin_ascii,
    nonin_ble,
    nonin_df2,
    nonin_df7,
    nonin_df8,
    nonin_df13,
    nonin_host,
    oxyii_session,
    pc60fw,
    viatom_o2,
    viatom_o2_session,
    viatom_vld,
)
from device_drivers.sig import (
    battery,
    blood_pressure,
    certification,
    device_information,
    floats,
    glucose,
    health_thermometer,
    heart_rate,
    pulse_oximeter,
    pulse_oximeter_session,
    record_access,
    times,
    weight_scale,
)
from device_drivers.thermometers import beurer_ft95, ds18b20, fora_ir42, gaomu, suretemp, temp_sitter


class _Module(Protocol):
    """What a device's module has: the formats that it reads and writes, and the drivers that use them."""

    @property
    def FORMATS(self) -> tuple[AnyFormat, ...]: ...  # noqa: N802 - a constant of a module

    @property
    def DRIVERS(self) -> tuple[Driver, ...]: ...  # noqa: N802 - a constant of a module


MODULES: Final[tuple[_Module, ...]] = (
    floats,
    times,
    blood_pressure,
    health_thermometer,
    pulse_oximeter,
    pulse_oximeter_session,
    record_access,
    heart_rate,
    weight_scale,
    glucose,
    battery,
    device_information,
    certification,
    and_ble,
    beurer_ble,
    beurer_ft95,
    fora_ir42,
    nonin_host,
    nonin_df2,
    nonin_df7,
    nonin_df8,
    nonin_df13,
    nonin_ascii,
    nonin_ble,
    contec_v7,
    contec_cms50_old,
    contec_cms50d_bt,
    bci,
    contec_08a,
    suntech,
    and_pbt,
    beurer,
    suretemp,
    temp_sitter,
    gaomu,
    ds18b20,
    omron_records,
    omron_frames,
    omron_ble,
    omron_790it,
    microlife,
    taidoc_formats,
    fora,
    viatom_o2,
    viatom_o2_session,
    viatom_vld,
    oxyii_session,
    pc60fw,
    jks50f,
    masimo_ascii1,
    nellcor_ascii,
    lepu_bp2,
    lepu_bp2_list,
    lepu_bp2_session,
)

T = TypeVar("T", AnyFormat, Driver)


def _by_key(entries: "list[T]") -> Mapping[str, T]:
    table = {entry.key: entry for entry in entries}
    if len(table) < len(entries):
        raise ValueError("a key is there twice")
    return MappingProxyType(table)


FORMATS: Final = _by_key([entry for module in MODULES for entry in module.FORMATS])
DRIVERS: Final = _by_key([entry for module in MODULES for entry in module.DRIVERS])


def driver(key: str) -> Driver:
    """The driver under `key`. Raises UnknownDriver."""
    try:
        return DRIVERS[key]
    except KeyError:
        raise UnknownDriver(key, sorted(DRIVERS)) from None


def wire_format(key: str) -> AnyFormat:
    """The format under `key`, in upper or lower case. Raises UnknownFormat."""
    for known, found in FORMATS.items():
        if known.casefold() == key.casefold():
            return found
    raise UnknownFormat(key, sorted(FORMATS))


def drivers_for(advertisement: Advertisement) -> tuple[Driver, ...]:
    """Every driver that would take the device; none, one, or several where the advertisement leaves it open, the surest first."""
    fitting = [
        (max(marks.sureness for marks in entry.marks if marks.fit(advertisement)), entry)
        for entry in DRIVERS.values()
        if any(marks.fit(advertisement) for marks in entry.marks)
    ]
    return tuple(entry for _, entry in sorted(fitting, key=lambda pair: -pair[0]))


def drivers_on(usb: UsbId) -> tuple[Driver, ...]:
    """Every driver of a device that is plugged in as this."""
    return tuple(entry for entry in DRIVERS.values() if usb in entry.usb)
