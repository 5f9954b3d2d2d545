"""Rows from damaged pages into the tables of a new spool: which table a tree belongs to, and whether a row can be one
of it. What doesn't fit is garbage and left out; columns that came with a later release get their defaults.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hedwig.spool.salvage.image import Image
from hedwig.spool.salvage.tree import Page, Row, Value

LEFT_OUT = frozenset({"meta", "numbers"})  # a new spool has its own
VITAL = ("messages", "bodies", "deliveries", "recipients", "seen")  # known by their looks where the schema is destroyed
_LOT = 4 << 20  # octets in one transaction
_KINDS: dict[str, tuple[type, ...]] = {"INTEGER": (int,), "REAL": (float, int), "TEXT": (str,), "BLOB": (bytes,)}


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a spool. `alias`: the column that is the rowid, -1 for none; `least`: columns at the beginning."""

    name: str
    kinds: tuple[tuple[type, ...], ...]
    optional: tuple[bool, ...]
    defaults: tuple[Value, ...]
    alias: int
    least: int

    def fitted(self, row: Row) -> tuple[Value, ...] | None:
        """The row's values as this table has them; None where it can't be one of its rows."""
        if (row.rowid is None) != (self.alias < 0) or not self.least <= len(row.values):
            return None
        values = list(row.values[: len(self.kinds)])
        values += self.defaults[len(values) :]
        if self.alias >= 0:
            values[self.alias] = row.rowid
        for value, kinds, optional in zip(values, self.kinds, self.optional, strict=True):
            if not (optional if value is None else isinstance(value, kinds)):
                return None
        return tuple(values)


def tables_of(db: sqlite3.Connection) -> dict[str, Table]:
    """The tables of a new spool by name."""
    found = {}
    for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall():
        if name in LEFT_OUT or name.startswith("sqlite_"):
            continue
        columns = db.execute('SELECT type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (name,)).fetchall()
        keyed = "WITHOUT ROWID" in sql
        found[name] = Table(
            name,
            tuple(_KINDS[kind] for kind, *_ in columns),
            tuple(not notnull and not pk for _, notnull, _, pk in columns),
            tuple(_default(db, default) for _, _, default, _ in columns),
            -1 if keyed else next((place for place, column in enumerate(columns) if column[3]), -1),
            max(place + 1 for place, (_, _, default, _) in enumerate(columns) if default is None),
        )
    return found


def _default(db: sqlite3.Connection, default: str | None) -> Value:
    value: Value = db.execute(f"SELECT {default}").fetchone()[0] if default else None
    return value


def pour(image: Image, db: sqlite3.Connection) -> Counter[str]:
    """Write all rows that can be read into the new spool `db`; how many could not, by table."""
    tables = tables_of(db)
    names = _names(image)
    leaves = list(image.leaves(names))
    lost: Counter[str] = Counter()
    db.execute("BEGIN IMMEDIATE")
    octets = 0
    for number, root in leaves:
        if names.get(root, "") not in tables and root in names:
            continue  # an index, or what a new spool has of its own
        rows = list(_rows(image, number))
        table = tables[names[root]] if root in names else _by_looks(rows, tables)
        if table is None:
            continue
        fitted = [table.fitted(row) if row else None for row in rows]
        kept = [values for values in fitted if values is not None]
        lost[table.name] += len(fitted) - len(kept)
        marks = ", ".join("?" * len(table.kinds))
        db.executemany(f"INSERT OR IGNORE INTO {table.name} VALUES ({marks})", kept)  # noqa: S608 (of our own schema)
        octets += sum(len(value) for values in kept for value in values if isinstance(value, bytes | str))
        if octets > _LOT:
            db.execute("COMMIT")
            db.execute("BEGIN IMMEDIATE")
            octets = 0
    db.execute("COMMIT")
    return lost


def _rows(image: Image, number: int) -> Iterator[Row | None]:
    page = Page(image.page(number), number == 1)
    return page.rows(lambda first, octets: image.overflow(first, octets, number))


def _names(image: Image) -> dict[int, str]:
    """Which tree is which table or index, as the schema has it, as far as that can be read."""
    found = {1: "sqlite_schema"}
    for number, root in image.leaves([1]):
        for row in _rows(image, number) if root == 1 else ():
            if row and len(row.values) == 5:  # kind, name, table, root, SQL
                name, place = row.values[1], row.values[3]
                if isinstance(name, str) and isinstance(place, int):
                    found[place] = name
    return found


def _by_looks(rows: Iterable[Row | None], tables: dict[str, Table]) -> Table | None:
    whole = [row for row in rows if row]
    for name in VITAL:
        if whole and all(len(row.values) <= len(tables[name].kinds) and tables[name].fitted(row) for row in whole):
            return tables[name]
    return None
