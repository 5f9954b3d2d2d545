"""The journeys' DNS: what stands in the zone is found, all else does not exist."""

from pathlib import Path

import dns.resolver
import pytest

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
