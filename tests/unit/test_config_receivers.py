"""What worker.yml says of receivers and ways: entries under names, and what one entry names another."""

import pytest

from hedwig import config, settings
from hedwig.settings import SITES, Family, SiteRule, Tls


@pytest.fixture
def load(tmp_path):
    def load(text):
        file = tmp_path / "worker.yml"
        file.write_text(text)
        return config.load_worker(file)

    return load


@pytest.fixture
def faults(load):
    def faults(text):
        with pytest.raises(config.ConfigError) as caught:
            load(text)
        return [(one.line, one.key, one.wrong) for one in caught.value.problems]

    return faults


def test_a_known_site_changes_in_the_keys_that_are_named(load):
    sites = load("sites:\n  google:\n    connections: 3\n").sites
    assert sites["google"].connections == 3
    assert sites["google"].mx == SITES["google"].mx
    assert sites["qq"] == SITES["qq"]
    assert list(sites) == list(SITES)


def test_a_site_of_the_admins_is_added(load):
    text = "sites:\n  partner: {mx: [.mx.partner.example], domains: [Partner.Example], per_hour: 100, family: ipv6}\n"
    expected = SiteRule(mx=(".mx.partner.example",), domains=("partner.example",), per_hour=100, family=Family.IPV6)
    assert load(text).sites["partner"] == expected


def test_ways_are_read(load):
    worker = load("""\
tls: encrypt
domains:
  .example.com: {tls: mta-sts}
  bücher.example: {smarthost: office}
sources:
  main: {ipv4: 198.51.100.7, ehlo: robot.genee.cn}
  new: {ipv4: 198.51.100.8, ipv6: "2001:db8::8", warm_up: 2026-11-30}
smarthosts:
  office: {host: smtp.example.com, user: us, password_file: /etc/hedwig/office.secret}
clients:
  less.nankai.edu.cn: {sources: [new]}
""")
    assert worker.tls is Tls.ENCRYPT
    assert worker.domains[".example.com"].tls is Tls.MTA_STS
    assert worker.domains["xn--bcher-kva.example"].smarthost == "office"
    assert worker.sources["new"].warm_up == "2026-11-30"
    assert worker.smarthosts["office"].tls is Tls.VERIFY
    assert worker.clients["less.nankai.edu.cn"].sources == ("new",)


def test_every_fault_is_told_with_its_line(faults):
    found = faults("""\
sites:
  google:
    connection: 3
  Two Words: {mx: [a.example]}
  partner: {connections: 2}
  list: [a]
sources:
  main: {ehlo: robot.genee.cn}
  odd: {ipv4: "2001:db8::1", warm_up: tomorrow}
domains:
  example.com: {tls: perhaps, smarthost: nowhere}
smarthosts:
  office: {user: us, tls: dane}
clients:
  less.nankai.edu.cn: {sources: [main, other]}
""")
    assert [(line, key) for line, key, _ in found] == [
        (3, "sites.google.connection"),
        (4, "sites"),
        (5, "sites.partner"),
        (6, "sites.list"),
        (8, "sources.main"),
        (9, "sources.odd.ipv4"),
        (9, "sources.odd.warm_up"),
        (9, "sources.odd"),
        (11, "domains.example.com.tls"),
        (11, "domains.example.com.smarthost"),
        (13, "smarthosts.office.host"),
        (13, "smarthosts.office.user"),
        (13, "smarthosts.office.tls"),
        (15, "clients.less.nankai.edu.cn.sources"),
    ]
    assert "there is no 'other' in sources" in found[-1][2]


def test_a_password_appears_in_no_repr(load):
    worker = load("smarthosts: {office: {host: a.example, user: us, password: tell-nobody}}\n")
    assert worker.smarthosts["office"].password == "tell-nobody"
    assert "tell-nobody" not in repr(worker)


def test_a_password_that_everybody_can_read_is_warned_of(tmp_path):
    file = tmp_path / "worker.yml"
    file.write_text("smarthosts:\n  office:\n    host: a.example\n    password: tell-nobody\n")
    file.chmod(0o644)
    assert [one.file for one in config.warnings(file)] == [str(file)]
    file.chmod(0o640)
    assert config.warnings(file) == []


def test_each_shipped_site_says_whose_mail_it_takes():
    assert all(site.mx for name, site in SITES.items() if name != "default")
    assert settings.Worker().sites == SITES


def test_a_transaction_has_a_bound(faults):
    [(line, key, text)] = faults("sites:\n  default: {recipients: 1001}\n")
    assert (line, key) == (2, "sites.default.recipients") and "too many" in text
