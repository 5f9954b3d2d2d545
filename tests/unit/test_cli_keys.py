"""`hedwig key`: who may hand in mail. As commands, on files in a directory of the test's own."""

import concurrent.futures
import hashlib
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from hedwig import config
from hedwig.cli import clientfile
from hedwig.cli.hedwig import main
from hedwig.cli.postoffice_url import postoffice_url
from hedwig.options import OnDoubt, Priority
from hedwig.settings import Listen, Postoffice

FQDN = "less.nankai.edu.cn"
HASHES = ["sha256:" + f"{number:02x}" * 32 for number in range(1, 6)]
NEW = "sha256:" + "ab" * 32
HEDWIG = Path(__file__).parents[2] / ".venv" / "bin" / "hedwig"


def keys(directory, fqdn=FQDN):
    return tuple(one.hash for one in config.load_client(directory / "clients.d" / f"{fqdn}.yml").key)


def test_the_lines_that_add_prints_are_a_whole_mailman_yml(hedwig, tmp_path):
    """Pasted (or piped) into the other host's mailman.yml they suffice, and the stored hash is that of the key."""
    out = hedwig("key", "add", "LESS.Nankai.edu.cn", "--url", "https://robot.genee.cn/hedwig").stdout
    mailman = tmp_path / "mailman.yml"
    mailman.write_text(out)
    loaded = config.load_mailman(mailman)
    assert (loaded.fqdn, loaded.postoffice) == (FQDN, "https://robot.genee.cn/hedwig/")
    assert len(loaded.key) >= 43
    assert keys(tmp_path) == ("sha256:" + hashlib.sha256(loaded.key.encode()).hexdigest(),)
    assert loaded.key not in (tmp_path / "clients.d" / f"{FQDN}.yml").read_text()


def test_the_files_are_closed_to_others(hedwig, tmp_path):
    mask = os.umask(0)
    try:
        hedwig("key", "add", FQDN)
    finally:
        os.umask(mask)
    directory = tmp_path / "clients.d"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o750
    assert stat.S_IMODE((directory / f"{FQDN}.yml").stat().st_mode) == 0o640
    assert [file.name for file in directory.iterdir()] == [f"{FQDN}.yml"]


def test_rotation_keeps_the_old_key_until_it_is_revoked(hedwig, tmp_path):
    first = yaml.safe_load(hedwig("key", "add", FQDN).stdout)["key"]
    added = hedwig("key", "add", FQDN)
    assert "has 2 keys now" in added.stderr
    old, new = keys(tmp_path)
    assert old == "sha256:" + hashlib.sha256(first.encode()).hexdigest()
    listed = hedwig("key", "list").stdout
    assert listed.split()[:5] == [FQDN, "2", "keys", old[7:15], new[7:15]]
    hedwig("key", "revoke", FQDN, "--id", old[7:15], "--yes")
    assert keys(tmp_path) == (new,)
    hedwig("key", "revoke", FQDN, "--yes")
    assert list((tmp_path / "clients.d").iterdir()) == []
    assert "No host has a key yet" in hedwig("key", "list").stdout


def test_revoke_asks_first(hedwig, tmp_path):
    hedwig("key", "add", FQDN)
    before = keys(tmp_path)
    hedwig("key", "revoke", FQDN, answer="n\n", status=1)
    hedwig("key", "revoke", FQDN, answer="", status=1)
    assert keys(tmp_path) == before
    hedwig("key", "revoke", FQDN, answer="y\n")
    assert not (tmp_path / "clients.d" / f"{FQDN}.yml").exists()


def test_a_new_file_tells_what_else_may_stand_in_it(hedwig, tmp_path):
    """Each line of its comments that has a key works without its `#`, and goes on standing there."""
    hedwig("key", "add", FQDN)
    file = tmp_path / "clients.d" / f"{FQDN}.yml"
    text = file.read_text()
    for line in ("#priority: normal", "#on_doubt: retry"):
        assert f"{line}\n" in text
        text = text.replace(line, line[1:])
    file.write_text(text.replace("priority: normal", "priority: bulk"))
    loaded = config.load_client(file)
    assert (loaded.priority, loaded.on_doubt) == (Priority.BULK, OnDoubt.RETRY)
    hedwig("key", "revoke", FQDN, "--yes")
    left = config.load_client(file)
    assert (left.key, left.priority) == ((), Priority.BULK)


