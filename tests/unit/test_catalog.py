"""systemd/hedwig.catalog explains each kind of event that hedwig writes to the journal, under that kind's own ID."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hedwig.log import Matter, message_id
from hedwig.spool import Kind

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "systemd" / "hedwig.catalog"
FIELDS = {
    *("QUEUE_ID", "CLIENT", "SENDER", "RCPT", "SITE", "MX", "REPLY", "STATUS", "DELAY", "ATTEMPT", "TLS"),
    *("REASON", "PLACE", "FILE", "PEER", "RULE"),
}
SOURCES = [path for path in (ROOT / "hedwig").rglob("*.py") if path.name != "log.py"]


def entries():
    """kind: (ID, text)."""
    text = CATALOG.read_text(encoding="utf-8")
    found = re.findall(r"^# (\w+)\n-- ([0-9a-f]{32})\n(.*?)(?=^# |\Z)", text, re.MULTILINE | re.DOTALL)
    return {kind: (given, body) for kind, given, body in found}


def words(node):
    """The texts that an argument may be: a constant, or either side of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return words(node.body) | words(node.orelse) if isinstance(node, ast.IfExp) else set()


def kinds_in(path):
    """Kinds that a module names in log.event(kind, ...), or in its journal.tell(kind, ...), which passes them on."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            if called in ("log.event", "journal.tell"):
                found |= words(node.args[0])
    return found


def test_each_kind_in_the_code_has_an_entry_and_no_other():
    """Kinds come from the spool's words, from what the rooms say of messages, and from matters of the daemons."""
    used = {str(kind) for kind in Kind}.union(*(kinds_in(path) for path in SOURCES))
    assert {"accepted", "spooled", "refused"} <= used
    assert set(entries()) == used | {str(matter) for matter in Matter}


def test_each_matter_of_a_daemon_is_told_somewhere():
    """A kind that nobody writes would be a promise without a line."""
    written = "".join(path.read_text(encoding="utf-8") for path in SOURCES)
    assert [matter.name for matter in Matter if not re.search(rf"\bMatter\.{matter.name}\b", written)] == []


def matters_told():
    """(kind, the fields that are passed) of each log.event(Matter.X, ...); "" where the kind is found out first."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "log.event":
                kind, passed = ast.unparse(node.args[0]), {word.arg.upper() for word in node.keywords if word.arg}
                if "Matter." in kind:
                    yield Matter[kind.rpartition(".")[2]].value, passed
                elif "matter" in kind:
                    yield "", passed


def test_a_matters_entry_names_no_field_that_its_line_lacks():
    """`journalctl -x` would show a gap there."""
    known = entries()
    told = list(matters_told())
    assert len(told) > 20
    for kind, passed in told:
        named = set(re.findall(r"@HEDWIG_(\w+)@", known[kind][1])) if kind else {"REASON"}
        assert named <= passed, f"{kind} lacks {named - passed}"


@pytest.mark.parametrize("kind", entries())
def test_an_entry_has_its_kinds_id_a_subject_and_real_fields(kind):
    given, text = entries()[kind]
    assert given == message_id(kind)
    head, _, body = text.partition("\n\n")
    assert re.search(r"^Subject: .{10,100}$", head, re.MULTILINE)
    assert len(body) > 100
    assert set(re.findall(r"@HEDWIG_(\w+)@", text)) <= FIELDS
    assert set(re.findall(r"@(\w+)@", text)) == {f"HEDWIG_{field}" for field in re.findall(r"@HEDWIG_(\w+)@", text)}
    assert max(map(len, body.splitlines())) <= 100


def test_journald_takes_it(tmp_path):
    """The real journalctl compiles it, and shows every entry again."""
    assert shutil.which("journalctl"), "journalctl is missing: make deps"
    for folder in ("usr/lib/systemd/catalog", "var/lib/systemd/catalog"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(CATALOG, tmp_path / "usr/lib/systemd/catalog")
    journalctl = ["journalctl", f"--root={tmp_path}"]
    done = subprocess.run([*journalctl, "--update-catalog"], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    shown = subprocess.run([*journalctl, "--dump-catalog"], check=True, capture_output=True, text=True).stdout
    for given, text in entries().values():
        assert f"-- {given}" in shown
        assert text.splitlines()[0] in shown
