"""The key in the clear: which URLs keep it on this host, and which send it over a network for anybody to read."""

import asyncio
import ipaddress

import pytest

from hedwig import log
from hedwig.interfaces import InterfaceAddress
from hedwig.mailman.clear import Caution, in_the_clear, resolved
from hedwig.settings import Mailman

NAMES = {"own.example": ["10.1.2.3", "2001:db8::5"], "half.example": ["10.1.2.3", "192.0.2.1"]}


def interface(name, text):
    made = ipaddress.ip_interface(text)
    return InterfaceAddress(name, str(made.ip), made.network)


HERE = [interface("eth0", "10.1.2.3/24"), interface("eth0", "2001:db8::5/64"), interface("br-0a1b", "172.18.0.1/16")]


def resolve(host):
    return NAMES.get(host) or ([] if host.endswith(".example") else resolved(host))


@pytest.mark.parametrize(
    "url",
    [
        "https://192.0.2.1/",
        "https://nowhere.example/",
        "http://127.0.0.1:8025/",
        "http://127.9.9.9/",
        "http://[::1]:8025/",
        "http://localhost/",
        "http://10.1.2.3:8025/",
        "http://172.18.0.7/",
        "http://own.example/",
        "",
    ],
)
def test_it_stays_on_this_host(url):
    assert not in_the_clear(url, HERE, resolve)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "http://10.1.2.4:8025/",
        "http://172.17.0.1:8025/",
        "http://[2001:db8::6]/",
        "http://half.example/",
        "http://nowhere.example/",
    ],
)
def test_it_goes_over_a_network(url):
    assert in_the_clear(url, HERE, resolve)


async def test_it_is_said_in_log_and_status_and_taken_back():
    said = []
    log.capture(lambda level, message, fields: said.append((level, message)))
    caution = Caution(lambda: HERE)
    for url, clear in (("http://192.0.2.1/", True), ("https://192.0.2.1/", False)):
        caution.look(Mailman(postoffice=url))
        await asyncio.wait_for(caution._looking, 10)
        assert bool(caution.why) == clear
    log.start("hedwig")
    assert [level for level, _ in said] == [log.Level.WARNING]
    assert "http://192.0.2.1/ in the clear" in said[0][1] and "`hedwig open`" in said[0][1]