def test_what_cannot_be_revoked_is_said(hedwig, tmp_path):
    assert "has no keys here" in hedwig("key", "revoke", FQDN, status=1).stderr
    file = tmp_path / "clients.d" / f"{FQDN}.yml"
    file.parent.mkdir()
    file.write_text(f"key: [{HASHES[0]}, {HASHES[0][:-1]}0]\n")
    assert "fits 2 keys" in hedwig("key", "revoke", FQDN, "--id", "0101", status=1).stderr
    assert "01010101" in hedwig("key", "revoke", FQDN, "--id", "ff", status=1).stderr
    assert "no such key" in hedwig("key", "revoke", FQDN, "--id", "", status=1).stderr


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "/etc/passwd", "a/b", ".", "..", "", "a b", "10.0.0.1", "\x1b[2J"]
)
def test_a_name_that_is_no_host_is_refused_and_makes_no_file(hedwig, tmp_path, name):
    """I11: no name becomes a path."""
    error = hedwig("key", "add", "--", name, status=2).stderr
    assert "less.example.com" in error
    assert "\x1b" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_broken_client_file_is_left_alone(hedwig, tmp_path):
    file = tmp_path / "clients.d" / f"{FQDN}.yml"
    file.parent.mkdir()
    file.write_text("key: [plain-key]\nlater: 3\n")
    error = hedwig("key", "add", FQDN, status=1).stderr
    assert f"{file}:1: key" in error
    assert f"{file}:2: later: unknown key" in error
    assert "Nothing was changed" in error
    assert file.read_text() == "key: [plain-key]\nlater: 3\n"
    (file.parent / "good.example.yml").write_text(f"key: {HASHES[0]}\n")
    listed = hedwig("key", "list", status=1)
    assert "good.example" in listed.stdout
    assert re.search(rf"^{FQDN} +a fault ", listed.stdout, re.MULTILINE)
    assert "plain-key" not in listed.stderr
    (file.parent / "a\33[31mb.yml").write_text("")
    assert "a\\x1b[31mb  " in hedwig("key", "list", status=1).stdout


def test_ten_at_once_lose_no_key(tmp_path):
    """Real processes: each change is made under a lock, on what the one before has left."""
    command = [HEDWIG, "--config-dir", tmp_path, "key", "add", FQDN]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        made = list(pool.map(lambda _: subprocess.run(command, capture_output=True, check=True, timeout=60), range(10)))
    printed = {yaml.safe_load(one.stdout)["key"] for one in made}
    assert {"sha256:" + hashlib.sha256(key.encode()).hexdigest() for key in printed} == set(keys(tmp_path))
    assert len(keys(tmp_path)) == 10


def test_no_directory_and_no_permission_are_said(hedwig, tmp_path):
    gone = tmp_path / "none"
    result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(gone), "key", "add", FQDN])
    assert result.exit_code == 1
    assert f"can't write {gone}/clients.d: No such file or directory" in result.stderr
    (tmp_path / "clients.d").write_text("")
    assert "can't write" in hedwig("key", "add", FQDN, status=1).stderr
    assert "can't read" in hedwig("key", "list", status=1).stderr


PATH = Path("clients.d/a.example.yml")
SHAPES = [
    "",
    "# a remark\n",
    "# a remark without an end of line",
    f"key:\n  - {HASHES[0]}\n",
    f"key:\n- {HASHES[0]}  # the old one\n- '{HASHES[1]}'\n",
    f"key:\n  - {HASHES[0]}\n  # in between\n  - {HASHES[1]}\n\n# the end\n",
    f"key:\n  - {HASHES[0]}",
    f'# ours\nkey: ["{HASHES[0]}"]   # since spring\n',
    f"key: [{HASHES[0]}, {HASHES[1]}]\n",
    f"key: [\n  {HASHES[0]},\n  {HASHES[1]},\n]\n",
    f"key: {HASHES[0]}\n",
    f"key:   '{HASHES[0]}' # single\n",
    "key: []\n",
    "key:\n",
    "key:   # none yet\n",
    f"# first\nlater: [1, 2]  # not known to this release\nkey:\n    - {HASHES[0]}\nmore:\n  deep: x\n",
    "later: 1\n",
    f"---\nkey:\n  - {HASHES[0]}\n",
    f"  key:\n    - {HASHES[0]}\n  later: 2\n",
    f"key:\r\n  - {HASHES[0]}\r\n  - {HASHES[1]}\r\nlater: 1\r\n",
    f"{{key: [{HASHES[0]}], later: 1}}\n",
]


def read(text):
    content = yaml.safe_load(text) or {}
    listed = content.pop("key", None) or []
    return ([listed] if isinstance(listed, str) else listed), content


@pytest.mark.parametrize("text", SHAPES)
def test_adding_changes_nothing_else(text):
    """Judged by another reader (yaml.safe_load), and by the text: every character that was there still is, in order."""
    new = clientfile.with_key(PATH, text, NEW, "2026-01-31")
    before, rest = read(text)
    assert read(new) == ([*before, NEW], rest)
    left = iter(new)
    assert all(character in left for character in text)
    again = clientfile.with_key(PATH, new, HASHES[4], "2026-02-01")
    assert read(again) == ([*before, NEW, HASHES[4]], rest)


