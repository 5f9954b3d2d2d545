"""`hedwig open`: postoffice behind the real nginx with TLS, and the real HTTP client of mailman before it."""

import datetime
import json
import os
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from open_place import NGINX, Place, until

from hedwig import config
from hedwig.cli import reloading, site_check
from hedwig.cli.authority import pair_for
from hedwig.cli.hedwig import main
from hedwig.cli.nginx import Pair, Site, firewall, site
from hedwig.settings import MIB, Listen


@pytest.fixture
def place(tmp_path, monkeypatch):
    assert NGINX, "nginx is missing: make deps"
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    monkeypatch.setattr(site_check, "POSTOFFICE_PATIENCE", 0.0)  # no postoffice runs in most of these tests
    made = Place(tmp_path)
    yield made
    made.close()


def test_a_mailman_elsewhere_reaches_postoffice_through_nginx(place, tmp_path):
    """The lines that are printed suffice: the CA, the URL, the key. A raw form of 180 MiB passes; 401 stays 401."""
    place.nginx()
    said = place.open("127.0.0.0/8", "--name", "127.0.0.1").stdout
    place.postoffice()
    pem = said[said.index("-----BEGIN") :]
    ca_file = tmp_path / "postoffice-ca.pem"
    ca_file.write_text(pem)
    url = f"https://127.0.0.1:{place.tls_port}/"
    assert f"--url {url}" in said
    lines = place.hedwig("key", "add", "less.example.com", "--url", url).stdout
    there = tmp_path / "there"
    there.mkdir()
    (there / "lines").write_text(lines)
    done = CliRunner(mix_stderr=False).invoke(
        main, ["--config-dir", str(there), "setup", "--from", str(there / "lines"), "--ca-file", str(ca_file)]
    )
    assert f"{url} takes mail from less.example.com" in done.stdout, done.stderr
    mailman = config.load_mailman(there / "mailman.yml")
    until("nginx's new site", lambda: post(mailman, "x").status_code == 200)
    assert post(mailman, "\0" * (29 * MIB)).status_code == 200  # \u0000 is six octets in JSON, in the form even more
    assert (
        requests.post(url, data={"fqdn": "a", "key": "b", "email": "{}"}, verify=ca_file, timeout=30).status_code == 401
    )


def post(mailman, text):
    """The original form, its letter padded with `text` in which NUL stands for the longest escape."""
    data = "Subject: x\r\n\r\n" + text.replace("\0", "x")
    email = json.dumps({"mailfrom": "a@b.example", "rcpttos": ["c@d.example"], "data": data})
    if "\0" in text:
        email = email.replace("x" * (29 * MIB), "\\u0061" * (29 * MIB))
    form = {"fqdn": (None, mailman.fqdn), "key": (None, mailman.key), "email": (None, email)}
    return requests.post(mailman.postoffice, files=form, verify=mailman.ca_file, timeout=120)


def test_networks_are_the_only_ones(place):
    """Who is in none of them gets 403 from nginx, and doing it again with others takes the first away."""
    place.nginx()
    place.open("192.0.2.0/24", "--name", "127.0.0.1")
    url, ca = f"https://127.0.0.1:{place.tls_port}/healthz", place.etc / "tls" / "ca.pem"
    until("403", lambda: status(url, ca) == 403)
    before = ca.read_bytes()
    place.open("192.0.2.0/24", "127.0.0.1", "--name", "127.0.0.1")
    place.postoffice()
    until("200", lambda: status(url, ca) == 200)
    assert ca.read_bytes() == before


def status(url, ca):
    try:
        return requests.get(url, verify=ca, timeout=10).status_code
    except requests.ConnectionError:
        return 0


def test_a_site_that_nginx_refuses_leaves_all_as_it_was(place, tmp_path):
    """A certificate that is none: nginx's own words are told, and the running site stays."""
    place.nginx()
    place.open("--name", "127.0.0.1")
    before = (place.conf / "sites-available" / "hedwig").read_text()
    (tmp_path / "no.pem").write_text("no certificate")
    pair = ("--cert", str(tmp_path / "no.pem"), "--key", str(tmp_path / "no.pem"))
    assert "PEM" in place.open("--name", "127.0.0.1", *pair, status=1).stderr
    assert (place.conf / "sites-available" / "hedwig").read_text() == before
    (place.conf / "sites-enabled" / "hedwig").unlink()
    place.open("--name", "127.0.0.1", *pair, status=1)
    assert not (place.conf / "sites-enabled" / "hedwig").is_symlink()


