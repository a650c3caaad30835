"""The D-Bus objects that the simulated BlueZ shows: ObjectManager and Properties, with their signals (BlueZ doc/, D-Bus 1.0)."""

from collections.abc import Mapping
from typing import Any, Final

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"

Typed = tuple[str, Any]
"""A value with its D-Bus signature."""


class ObjectTree:
    """Paths, their interfaces, and each interface's properties. Every change is signalled."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self.objects: dict[str, dict[str, dict[str, Variant]]] = {}

    def add(self, path: str, interface: str, properties: Mapping[str, Typed]) -> None:
        variants = {name: Variant(*typed) for name, typed in properties.items()}
        self.objects.setdefault(path, {})[interface] = variants
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: variants}])

    def remove(self, path: str) -> None:
        """Remove an object and all below it, the deepest first."""
        below = sorted((other for other in self.objects if other == path or other.startswith(f"{path}/")), reverse=True)
        for gone in below:
            interfaces = list(self.objects.pop(gone))
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [gone, interfaces])

    def change(self, path: str, interface: str, **properties: Typed) -> None:
        """Change properties of an object; nothing where it is gone."""
        if path not in self.objects:
            return
        variants = {name: Variant(*typed) for name, typed in properties.items()}
        self.objects[path][interface].update(variants)
        self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, variants, []])

    def value(self, path: str, interface: str, name: str) -> Any:  # noqa: ANN401 - D-Bus values are of any type
        return self.objects[path][interface][name].value

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        self._bus.send(Message.new_signal(path, interface, member, signature, body))
