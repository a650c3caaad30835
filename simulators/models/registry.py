"""The one table of device models: by the key of the driver that reads the device."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from simulators.models import (
    and_ble,
    and_pbt,
    bci,
    beurer,
    beurer_ble,
    contec,
    contec_v7,
    fora_ir42,
    lepu_bp2,
    microlife,
    nonin,
    omron,
    sig,
    sig_more,
    suntech,
    taidoc,
    temp_sitter,
    text_monitors,
    thermometers,
    viatom,
)
from simulators.models.model import DeviceModel, Look


class _Module(Protocol):
    @property
    def MODELS(self) -> Mapping[str, Callable[[Look], DeviceModel]]: ...  # noqa: N802 - a constant of a module


_MODULES: Final[tuple[_Module, ...]] = (
    nonin,
    and_ble,
    beurer_ble,
    fora_ir42,
    sig,
    sig_more,
    suntech,
    and_pbt,
    beurer,
    thermometers,
    temp_sitter,
    bci,
    contec,
    contec_v7,
    omron,
    microlife,
    taidoc,
    viatom,
    lepu_bp2,
    text_monitors,
)

MODELS: Final[Mapping[str, Callable[[Look], DeviceModel]]] = MappingProxyType(
    {key: model for module in _MODULES for key, model in module.MODELS.items()}
)
