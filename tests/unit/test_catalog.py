"""systemd/hedwig.catalog explains each kind of event that hedwig writes to the journal, under that kind's own ID."""

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hedwig.log import message_id
from hedwig.spool import Kind

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "systemd" / "hedwig.catalog"
FIELDS = {"QUEUE_ID", "CLIENT", "SENDER", "RCPT", "SITE", "MX", "REPLY", "STATUS", "DELAY", "ATTEMPT", "TLS"}


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
    """Kinds that a module names in log.event(kind, ...), or in a `_tell(kind, ...)` of its own that passes them on."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            if called in ("log.event", "_tell"):
                found |= words(node.args[0])
    return found


def test_each_kind_in_the_code_has_an_entry_and_no_other():
    """Kinds come from the spool's words, and from what the rooms say."""
    used = {str(kind) for kind in Kind}.union(*(kinds_in(path) for path in (ROOT / "hedwig").rglob("*.py")))
    assert {"accepted", "spooled", "refused"} <= used
    assert set(entries()) == used


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