def test_ones_own_certificate_needs_no_ca_file(place, tmp_path):
    pair = pair_for("po.example", tmp_path, datetime.datetime.now(datetime.UTC))
    place.nginx()
    said = place.open("--name", "po.example", "--cert", str(pair.certificate), "--key", str(pair.key)).stdout
    assert "ca_file" not in said
    assert not (place.etc / "tls").exists()
    assert f'ssl_certificate "{pair.certificate}";' in (place.conf / "sites-available" / "hedwig").read_text()


@pytest.mark.parametrize("lacks", ["nginx", "its folders", "a free name"])
def test_where_nginx_cant_take_it_nothing_is_changed(place, monkeypatch, lacks):
    """Neither postoffice's listen line nor an authority is made for a site that can't be."""
    if lacks == "nginx":
        monkeypatch.setenv("PATH", str(place.run))
    elif lacks == "its folders":
        (place.conf / "sites-enabled").rmdir()
    else:
        (place.conf / "sites-enabled" / "hedwig").write_text("# somebody's own\n")
    before = (place.etc / "postoffice.yml").read_bytes()
    said = place.open("--name", "127.0.0.1", status=1).stderr
    assert ("move it away" if lacks == "a free name" else "apt install nginx") in said
    assert (place.etc / "postoffice.yml").read_bytes() == before
    assert os.listdir(place.etc) == ["postoffice.yml"]
    assert not (place.conf / "sites-available" / "hedwig").exists()


def test_a_reload_that_fails_is_told(place, monkeypatch):
    """systemd is there and says no: the line stands in the file, and the admin hears what is left to do."""
    systemctl = place.run / "systemctl"
    systemctl.write_text("#!/bin/sh\necho 'Unit hedwig-postoffice.service not loaded.' >&2\nexit 5\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place.run}:{os.environ['PATH']}")
    monkeypatch.setattr(reloading, "CONFIG", place.etc)
    monkeypatch.setattr(reloading, "SYSTEMD", place.run)
    said = place.hedwig("open", "--plain", "10.1.2.3:8025").stderr
    assert "not loaded" in said and "Then: systemctl reload hedwig-postoffice" in said
    systemctl.write_text("#!/bin/sh\nexit 0\n")
    assert "Then:" not in place.hedwig("open", "--plain", "10.1.2.4:8025").stderr


def test_plain_is_a_listen_line_and_a_warning(place):
    """Twice is once; what else stands in the file stays."""
    before = (place.etc / "postoffice.yml").read_text()
    result = place.hedwig("open", "10.0.0.0/8", "--plain", "10.1.2.3:8025")
    assert "no TLS" in result.stderr
    assert "10.0.0.0/8" in result.stdout and "--url http://10.1.2.3:8025/" in result.stdout
    after = (place.etc / "postoffice.yml").read_text()
    assert after.replace(", 10.1.2.3:8025", "") == before
    place.hedwig("open", "--plain", "10.1.2.3:8025")
    assert (place.etc / "postoffice.yml").read_text() == after
    assert "public address" in place.hedwig("open", "--plain", "8.8.8.8:8025").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("10.0.0.1/8",),
        ("--plain", "10.0.0.1"),
        ("--plain", "unix:/x"),
        ("--plain", "10.0.0.1:1", "--name", "a"),
        ("--cert", "/etc/passwd"),
        ("--name", "a b"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(place, arguments):
    place.open(*arguments, status=2)


def test_the_unix_socket_joins_the_default_list(place):
    """Who never wrote a `listen:` keeps the addresses that were the default."""
    (place.etc / "postoffice.yml").write_text("# nothing\n")
    place.nginx()
    place.open("--name", "127.0.0.1")
    listen = config.load_postoffice(place.etc / "postoffice.yml").listen
    assert listen == (Listen("127.0.0.1", 8025), Listen("172.17.0.1", 8025), Listen(str(place.socket), 0))


@pytest.mark.parametrize("name", ['a"b', "a;b", "a$b", "a\nb", "a{b"])
def test_no_path_means_something_to_nginx(name):
    about = Site("a", 443, Pair(Path("/x") / name, Path("/y")), "/s", (), MIB)
    with pytest.raises(ValueError, match="plainer name"):
        site(about, ipv6=False)


def test_firewall_lines():
    assert firewall(["192.0.2.0/24"], 443, ufw=True) == ["ufw allow proto tcp from 192.0.2.0/24 to any port 443"]
    assert firewall([], 443, ufw=True) == ["ufw allow proto tcp from any to any port 443"]
    assert firewall(["2001:db8::/32"], 443, ufw=False) == [
        "nft add rule inet filter input ip6 saddr 2001:db8::/32 tcp dport 443 accept"
    ]
