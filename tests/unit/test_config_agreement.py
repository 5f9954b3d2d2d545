"""Settings of worker.yml that are each fine and can't be had together: what could never work is told beforehand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hedwig import config
from hedwig.config import Problem
from hedwig.routing import Exchanger
from hedwig.settings import SITES, Worker
from hedwig.sites import Sites

V6 = '  six: {ipv6: "2001:db8::6"}\n  seven: {ipv6: "2001:db8::7"}\n'
Load = Callable[[str], Worker]
Faults = Callable[[str], list[Problem]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(text: str) -> Worker:
        (tmp_path / "worker.yml").write_text(text)
        return config.load_worker(tmp_path / "worker.yml")

    return load


@pytest.fixture
def faults(load: Load) -> Faults:
    def faults(text: str) -> list[Problem]:
        with pytest.raises(config.ConfigError) as caught:
            load(text)
        assert all(one.right for one in caught.value.problems)
        return caught.value.problems

    return faults


@pytest.mark.parametrize(("switch", "tls"), [("dane", "dane"), ("mta_sts", "mta-sts")])
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("tls: {}\n", "tls"),
        ("domains: {d.example: {tls: {}}}\n", "domains.d.example.tls"),
        ("sites: {default: {tls: {}}}\n", "sites.default.tls"),
        ("sites: {google: {tls: {}}}\n", "sites.google.tls"),
    ],
)
def test_tls_that_is_demanded_is_not_switched_off(
    load: Load, faults: Faults, switch: str, tls: str, text: str, key: str
) -> None:
    """Such mail would wait until it expires, and the fault is ours."""
    text = text.replace("tls: {}", f"tls: {tls}")
    [found] = faults(f"{switch}: false\n{text}")
    assert (found.line, found.key) == (2, key)
    assert found.wrong == f"`{switch}: false` rules {tls} out, so that this mail could never be delivered"
    assert f"{switch}: true" in found.right
    other = "mta_sts" if switch == "dane" else "dane"
    assert load(f"{other}: false\n{text}") and load(text)


def test_each_of_them_is_told(faults: Faults) -> None:
    found = faults("""\
dane: false
mta_sts: false
tls: dane
domains:
  a.example: {tls: mta-sts}
  .b.example: {tls: dane}
smarthosts:
  office: {host: a.example, tls: dane}
