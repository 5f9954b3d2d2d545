"""TLS policies of routes: what worker.yml, DNS and MTA-STS say together, and which domains share a connection then."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_rig import Names

from hedwig import log
from hedwig.dane import TlsaRecord
from hedwig.mx import MxAnswer, MxFound, MxUnknown, TlsaAnswer, TlsaFound, TlsaNone
from hedwig.options import TlsWish
from hedwig.routing import Exchanger
from hedwig.settings import DomainRule, SiteRule, Smarthost, Tls, Worker
from hedwig.tls import Barred, Demand, Mode, StsPolicy
from hedwig.worker.policies import Policies
from hedwig.worker.route import Myself, Route, Router
from hedwig.worker.sts import Found
from hedwig.worker.ways import Ways

MX = (Exchanger(10, "mx1.example.com"), Exchanger(20, "mx2.example.com"))
EE = TlsaRecord(3, 1, 1, b"\x5a" * 32)
TA = TlsaRecord(2, 1, 1, b"\x5a" * 32)
ENFORCE = StsPolicy(Mode.ENFORCE, ("mx1.example.com",), 86400)


class Dns(Names):
    """TLSA records by host."""

    def __init__(self, secure: bool = True) -> None:
        super().__init__({exchanger.host: "127.0.0.1" for exchanger in MX})
        self.secure = secure
        self.records: dict[str, TlsaAnswer] = {}
        self.asked: list[tuple[str, int]] = []

    async def exchangers(self, domain: str) -> MxAnswer:
        return MxFound(MX, secure=self.secure)

    async def tlsa(self, host: str, port: int) -> TlsaAnswer:
        self.asked.append((host, port))
        return self.records.get(host, TlsaNone("none"))


class Sts:
    """A policy for all, or the trouble that there is none."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.asked: list[str] = []

    async def of(self, domain: str) -> Found:
        self.asked.append(domain)
        return self.found

    def look(self) -> None:
        """Nobody else has any."""

    async def close(self) -> None:
        """Nothing is under way."""


@pytest.fixture
def journal() -> Iterator[list[str]]:
    said: list[str] = []
    log.capture(lambda level, message, fields: said.append(f"{level.name} {message}"))
    yield said
    log.start("test")


async def routed(dns: Dns, worker: Worker, found: Found | None = None, domain: str = "example.com") -> Route:
    policies = Policies(dns, worker, Sts(found) if found else None)
    route = await Router(dns, Myself("robot.genee.cn", ()), 25, Ways(worker), policies).route(domain)
    assert isinstance(route, Route)
    return route


async def test_a_route_has_its_policy_and_its_site_the_kind_of_it() -> None:
    worker = Worker(domains={"example.com": DomainRule(tls=Tls.ENCRYPT)})
    route = await routed(Dns(), worker, Found(ENFORCE))
    assert (route.policy.domain, route.policy.level, route.policy.sts) == ("example.com", Tls.ENCRYPT, ENFORCE)
    assert route.site.tls == "encrypt sts-enforce mx1.example.com"
    assert route.site.name == "mx1.example.com,mx2.example.com"
    assert (await routed(Dns(), Worker())).site.tls == ""


async def test_the_sites_word_is_its_sites() -> None:
    worker = Worker(sites={"partner": SiteRule(mx=(".example.com",), tls=Tls.VERIFY)})
    route = await routed(Dns(), worker)
    assert route.policy.origin == "`sites: partner` in worker.yml"
    assert route.site.tls == "verify"


@pytest.mark.parametrize(
    ("mta_sts", "tls", "domain"),
    [
        (False, Tls.MAY, "example.com"),
        (True, Tls.NONE, "example.com"),
        (True, Tls.MAY, "[192.0.2.1]"),
    ],
)
async def test_where_no_policy_is_asked_for(mta_sts: bool, tls: Tls, domain: str) -> None:
    dns, sts = Dns(), Sts(Found(ENFORCE))
    policies = Policies(dns, Worker(mta_sts=mta_sts, tls=tls), sts)
    policy, _ = await policies.of(domain, "", SiteRule(), MX, MxFound(MX))
    assert (policy.sts, sts.asked) == (None, [])


