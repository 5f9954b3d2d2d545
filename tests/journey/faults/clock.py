"""A wall clock that the test sets, for real daemons: libfaketime in front of the C library.

The monotonic clock runs on as it is, as it does when an operator or NTP sets the time.
"""

from pathlib import Path

from ..network import tool


class WallClock:
    """Unix time of the processes that run under `command`; `ahead` seconds of the true time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.set(0)

    def set(self, ahead: int) -> None:
        """The clock is so many seconds ahead from now on; behind, where that is negative."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead:+d}\n")
        fresh.replace(self._file)

    @property
    def command(self) -> list[str]:
        """What a command line begins with."""
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        assert found, "libfaketime is missing: `make deps` installs it"
        return [
            tool("env"),
            f"LD_PRELOAD={found[0]}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_RESET=1",
            "NO_FAKE_STAT=1",
        ]
