"""What may stand between a spool and its first use."""

from typing import Protocol


class Hindrance(Protocol):
    """What may keep a spool from being open yet (opening.py)."""

    def check(self) -> None:
        """SpoolTrouble while it can't be used yet."""

    def close(self) -> None:
        """Wait no more."""
