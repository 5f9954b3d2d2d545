"""`ca_file` is looked at before mailman trips over it: by `hedwig config check` and `hedwig setup`."""

import datetime
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hedwig.cli.authority import pair_for
from hedwig.cli.ca_file import hidden, look_at
from hedwig.cli.hedwig import main
from hedwig.config import Unfit

LINES = "fqdn: a.example\npostoffice: https://192.0.2.1/\nkey: 4cd9zNwSXvksxw_mLdg9e\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter, unlike pytest's."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def ca(folder: Path) -> Path:
    """The certificate of a real authority, as `hedwig open` makes it."""
    pair_for("robot.example", folder, datetime.datetime.now(datetime.UTC))
    (folder / "ca.pem").chmod(0o644)
    return folder / "ca.pem"


def wrong(path: Path, user: str = "nobody") -> str:
    with pytest.raises(Unfit) as raised:
        look_at(path, user)
    return str(raised.value)


def check(folder: Path, ca_file: Path, status: int, *options: str) -> Result:
    file = folder / "mailman.yml"
    file.write_text(f"{LINES}ca_file: {ca_file}\n")
    file.chmod(0o640)
    result = CliRunner(mix_stderr=False).invoke(main, ["--config-dir", str(folder), "config", "check", *options])
    assert result.exit_code == status, result.stderr
    return result


def test_good_certificates_are_fine(folder: Path, ca: Path) -> None:
    look_at(ca, "nobody")
    assert f"{folder}/mailman.yml: fine" in check(folder, ca, 0).stdout


def test_a_file_that_is_not_there(folder: Path) -> None:
    """With the line of mailman.yml, on the terminal and as JSON."""
    result = check(folder, folder / "gone.pem", 1)
    assert f"{folder}/mailman.yml:4: ca_file: {folder}/gone.pem: No such file or directory" in result.stderr
    assert "mailman.yml: fine" not in result.stdout
    (fault,) = json.loads(check(folder, folder / "gone.pem", 1, "--json").stdout)["faults"]
    assert (fault["line"], fault["key"]) == (4, "ca_file")


@pytest.mark.parametrize(
    "content", [b"", b"rubbish\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x82\x01"]
)
def test_a_file_without_certificates(folder: Path, ca: Path, content: bytes) -> None:
    ca.write_bytes(content)
    assert "holds no certificate that can be read; PEM is wanted" in wrong(ca)
    assert ":4: ca_file: " in check(folder, ca, 1).stderr


def test_a_key_instead_of_its_certificate(folder: Path, ca: Path) -> None:
    """The neighbour in the same folder is easily named by mistake."""
    assert ca.exists()
    (folder / "ca.key").chmod(0o644)
    assert "holds no certificate" in wrong(folder / "ca.key")


def test_a_file_that_only_root_can_read(ca: Path) -> None:
    """Root's check would find nothing wrong with it: mailman is another user."""
    assert os.geteuid() == 0, "run the tests as root, as for network namespaces"
    ca.chmod(0o600)
    assert f"the user nobody can't read {ca}; chgrp hedwig {ca}" in wrong(ca)
    ca.chmod(0o644)
    ca.parent.chmod(0o700)
    assert "the user nobody can't read" in wrong(ca)


def test_where_there_is_no_such_user_it_is_asked_for_ourselves(ca: Path) -> None:
    ca.chmod(0o600)
    look_at(ca, "no-such-user")


def test_a_folder_of_hashed_certificates_will_do(folder: Path, ca: Path) -> None:
    """As OpenSSL takes it, and so mailman."""
    several = folder / "several"
    several.mkdir()
    shutil.copy(ca, several)
    assert "a folder without hashed certificates; `openssl rehash" in wrong(several)
    subprocess.run(["openssl", "rehash", several], check=True, capture_output=True)
    several.chmod(0o755)
    look_at(several, "nobody")
    several.chmod(0o744)
    assert "the user nobody can't read" in wrong(several)


@pytest.mark.parametrize("place", ["/home", "/root", "/tmp"])
def test_where_the_unit_hides_it(place: str) -> None:
    """ProtectHome= and PrivateTmp=: it would be found by this command and never by the daemon."""
    assert "hedwig-mailman.service can't see into" in hidden(Path(place, "some", "ca.pem"), "mailman")
    assert "hedwig-worker@.service can't see into" in hidden(Path(place, "some", "ca.pem"), "worker")
    assert not hidden(Path("/etc/hedwig/ca.pem"), "mailman")


def test_a_workers_certificates_are_looked_at_too(folder: Path) -> None:
    (folder / "worker.yml").write_text(f"ca_file: {folder}/ca.pem\n")
    result = CliRunner().invoke(main, ["--config-dir", str(folder), "config", "check"])
    assert result.exit_code == 1
    assert "worker.yml:1: ca_file:" in result.output


def test_setup_warns_and_writes_the_line_all_the_same(folder: Path) -> None:
    """The file may follow a moment later; the words say what is wrong until then."""
    given = ["--fqdn", "a.example", "--postoffice", "https://192.0.2.1/", "--key-file", "-", "--no-check"]
    command = ["--config-dir", str(folder), "setup", *given, "--ca-file", f"{folder}/ca.pem"]
    result = CliRunner(mix_stderr=False).invoke(main, command, input="4cd9zNwSXvksxw_mLdg9e\n")
    assert result.exit_code == 0
    assert f"warning: ca_file: {folder}/ca.pem: No such file" in result.stderr
    assert f"ca_file: {folder}/ca.pem" in (folder / "mailman.yml").read_text()