@pytest.mark.parametrize("text", [shape for shape in SHAPES if HASHES[0] in shape])
def test_removing_changes_nothing_else(text):
    before, rest = read(text)
    for gone in ([before[0]], [before[-1]], before):
        new = clientfile.without_keys(PATH, text, gone)
        assert read(new) == ([key for key in before if key not in gone], rest)
        for remark in ("# ours", "# in between", "# the end", "# since spring", "# first", "# single", "# not known"):
            assert (remark in text) == (remark in new)


def test_a_file_that_only_add_has_written_goes_with_its_last_key():
    text = clientfile.with_key(PATH, clientfile.with_key(PATH, "", HASHES[0], "2026-01-31"), NEW, "2026-01-31")
    assert clientfile.without_keys(PATH, text, [HASHES[0]])
    assert clientfile.without_keys(PATH, text, [HASHES[0], NEW]) == ""
    assert clientfile.without_keys(PATH, text + "# mine\n", [HASHES[0], NEW]).endswith("key: []\n# mine\n")


def test_a_shape_that_cannot_be_edited_is_refused_with_its_line():
    with pytest.raises(clientfile.Misshapen, match=r"a\.example\.yml:2: .* by hand"):
        clientfile.with_key(PATH, f"# x\nkey: [ {HASHES[0]}, # one\n  ]   \n", NEW, "d")
    with pytest.raises(clientfile.Misshapen, match="by hand"):
        clientfile.with_key(PATH, "{later: 1}\n", NEW, "d")
    with pytest.raises(clientfile.Misshapen, match="by hand"):
        clientfile.without_keys(PATH, f"key: [{HASHES[0]}, # one\n  {HASHES[1]}]\n", [HASHES[1]])
    with pytest.raises(clientfile.Misshapen, match="by hand"):
        clientfile.without_keys(PATH, f"key:\n  - {HASHES[0]}\n  -\n    {HASHES[1]}\n", [HASHES[1]])


@pytest.mark.parametrize(
    ("listen", "url", "remark"),
    [
        (["192.0.2.1:8025"], "http://192.0.2.1:8025/", ""),
        (["127.0.0.1:8025", "unix:/run/x", "10.1.2.3:80", "192.0.2.1:8025"], "http://10.1.2.3:80/", ""),
        (["::1:8025", "2001:db8::1:8025"], "http://[2001:db8::1]:8025/", ""),
        (["127.0.0.1:8025", "172.17.0.1:8025"], "http://172.17.0.1:8025/", "on this host only"),
        (["docker0:8025"], "http://172.30.0.1:8025/", "on this host only"),
        (["eth0:8025"], "http://198.51.100.7:8025/", ""),
        (["eth1:8025"], "http://robot.genee.cn:8025/", "listens on no outside address"),
        (["0.0.0.0:9000"], "http://robot.genee.cn:9000/", ""),
        (["127.0.0.1:8025", "unix:/run/x"], "http://robot.genee.cn:8025/", "listens on no outside address"),
    ],
)
def test_the_url_comes_from_what_postoffice_listens_on(listen, url, remark):
    addresses = {"docker0": "172.30.0.1", "eth0": "198.51.100.7"}
    ports = [
        Listen(one[5:], 0) if one.startswith("unix:") else Listen(one.rpartition(":")[0], int(one.rpartition(":")[2]))
        for one in listen
    ]
    found = postoffice_url(ports, "robot.genee.cn", lambda name: addresses.get(name, ""))
    assert found.url == url
    assert remark in found.remark
    assert bool(remark) == bool(found.remark)


def test_the_real_interfaces_are_asked():
    assert postoffice_url([Listen("lo", 8025)], "robot.genee.cn").url == "http://robot.genee.cn:8025/"


def test_the_remark_is_a_comment_in_what_is_pasted(hedwig, tmp_path):
    out = hedwig("key", "add", FQDN).stdout
    assert out.startswith("# ")
    assert yaml.safe_load(out)["postoffice"] == "http://172.17.0.1:8025/"
    assert str(Postoffice().listen[1]) == "172.17.0.1:8025"
    (tmp_path / "postoffice.yml").write_text("listen: 192.0.2.9:8025\n")
    assert yaml.safe_load(hedwig("key", "add", FQDN).stdout)["postoffice"] == "http://192.0.2.9:8025/"
    (tmp_path / "postoffice.yml").write_text("listn: 192.0.2.9:8025\n")
    guessed = hedwig("key", "add", FQDN)
    assert "did you mean listen?" in guessed.stderr
    assert json.dumps(yaml.safe_load(guessed.stdout))
    assert "not an http URL" in hedwig("key", "add", FQDN, "--url", "robot.genee.cn", status=2).stderr
