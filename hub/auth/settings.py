"""What can be said of a hospital's own identity provider: where its keys are, and how its tokens say what ours say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from hub.limits import Seconds


class JwksSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Web Key Set (RFC 7517), at `url` or in `file`. `ca_file` is for a private authority.

    It is read every `refresh_seconds`, and when a token names a key that isn't in it. While it can't be read, the last keys are believed for
    `keep_seconds` more.
    """

    url: str | None = None
    file: Path | None = None
    ca_file: Path | None = None
    refresh_seconds: Seconds = 300
    keep_seconds: Seconds = 24 * 3600

    @property
    def is_said(self) -> bool:
        return self.url is not None or self.file is not None


class ClaimPaths(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where in a token each of our claims stands, with dots between the levels: `realm_access.roles`."""

    sub: str = "sub"
    jti: str = "jti"
    roles: str = "roles"
    hospitals: str = "hospitals"
    wards: str = "wards"
    patients: str = "patients"

    def mapping(self) -> Mapping[str, str]:
        """Claim -> path."""
        return {name: getattr(self, name) for name in self.__struct_fields__}


OURS: Final = ClaimPaths()
