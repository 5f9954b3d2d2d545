"""What hedwig-alerts keeps: FOLDER/new (records that wait), ledger.json, and told/ID.json, a file for each notice.

What can't be written (a full disk is just what is to be told) is kept in memory and written later; it is told all the
same. Records are removed once the ledger and the notices that they made are on disk; one that is taken twice after a
crash makes the same notice, for that has the record's ID where it was made by one.
"""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from hedwig import log
from hedwig.alerts import notice as notices
from hedwig.alerts.ledger import Ledger
from hedwig.alerts.notice import Notice
from hedwig.bell import Record, new_folder
from hedwig.bell.record import MAX_RECORD, unpacked
from hedwig.settings import DAY

KEPT = 30 * DAY
MOST = 2000
_AT_ONCE = 500


class Store:
    """Of one daemon; one thread."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._new, self._told = new_folder(folder), self.folder / "told"
        self.unwritten: dict[Path, bytes] = {}

    def prepare(self) -> None:
        """Make the folders. OSError."""
        for folder in (self._new, self._told):
            folder.mkdir(mode=0o750, exist_ok=True)

    def take(self) -> list[tuple[Path, Record]]:
        """The records that wait, oldest first; what is none is removed."""
        found = []
        for file in sorted(self._new.glob("*.json"))[:_AT_ONCE]:
            try:
                found.append((file, unpacked(_read(file))))
            except (OSError, ValueError) as error:
                log.say(log.Level.WARNING, f"{file.name} in {self._new} is no record of an alert: {error}")
                self.drop(file)
        return found

    def drop(self, file: Path) -> None:
        """It is done with."""
        with suppress(OSError):
            file.unlink()

    def save(self, ledger: Ledger) -> None:
        """As of now."""
        self._put(self.folder / "ledger.json", json.dumps(ledger.packed()).encode())

    def load(self, ledger: Ledger) -> None:
        """What was saved, if that can be read."""
        try:
            ledger.unpack(json.loads((self.folder / "ledger.json").read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            log.say(log.Level.WARNING, f"{self.folder}/ledger.json can't be read, and is begun anew: {error}")

    def keep(self, notice: Notice) -> None:
        """As it stands."""
        self._put(self._told / f"{notice.id}.json", notice.packed())

    def kept(self) -> list[Notice]:
        """All, oldest first."""
        found = []
        for file in sorted(self._told.glob("*.json")):
            with suppress(OSError, ValueError):
                found.append(notices.unpacked(_read(file)))
        return found

    def one(self, notice: str) -> Notice | None:
        """That of this ID, if it is there."""
        try:
            return notices.unpacked(_read(self._told / f"{notice}.json"))
        except (OSError, ValueError):
            return None

    def tidy(self, now: float) -> None:
        """Remove what is old, and write what could not be written."""
        for notice, left in zip(files := self.kept(), range(len(files), 0, -1), strict=True):
            if notice.at < now - KEPT or left > MOST:
                self.drop(self._told / f"{notice.id}.json")
        for file, content in list(self.unwritten.items()):
            self._put(file, content)

    def _put(self, file: Path, content: bytes) -> None:
        beside = file.with_name(f".{file.stem}.new")
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            with os.fdopen(handle, "wb") as output:
                output.write(content)
                output.flush()
                os.fsync(output.fileno())
            beside.rename(file)
            self.unwritten.pop(file, None)
        except OSError as error:
            if not self.unwritten:
                log.say(log.Level.ERROR, f"{file} can't be written: {error.strerror}; alerts are told all the same")
            self.unwritten[file] = content


def _read(file: Path) -> bytes:
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is no file")
        return opened.read(MAX_RECORD)
