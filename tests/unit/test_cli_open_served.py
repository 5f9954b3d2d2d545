"""`hedwig open` goes and sees: what it says is served is served, and a site that isn't served is taken back."""

import os
import re
import subprocess
import sys

import pytest
from open_place import NGINX, Place

from hedwig.cli import nginx as module
from hedwig.cli import site_check

HOLD = (
    "import socket, sys\n"
    "s = socket.create_server(('0.0.0.0', int(sys.argv[1]))); print('ready', flush=True)\n"
    "while True: s.accept()[0].close()"
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    assert NGINX, "nginx is missing: make deps"
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    monkeypatch.setattr(site_check, "PATIENCE", 4.0)
    monkeypatch.setattr(site_check, "POSTOFFICE_PATIENCE", 0.0)
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.fixture
def other(place):
    """Another program that has the port, on all addresses."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(place.tls_port)], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"ready\n"
        yield running
        running.kill()


def sites(place):
    return [path for path in place.conf.rglob("*") if path.name == "hedwig"]


def test_another_program_has_the_port(place, other):
    """nginx -t passes and the reload says nothing: whoever goes there meets the other program, which is named."""
    place.nginx()
    said = place.open("--name", "127.0.0.1", status=1)
    assert f"(pid {other.pid}) has port {place.tls_port}" in said.stderr
    assert "The site was taken back" in said.stderr
    assert "key add" not in said.stdout
    assert sites(place) == []
    subprocess.run([NGINX, "-t", "-q", "-c", place.conf / "nginx.conf"], check=True)


def test_nginx_stands_and_cant_start(place, other, monkeypatch):
    """systemctl fails: the site goes, so that nginx starts again once it may; the words name who has the port."""
    systemctl = place.run / "systemctl"
    systemctl.write_text("#!/bin/sh\necho 'Job for nginx.service failed.' >&2\nexit 1\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.run}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "CONF", place.conf)
    monkeypatch.setattr(module, "_SYSTEMD", place.run)
    said = place.open("--name", "127.0.0.1", status=1).stderr
    assert "Job for nginx.service failed" in said
    assert f"(pid {other.pid}) has port {place.tls_port}" in said
    assert sites(place) == []


def test_another_site_of_nginx_answers(place):
    """An address has no name in TLS, so nginx's first site answers: that is seen, and the old state comes back."""
    place.nginx()
    place.open("--name", "po.example")
    first = place.conf / "sites-enabled" / "hedwig"
    text = first.read_text()
    (place.conf / "sites-enabled" / "aaa").write_text(text)
    first.unlink()
    said = place.open("--name", "127.0.0.1", status=1).stderr
    assert re.search(r"nginx \(pid \d+\) has port \d+ .*another certificate", said)
    assert not first.exists()
    assert (place.conf / "sites-available" / "hedwig").read_text() == text


def test_postoffice_that_doesnt_answer_is_said(place):
    """The site serves and stays; that postoffice isn't behind it is a warning, and none when it is."""
    place.nginx()
    assert "nginx answers 502: postoffice is not behind it yet" in place.open("--name", "127.0.0.1").stderr
    place.postoffice()
    assert "warning" not in place.open("--name", "127.0.0.1").stderr
