"""A client for single commands where more than one server may be the one to ask: each goes to the master of its key."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, Protocol, TypeVar

from redis.asyncio import Redis

T = TypeVar("T")
_SCRIPTS: Final = ("EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO")
_KEYLESS: Final = "bedside"


class Led(Protocol):
    """Leads to the master of a key."""

    is_sharded: bool

    async def led(self, key: str, ask: Callable[["Redis", Any], Awaitable[T]]) -> T: ...

    async def everywhere(self, ask: Callable[["Redis", Any], Awaitable[T]]) -> list[T]: ...


class Routed(Redis):
    """Scripts by their first key (loaded on every master), channels by their name, other commands by their first argument.

    Raises RoomsUnavailable.
    """

    def __init__(self, servers: Led, template: "Redis") -> None:
        super().__init__(connection_pool=template.connection_pool)
        self._servers = servers

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - redis's own signature
        name = str(arguments[0]).upper()
        if name == "PUBLISH" and self._servers.is_sharded:
            arguments = ("SPUBLISH", *arguments[1:])

        def ask(client: "Redis", _: object) -> Awaitable[Any]:
            answer: Awaitable[Any] = client.execute_command(*arguments, **options)  # type: ignore[no-untyped-call]
            return answer

        if name == "SCRIPT LOAD":
            return (await self._servers.everywhere(ask))[0]
        return await self._servers.led(_key_of(name, arguments), ask)

    def pipeline(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("there is no pipeline over several servers; write a script, whose keys share a hash tag")


def _key_of(name: str, arguments: tuple[Any, ...]) -> str:
    place = 3 if name in _SCRIPTS else 1
    key = arguments[place] if len(arguments) > place else _KEYLESS
    return key.decode() if isinstance(key, bytes) else str(key)