@pytest.mark.parametrize(
    ("secure", "records", "kind"),
    [
        (True, (TA,), "example.com"),
        (True, (TA, EE), ""),
        (True, (EE,), ""),
        (True, (), ""),
        (False, (TA,), ""),
    ],
)
async def test_who_may_prove_itself_by_the_domains_name_shares_with_no_other(
    secure: bool, records: tuple[TlsaRecord, ...], kind: str
) -> None:
    """RFC 7672 §3.2.3: a certificate for example.com says nothing of who else has that host for its MX."""
    dns = Dns(secure)
    dns.records["mx2.example.com"] = TlsaFound("mx2.example.com", records) if records else TlsaNone("none")
    assert (await routed(dns, Worker())).site.tls == kind
    assert bool(dns.asked) is secure


async def test_what_is_asked_of_a_host() -> None:
    dns = Dns()
    policies = Policies(dns, Worker())
    dns.records["mx1.example.com"] = TlsaFound("mx1.example.com", (EE,))
    dns.records["mx2.example.com"] = MxUnknown("SERVFAIL")
    policy, _ = await policies.of("example.com", "", SiteRule(), MX, MxFound(MX, secure=True))
    first = await policies.demand(policy, "mx1.example.com", 26, TlsWish.USUAL)
    assert isinstance(first, Demand)
    assert first.records == (EE,)
    assert dns.asked[-1] == ("mx1.example.com", 26)
    second = await policies.demand(policy, "mx2.example.com", 25, TlsWish.USUAL)
    assert isinstance(second, Barred)
    dns.records["mx2.example.com"] = MxUnknown("nobody answers", gone=5.0)
    assert isinstance(await policies.demand(policy, "mx2.example.com", 25, TlsWish.USUAL), MxUnknown)
    policies.take(Worker(dane=False))
    policy, _ = await policies.of("example.com", "", SiteRule(), MX, MxFound(MX, secure=True))
    third = await policies.demand(policy, "mx1.example.com", 25, TlsWish.USUAL)
    assert isinstance(third, Demand)
    assert not third.required


@pytest.mark.parametrize(("tls", "authority"), [(Tls.VERIFY, True), (Tls.ENCRYPT, False), (Tls.MTA_STS, True)])
async def test_a_smarthosts_word_is_its_own(tls: Tls, authority: bool) -> None:
    """Its name is the admin's: nobody must vouch for that, and REQUIRETLS may go there."""
    smarthost = Smarthost(host="mx1.example.com", tls=tls)
    worker = Worker(smarthosts={"office": smarthost}, domains={"example.com": DomainRule(smarthost="office")})
    route = await routed(Dns(), worker, Found(ENFORCE))
    assert (route.policy.domain, route.policy.level) == ("mx1.example.com", tls)
    made = await Policies(Dns(), worker).demand(route.policy, "mx1.example.com", 587, TlsWish.USUAL)
    assert isinstance(made, Demand)
    assert bool(made.authority) is authority
    assert "`smarthosts: office` in worker.yml" in (made.authority or made.required)
    assert isinstance(
        await Policies(Dns(), worker).demand(route.policy, "mx1.example.com", 587, TlsWish.REQUIRED), Demand
    )


def test_authorities_that_can_not_be_read_are_an_alert_and_trust_nobody(tmp_path: Path, journal: list[str]) -> None:
    """I8: mail that needs them waits; with the file back a reload mends it."""
    policies = Policies(Dns(), Worker(ca_file=str(tmp_path / "ca.pem")))
    assert journal[0].startswith("ALERT `ca_file` in worker.yml: no CA certificates can be read from")
    failed = policies.trust.check([b"x"], "mx1.example.com")
    assert failed is not None
    assert failed.result == "certificate-not-trusted"
    policies.take(Worker())
    failed = policies.trust.check([], "mx1.example.com")
    assert failed is not None
    assert "showed no certificate" in failed.text
