"""Keys with a last day: `hedwig key add --expires`, `hedwig key expire`, and the file's text edited by place."""

from pathlib import Path

import pytest

from hedwig import config
from hedwig.cli import clientfile

FQDN = "less.nankai.edu.cn"
HASHES = ["sha256:" + f"{number:02x}" * 32 for number in range(1, 3)]
NEW = "sha256:" + "ab" * 32
PATH = Path("clients.d/a.example.yml")


def keys(directory):
    return tuple(one.hash for one in config.load_client(directory / "clients.d" / f"{FQDN}.yml").key)


def test_a_key_has_its_last_day(hedwig, tmp_path):
    """A new one beside the old one, which then ends: by commands alone. What list shows is what the file says."""
    hedwig("key", "add", FQDN)
    (old,) = keys(tmp_path)
    hedwig("key", "add", FQDN, "--expires", "2099-12-31")
    assert "say which by --id" in hedwig("key", "expire", FQDN, "2098-06-30", status=1).stderr
    said = hedwig("key", "expire", FQDN, "2098-06-30", "--id", old[7:15]).stdout
    assert said == f"The key {old[7:15]} of {FQDN} is valid until 2098-07-01 00:00.\n"
    file = tmp_path / "clients.d" / f"{FQDN}.yml"
    assert f'- {{hash: "{old}", expires: 2098-06-30}}  # added ' in file.read_text()
    first, second = config.load_client(file).key
    assert (first.hash, first.expires < second.expires) == (old, True)
    listed = hedwig("key", "list").stdout
    assert f"{old[7:15]} until 2098-07-01 00:00, {second.hash[7:15]} until 2100-01-01 00:00" in listed
    assert "without end" in hedwig("key", "expire", FQDN, "--never", "--id", old[7:15]).stdout
    assert config.load_client(file).key[0].expires == 0
    hedwig("key", "revoke", FQDN, "--yes")
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2020-01-01"], "has passed already"),
        (["tomorrow"], "write its last day like 2027-01-31"),
        ([], "--never"),
        (["2099-01-01", "--never"], "--never"),
    ],
)
def test_a_last_day_that_is_none(hedwig, words, said):
    hedwig("key", "add", FQDN)
    assert said in hedwig("key", "expire", FQDN, *words, status=2).stderr


EXPIRING = [
    f"key:\n  - hash: {HASHES[0]}\n    expires: 2030-01-01\n  # between\n  - {HASHES[1]}  # two\n"
    "senders: [a@b.example]\n",
    f"key:\n  - {HASHES[1]}  # two\n  - hash: {HASHES[0]}\n    expires: 2030-01-01\n\n# end\n",
    f"key: [{{hash: {HASHES[0]}, expires: 2030-01-01}}, {HASHES[1]}]\n",
    f"key: {{hash: {HASHES[0]}, expires: 2030-01-01}}\n",
]


@pytest.mark.parametrize("text", EXPIRING)
def test_keys_with_an_end_are_edited_by_place(text):
    """Another key comes, the end moves, the key goes: the others, comments and other settings stay."""

    def rest(text):
        return [(key, key_end) for key, key_end in clientfile._entries(PATH, text) if key != HASHES[0]]

    added = clientfile.with_key(PATH, text, NEW, "2026-01-31", "2031-01-01")
    assert (HASHES[0], "2030-01-01") in clientfile._entries(PATH, added)
    assert clientfile._entries(PATH, added)[-1] == (NEW, "2031-01-01")
    moved = clientfile.with_expiry(PATH, added, HASHES[0], "2040-01-01")
    assert (HASHES[0], "2040-01-01") in clientfile._entries(PATH, moved)
    assert rest(moved) == rest(added)
    gone = clientfile.without_keys(PATH, moved, [HASHES[0]])
    assert clientfile._entries(PATH, gone) == rest(added)
    for remark in ("# between", "# two", "# end", "senders: [a@b.example]"):
        assert (remark in text) == (remark in gone)