""")
    assert [(one.line, one.key) for one in found] == [
        (3, "tls"),
        (5, "domains.a.example.tls"),
        (6, "domains..b.example.tls"),
        (8, "smarthosts.office.tls"),
    ]


def test_a_family_is_one_that_a_source_has(load: Load, faults: Faults) -> None:
    site = "sites:\n  s:\n    mx: [.s.example]\n    family: ipv4\n"
    [found] = faults(f"{site}    sources: [six]\nsources:\n{V6}")
    assert (found.line, found.key) == (4, "sites.s.family")
    assert found.wrong == "no ipv4 address is in six of sources: such mail could never leave"
    [found] = faults(f"{site}sources:\n{V6}")  # without a name: all of them
    assert "in six, seven of sources" in found.wrong
    [found] = faults(f"sites:\n  default: {{family: ipv4}}\nsources:\n{V6}")
    assert (found.line, found.key) == (2, "sites.default.family")
    for fine in (
        site,  # the system chooses
        f"{site}sources:\n{V6}  four: {{ipv4: 192.0.2.4}}\n",
        f"{site.replace('ipv4', 'ipv4-first')}sources:\n{V6}",
        f"{site.replace('ipv4', 'ipv6')}sources:\n{V6}",
    ):
        assert load(fine)


def test_a_sending_hosts_sources_have_the_family_that_a_site_wants(load: Load, faults: Faults) -> None:
    text = f"sites:\n  qq: {{family: ipv4}}\nsources:\n{V6}  four: {{ipv4: 192.0.2.4}}\nclients:\n"
    [found] = faults(f"{text}  a.example: {{sources: [six]}}\n")
    assert (found.line, found.key) == (8, "clients.a.example.sources")
    assert found.wrong == "no ipv4 address is in six of sources, and `sites: qq` wants one: such mail could never leave"
    assert load(f"{text}  a.example: {{sources: [six, four]}}\n")
    relay = "  a.example: {sources: [six], smarthost: office}\nsmarthosts: {office: {host: b.example}}\n"
    assert load(text + relay), "its mail goes to no site"


@pytest.mark.parametrize("key", ["mx", "domains"])
def test_two_sites_of_the_file_do_not_claim_the_same(load: Load, faults: Faults, key: str) -> None:
    text = f"sites:\n  one:\n    {key}: [a.example, .b.example]\n  two:\n    {key}: [.B.example, c.example]\n"
    [found] = faults(text)
    assert (found.line, found.key) == (5, f"sites.two.{key}")
    assert found.wrong == ".b.example is of `sites: one`, too"
    assert load(text.replace(".B.example", ".d.b.example")), "what is below it may be another site's"
    assert load(text.replace(".B.example", "b.example"))


def test_a_site_of_the_admins_may_take_a_known_ones_servers(load: Load, faults: Faults) -> None:
    """A new version may know a receiver that the file has named before: the file stays right, and keeps its word."""
    worker = load("sites:\n  mine: {mx: [.qq.com], connections: 1}\n")
    assert Sites(worker.sites).name_of("a.example", [Exchanger(10, "mx1.qq.com")]) == "mine"
    [found] = faults("sites:\n  mine: {mx: [.qq.com]}\n  other: {mx: [.qq.com]}\n")
    assert (found.line, found.wrong) == (3, ".qq.com is of `sites: mine`, too")
    [found] = faults("sites:\n  google: {mx: [.google.com, .qq.com]}\n")  # qq would win, and nobody see it
    assert (found.line, found.key, found.wrong) == (2, "sites.google.mx", ".qq.com is of `sites: qq`, too")
    [found] = faults("sites:\n  qq: {mx: [.qq.com]}\n  mine: {mx: [.qq.com]}\n")
    assert (found.line, found.key) == (3, "sites.mine.mx")


def test_the_known_sites_agree(load: Load) -> None:
    assert load("").sites == SITES


def test_default_names_nobody(faults: Faults) -> None:
    found = faults("sites:\n  default:\n    mx: [.a.example]\n    domains: [b.example]\n  s: {mx: [.a.example]}\n")
    assert [(one.line, one.key) for one in found] == [(3, "sites.default.mx"), (4, "sites.default.domains")]
    assert found[0].right == "write it below a name of its own: `partner: {mx: [.a.example]}`"


def test_two_sources_have_two_addresses(load: Load, faults: Faults) -> None:
    text = """\
sources:
  one: {ipv4: 192.0.2.1, ipv6: "2001:db8::1"}
  two:
    ipv4: 192.0.2.1
    ipv6: "2001:DB8:0::1"
"""
    found = faults(text)
    assert [(one.line, one.key) for one in found] == [(4, "sources.two.ipv4"), (5, "sources.two.ipv6")]
    assert "192.0.2.1 is in `sources: one`, too" in found[0].wrong
    assert load(text.replace("    ipv4: 192.0.2.1\n", "").replace("DB8:0::1", "DB8:0::2"))


@pytest.mark.parametrize(("warn_after", "fine"), [("6d", False), ("10m", False), ("9m", True), ("0", True), ("", True)])
def test_a_warning_comes_before_the_end(load: Load, faults: Faults, warn_after: str, fine: bool) -> None:
    text = "retry:\n  expire: 10m\n" + (f"  warn_after: {warn_after}\n" if warn_after else "")
    if fine:
        assert load(text)
        return
    [found] = faults(text)
    assert (found.line, found.key) == (3, "retry.warn_after")
    assert "no sender is ever warned" in found.wrong and "0 for never" in found.right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("sites: {default: {per_hour: -1}}", "write a number from 1 on, in digits alone, or 0 for no bound"),
        ("sites: {default: {per_day: many}}", "write a number from 1 on, in digits alone, or 0 for no bound"),
        ("suppress: -1", "write it like 30s, 6m, 2h, 1h30m or 5d, or 0 for none"),
        ("retry: {warn_after: 400d}", "write it like 30s, 6m, 2h or 5d, or 0 for none"),
        ("reports_per_hour: 0", "write a number from 1 on, in digits alone"),
    ],
)
def test_0_is_named_where_it_is_right(faults: Faults, text: str, right: str) -> None:
    [found] = faults(text)
    assert found.right == right


def test_what_has_a_fault_already_is_not_told_twice(faults: Faults) -> None:
    """A value that can't be read counts as its default; an entry without one is told once."""
    found = faults("dane: no\ntls: dane\nsources:\n  none: {}\nsites:\n  s: {mx: [.s.example], family: ipv4}\n")
    assert [(one.line, one.key) for one in found] == [(1, "dane"), (4, "sources.none")]
