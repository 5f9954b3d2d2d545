"""Salvaging: a new spool from what a damaged one still holds, by reading its pages ourselves.

(`sqlite3 FILE .recover` would be the usual tool. Debian 12's can't: its library lacks what that needs. It knows nothing
of a damaged log either, nor what belongs to a letter.)

The order of effects: the new spool is made whole in a folder of its own, beside the damaged one; what can't go on is
written there as files; then the damaged files move into that folder, and the new one into their place. Nothing of the
damaged spool is changed or deleted. History that was moved out lies in files of its own and stays as it is. Broken off
at any point, it may be done again.
"""

import json
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from hedwig.queueid import is_valid
from hedwig.spool import SpoolTrouble
from hedwig.spool.examine import fault_of, in_use
from hedwig.spool.numbers import unused_number
from hedwig.spool.owner import Lock
from hedwig.spool.salvage.image import Image
from hedwig.spool.salvage.mend import Aside, asides, body, clean, restore
from hedwig.spool.salvage.tables import pour
from hedwig.spool.schema import connect, prepare, sync_folder
from hedwig.spool.trouble import SPOOL_ERRORS, trouble
from hedwig.spool.turn import share

_PARTS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """`messages` and `recipients` are in the new spool; `aside`: what is not, or not whole; `lost`: rows of each table
    that could not be read. `folder` has the damaged files, and what was set aside."""

    messages: int
    recipients: int
    aside: tuple[Aside, ...]
    lost: dict[str, int]
    folder: str


def salvage(path: str, *, to_postoffice: bool, now: float) -> Salvaged:
    """Put a new spool in the place of a damaged one. `to_postoffice`: it is mailman's. `now` names the folder.

    SpoolTrouble: a process has it open, the disk is full (it takes as much room again as the mail in it) ...
    """
    lock = Lock(Path(f"{path}.owner"))
    try:
        if not lock.take() or in_use(path):
            raise SpoolTrouble(
                f"{path} is in use: stop hedwig's daemons on this host first (`fuser {path}` names them)"
            )
        folder = Path(f"{path}.salvage-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}")
        folder.mkdir(mode=0o700)
        return _Salvage(path, folder).run(to_postoffice)
    except SPOOL_ERRORS as error:
        raise trouble(error, path) from error
    finally:
        lock.give_back()


class _Salvage:
    def __init__(self, path: str, folder: Path) -> None:
        self._path = path
        self._folder = folder
        self._new = str(folder / "spool.db")

    def run(self, to_postoffice: bool) -> Salvaged:
        """All of it."""
        prepare(self._new, create=True)
        with closing(connect(self._new)) as db:
            with closing(Image(self._path)) as image:
                lost = pour(image, db)
            restore(db, to_postoffice=to_postoffice)
            found = self._set_aside(db)
            db.execute("BEGIN IMMEDIATE")
            clean(db, found)
            if Path(f"{self._path}.history").is_dir():
                db.execute("UPDATE numbers SET happened = max(happened, ?)", (unused_number(),))
            db.execute("COMMIT")
            ((messages,),) = db.execute("SELECT count(*) FROM messages").fetchall()
            ((recipients,),) = db.execute("SELECT count(*) FROM recipients WHERE state <> 'done'").fetchall()
        if fault := fault_of(self._new, float("inf")):
            raise SpoolTrouble(f"the new spool {self._new} is not sound ({fault}): nothing was moved")
        self._exchange()
        rows = {name: count for name, count in lost.items() if count}
        return Salvaged(messages, recipients, tuple(found), rows, str(self._folder))

    def _set_aside(self, db: sqlite3.Connection) -> list[Aside]:
        """Write what the operator may need; the letters, to which `clean` puts an end."""
        found = list(asides(db))
        for one in found:
            name = one.queue_id if is_valid(one.queue_id) else f"message-{one.message}"
            if one.message:
                (self._folder / f"{name}.eml").write_bytes(body(db, one.message))
        (self._folder / "aside.json").write_text(json.dumps([asdict(one) for one in found], indent=2) + "\n")
        return found

    def _exchange(self) -> None:
        """The damaged files into the folder, the new one into their place; the names synced."""
        damaged = Path(self._path)
        share(self._new, str(damaged if damaged.exists() else damaged.absolute().parent))
        for part in _PARTS:
            file = Path(f"{self._path}{part}")
            if file.exists():
                file.rename(self._folder / f"damaged.db{part}")
        Path(self._new).rename(damaged)
        Path(f"{self._new}.turn").unlink(missing_ok=True)
        sync_folder(str(self._folder / "damaged.db"))
        sync_folder(self._path)
