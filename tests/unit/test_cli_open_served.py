"""`hedwig open` does what it says: what isn't served is taken back, and what can't be bound is refused."""

import os
import re
import shutil
import socket
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


@pytest.mark.parametrize("wildcard", ["0.0.0.0:8025", "[::]:8025"])
def test_all_addresses_beside_one_of_them_are_refused(place, wildcard):
    """The default list has 127.0.0.1:8025: postoffice would stand in its own way."""
    listen = "[127.0.0.1:8025, 'unix:/run/x', '[::1]:8025', 127.0.0.1:9]"
    file = place.etc / "postoffice.yml"
    file.write_text(file.read_text().replace(file.read_text().splitlines()[0], f"listen: {listen}"))
    before = file.read_text()
    said = place.hedwig("open", "--plain", wildcard, status=1).stderr
    assert f"can't have {wildcard} beside it: name the address that other hosts reach, like 10.1.2.3:8025" in said
    assert file.read_text() == before
    file.write_text(before.replace(listen, f"['{wildcard}']"))
    one = "10.1.2.3:8025" if wildcard[0] == "0" else "[2001:db8::1]:8025"
    assert "which is every address" in place.hedwig("open", "--plain", one, status=1).stderr


def test_a_wildcard_url_has_the_hosts_name(place):
    """Nobody reaches http://0.0.0.0/."""
    assert f"--url http://{socket.getfqdn()}:9000/" in place.hedwig("open", "--plain", "0.0.0.0:9000").stdout


def test_the_nft_line_says_what_it_lacks(place, monkeypatch):
    """Its table may be missing, and it doesn't outlive a reboot; ufw's line has neither fault."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "A reboot forgets the line" in place.hedwig("open", "--plain", "10.1.2.3:8025").stdout
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}")
    assert "reboot" not in place.hedwig("open", "--plain", "10.1.2.3:8025").stdout


@pytest.mark.parametrize("name", ["po.example", "127.0.0.1"])
def test_key_add_knows_the_site(place, name):
    """Without --url the lines name what `hedwig open` made: not when its site is off, or is not before this socket."""
    place.nginx()
    place.open("--name", name)

    def printed():
        lines = place.hedwig("key", "add", "less.example.com", "--nginx-dir", str(place.conf)).stdout
        return re.search(r"^postoffice: (.*)$", lines, re.MULTILINE)[1]

    wanted = f"https://{name}:{place.tls_port}/"
    assert printed() == wanted
    link = place.conf / "sites-enabled" / "hedwig"
    target = link.readlink()
    link.unlink()
    assert printed() != wanted
    link.symlink_to(target)
    assert printed() == wanted
    file = place.etc / "postoffice.yml"
    file.write_text(file.read_text().replace(str(place.socket), "/run/other.sock"))
    assert printed() != wanted


def test_the_urls_of_names_ports_and_ipv6():
    assert module.url("po.example", 443) == "https://po.example/"
    assert module.url("2001:db8::1", 8443) == "https://[2001:db8::1]:8443/"
