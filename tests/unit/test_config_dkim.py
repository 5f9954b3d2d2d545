"""The folder of DKIM keys: what signs, what does not, and every fault with its file and mend."""

import errno
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from dkim_rig import pem

from hedwig import config
from hedwig.config.dkim import load_keys

TRADITIONAL = PrivateFormat.TraditionalOpenSSL


def put(folder: Path, name: str, content: bytes, mode: int = 0o640) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def faults(folder: Path) -> list[str]:
    with pytest.raises(config.ConfigError) as raised:
        load_keys(folder)
    return [str(problem) for problem in raised.value.problems]


def test_no_folder_is_no_key(tmp_path: Path) -> None:
    assert not load_keys(tmp_path / "dkim")


def test_the_names_say_what_signs(tmp_path: Path) -> None:
    """Staged and retired keys don't; other people's files are left alone."""
    for name in ("a.pem", "b.pem", "c.pem.new", "d.pem.old", "a.txt", ".a.pem.xyz", "a.pem~"):
        put(tmp_path, f"example.com/{name}", pem("ed25519" if name == "a.pem" else "rsa"))
    found = load_keys(tmp_path)
    assert [(key.selector, key.algorithm) for key in found.of("example.com")] == [("b", "rsa"), ("a", "ed25519")]


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    private = load_pem_private_key(pem("rsa"), None)
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    expected = {
        "example.com/damaged.pem": (pem("rsa")[:400], "no private key in PEM, or a damaged one"),
        "example.com/empty.pem": (b"", "no private key in PEM"),
        "example.com/locked.pem": (locked, "encrypted with a password"),
        "example.com/ec.pem": (
            ec_key(SECP256R1()).private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()),
            "RSA and Ed25519 keys alone",
        ),
        "example.com/short.pem": (
            generate_private_key(65537, 768).private_bytes(Encoding.PEM, TRADITIONAL, NoEncryption()),
            "768 bits",
        ),
        "example.com/mail.private": (pem("rsa"), "not SELECTOR.pem"),
        "example.com/a_b.pem": (pem("rsa"), "not SELECTOR.pem"),
        "loose.pem": (pem("rsa"), "no domain's folder"),
        "Example.org/a.pem": (pem("rsa"), "its name is no domain"),
        "com/a.pem": (pem("rsa"), "its name is no domain"),
    }
    for name, (content, _) in expected.items():
        put(tmp_path, name, content)
    put(tmp_path, "example.com/open.pem", pem("rsa"), 0o644)
    (tmp_path / "example.com" / "folder.pem").mkdir()
    told = faults(tmp_path)
    for name, (_, wrong) in expected.items():
        place = name if name.startswith(("example.com", "loose")) else name.partition("/")[0]
        assert [line for line in told if line.startswith(f"{tmp_path / place}: ") and wrong in line], name
    assert f"{tmp_path}/example.com/open.pem: every user of this host can use this key; chmod o-rwx" in "\n".join(told)
    assert "folder.pem: can't be read: Is a directory" in "\n".join(told)
    assert len(told) == len(expected) + 2
    assert "PRIVATE KEY" not in "".join(told)


def test_a_folder_that_all_can_write_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, "example.com/a.pem", pem("rsa"))
    (tmp_path / "example.com").chmod(0o757)
    assert faults(tmp_path) == [
        f"{tmp_path}/example.com: every user of this host can put keys here; chmod o-w {tmp_path}/example.com"
    ]


def test_systemd_hands_keys_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LoadCredential=dkim:FOLDER; other credentials are none of ours."""
    put(tmp_path / "credentials", "dkim_example.com_a.pem", pem("ed25519"), 0o400)
    put(tmp_path / "credentials", "dkim_example.com_b.pem.new", pem("ed25519"), 0o400)
    put(tmp_path / "credentials", "tls.pem", b"x", 0o400)
    put(tmp_path / "etc", "postoffice.yml", b"")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    found = config.load_reception(tmp_path / "etc" / "postoffice.yml").dkim
    assert [(key.domain, key.selector) for key in found] == [("example.com", "a")]


@pytest.mark.parametrize("name", ["postoffice", "worker"])
def test_both_daemons_take_the_keys_beside_their_file(tmp_path: Path, name: str) -> None:
    """And who only looks at the settings needs no right to read keys."""
    put(tmp_path, "dkim/example.com/a.pem", pem("rsa"))
    file = put(tmp_path, f"{name}.yml", b"")
    load = {"postoffice": config.load_reception, "worker": config.load_delivery}[name]
    assert [key.selector for key in load(file).dkim] == ["a"]
    put(tmp_path, "dkim/example.com/a.pem", b"x")
    with pytest.raises(config.ConfigError):
        load(file)
    assert not {"postoffice": config.load_postoffice, "worker": config.load_worker}[name](file).dkim


def test_who_may_not_read_is_told_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, and tests may run as root: so the refusal is played."""
    path = put(tmp_path, "example.com/a.pem", pem("rsa"), 0o600)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert faults(tmp_path) == [f"{path}: can't be read: Permission denied; chown root:hedwig {path}; chmod 640 {path}"]
