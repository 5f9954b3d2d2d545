"""The journeys' DNS: what stands in the zone is found, all else does not exist; and it may be signed."""

import asyncio
import time
from pathlib import Path

import dns.resolver
import pytest

from hedwig.mx import MxUnknown, TlsaAnswer, TlsaFound, TlsaNone
from hedwig.mx.dns import DnsResolver

from .dns import RESOLVER, Dns
from .network import Network


def test_found_and_not_found(network: Network, tmp_path: Path) -> None:
    """MX and A by way of unbound; NXDOMAIN for what is not there."""
    del network
    served = Dns(tmp_path, "163.com. MX 10 mx.163.com.\nmx.163.com. A 192.0.2.1\nnull.example. MX 0 .")
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [RESOLVER]
    assert str(resolver.resolve("163.com", "MX")[0]) == "10 mx.163.com."
    assert str(resolver.resolve("mx.163.com", "A")[0]) == "192.0.2.1"
    assert str(resolver.resolve("null.example", "MX")[0]) == "0 ."
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver.resolve("nowhere.example", "MX")
    served.close()


def test_signed_records_are_secure_and_forged_ones_bogus(network: Network, tmp_path: Path) -> None:
    """TLSA by way of an unbound that validates; a domain may be insecure all the same, and a record become bogus."""
    del network
    hosts = ("mx.163.com", "mx.qq.com", "mx.insecure.example")
    records = "\n".join(f"{host}. A 192.0.2.1\n_25._tcp.{host}. TLSA 3 1 1 {'5ae1' * 16}" for host in hosts)
    served = Dns(tmp_path, records, signed=True, insecure=["insecure.example"])
    answers = dict(zip(hosts, _tlsa(*hosts), strict=True))
    assert [type(answers[host]) for host in hosts] == [TlsaFound, TlsaFound, TlsaNone]
    served.change(records, forged=["_25._tcp.mx.163.com TLSA"])
    give_up = time.monotonic() + 20
    while isinstance(_tlsa("mx.163.com")[0], TlsaFound):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert [type(each) for each in _tlsa("mx.163.com", "mx.qq.com")] == [MxUnknown, TlsaFound]
    served.close()


def _tlsa(*hosts: str) -> list[TlsaAnswer]:
    """What a resolver that knows nothing yet says of these hosts."""

    async def ask() -> list[TlsaAnswer]:
        resolver = DnsResolver([RESOLVER])
        try:
            return [await resolver.tlsa(host, 25) for host in hosts]
        finally:
            await resolver.close()

    return asyncio.run(ask())
