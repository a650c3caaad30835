"""A virtual radio: Bluetooth controllers of bumble on one link, in one process."""

from bumble import hci
from bumble.controller import Controller
from bumble.device import Device
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, TransportSink


class _ControllerSource:
    """Packets from a controller to its host."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def set_packet_sink(self, sink: TransportSink) -> None:
        self._controller.set_packet_sink(sink)


class Radio:
    """Everything that can hear each other. Must be made while an event loop runs."""

    def __init__(self) -> None:
        self._link = LocalLink()  # type: ignore[no-untyped-call]

    def host(self, name: str, address: str) -> Device:
        """A host with a controller of its own, at a static random address; not yet powered on."""
        controller = Controller(name, link=self._link)
        source, sink = _ControllerSource(controller), AsyncPipeSink(controller)
        return Device.with_hci(name, hci.Address(address), source, sink)  # type: ignore[arg-type]
