"""The private authority of `hedwig open`: certificates that stand strict checks; nothing of anybody's is replaced."""

import datetime
import shutil
import ssl
import subprocess

import pytest

from hedwig.cli.authority import pair_for


@pytest.mark.parametrize("lost", ["ca.pem", "ca.key"])
def test_half_an_authority_is_not_replaced(tmp_path, lost):
    """Every host that trusts the old one would be shut out."""
    now = datetime.datetime.now(datetime.UTC)
    pair_for("po.example", tmp_path, now)
    (tmp_path / lost).unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="put the other one back"):
        pair_for("po.example", tmp_path, now)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_somebodys_own_certificate_is_not_replaced(tmp_path):
    """A bought one that lies in CONFIGDIR/tls under the host's name."""
    now = datetime.datetime.now(datetime.UTC)
    (tmp_path / "bought").mkdir()
    bought = pair_for("po.example", tmp_path / "bought", now)
    for path in (bought.certificate, bought.key):
        shutil.copy(path, tmp_path)
    before = (tmp_path / "po.example.key").read_bytes()
    with pytest.raises(ValueError, match="use it by --cert"):
        pair_for("po.example", tmp_path, now)
    assert (tmp_path / "po.example.key").read_bytes() == before
    (tmp_path / "po.example.pem").write_text("rubbish")
    with pytest.raises(ValueError, match="use it by --cert"):
        pair_for("po.example", tmp_path, now)


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
def test_an_authority_that_cant_be_read_is_named(tmp_path, name):
    pair_for("po.example", tmp_path, datetime.datetime.now(datetime.UTC))
    (tmp_path / name).write_text("rubbish")
    with pytest.raises(ValueError, match=f"{tmp_path}/ca.pem and {tmp_path}/ca.key are no authority of ours"):
        pair_for("po.example", tmp_path, datetime.datetime.now(datetime.UTC))


def test_the_private_authority_stands_a_strict_check(tmp_path):
    """The pair is kept, made anew near its end or for another name; keys are for root alone."""
    now = datetime.datetime.now(datetime.UTC)
    pair = pair_for("po.example", tmp_path, now)
    first = pair.certificate.read_bytes()
    assert pair_for("po.example", tmp_path, now + datetime.timedelta(days=3000)).certificate.read_bytes() == first
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "po.example"]
    subprocess.run([*command, "-CAfile", tmp_path / "ca.pem", pair.certificate], check=True, capture_output=True)
    assert [pair.key.stat().st_mode & 0o777, (tmp_path / "ca.key").stat().st_mode & 0o777] == [0o600, 0o600]
    ssl.create_default_context(cafile=tmp_path / "ca.pem")
    authority = (tmp_path / "ca.pem").read_bytes()
    later = pair_for("po.example", tmp_path, now + datetime.timedelta(days=3400))
    assert later.certificate.read_bytes() != first
    assert (tmp_path / "ca.pem").read_bytes() == authority
