"""What is known of receivers' TLS outlives connections, web servers, records and workers."""

import socket
import threading
from collections.abc import Iterator

import pytest

from ..network import Network
from ..receivers.ward import LETTER
from ..waiting import until
from ..world import World
from .realm import Has, Realm, policy

STS = {"kept": Has(sts="enforce", insecure=True)}


@pytest.fixture
def world(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(network, tmp_path_factory.mktemp("kept"))
    yield made
    made.close()
    assert made.faults() == []


def restart(realm: Realm, *numbers: int) -> None:
    realm.host["worker-1"].stop()
    realm.host.start(*(f"worker-{number}" for number in numbers))


def test_a_policy_holds_over_a_restart_though_its_web_server_and_record_are_gone(world: World) -> None:
    """Whoever sits between us and the receiver would begin with these. Another worker than the one that fetched it."""
    realm = Realm(world, STS).start()
    case = realm["kept"]
    case.delivered_at_once()
    realm.web.process.stop()
    realm.change("_mta-sts", "_once-mta-sts")
    realm.show(case.far, f"mx1.{case.domain}", "own")
    restart(realm, 2)
    case.queue_id = realm.send(LETTER, *case.rcpttos)
    case.deferred(f"self-signed certificate (certificate 0 of the path); the MTA-STS policy of {case.domain} asks for")
    realm.show(case.far, f"mx1.{case.domain}", "good")
    case.met("delivered")
    assert len(realm.web.asked()) == 1


def test_another_id_brings_another_policy(world: World) -> None:
    """In time for the next letter, though the old one has days to go."""
    realm = Realm(world, STS).start()
    case = realm["kept"]
    case.delivered_at_once()
    realm.web.publish(case.domain, policy("enforce", "elsewhere.example"))
    realm.change("id=1", "id=2")

    def barred() -> bool:
        restart(realm, 1)  # an answer of before holds for a minute
        case.queue_id = realm.send(LETTER, *case.rcpttos)
        return "it is none of the hosts" in until("an outcome", lambda: outcome(realm, case.queue_id))

    until("the new policy", barred)
    assert len(realm.web.asked()) == 2


def outcome(realm: Realm, queue_id: str) -> str:
    said = realm.history(queue_id)
    return said if "delivered" in said or "deferred" in said else ""


def test_a_web_server_that_says_nothing_holds_up_its_own_mail_for_a_while(world: World) -> None:
    """And nobody else's (I9). After ten seconds it goes without (RFC 8461 §5.1)."""
    deaf = socket.create_server(("192.0.2.201", 443))
    held: list[socket.socket] = []
    threading.Thread(target=lambda: [held.append(deaf.accept()[0]) for _ in range(9)], daemon=True).start()
    slow = Has("own", sts="missing", insecure=True, web="192.0.2.201")
    realm = Realm(world, {"slow": slow, "quick": Has("own")}).start()
    realm["quick"].delivered_at_once()
    assert "delivered" not in realm["slow"].history()
    realm["slow"].delivered_at_once()
    assert "TLSv1.3 (its certificate isn't checked)" in realm["slow"].history()
    realm.host["worker-1"].stop()  # it doesn't wait for the fetch
    deaf.close()


def test_broken_tls_is_known_to_the_next_worker_too(world: World) -> None:
    """It is tried once an hour, not with each letter; and only where mail may go in the clear at all."""
    realm = Realm(world, {"broken": Has("noise")}).start()
    case = realm["broken"]
    case.delivered_at_once()
    assert len(case.far.said("STARTTLS")) == 1
    restart(realm, 2)
    case.queue_id = realm.send(LETTER, *case.rcpttos)
    case.met("delivered")
    assert "in the clear (its TLS is broken: TLS handshake: [SSL: WRONG_VERSION_NUMBER]" in case.history()
    assert len(case.far.said("STARTTLS")) == 1
    realm.host.settings["worker"]["domains"] = {case.domain: {"tls": "encrypt"}}
    realm.host.write("worker")
    realm.host.reload("worker-2")
    until("the reload", lambda: "was read again" in realm.host["worker-2"].words())
    case.queue_id = realm.send(LETTER, *case.rcpttos)
    case.deferred("tls: encrypt")
    assert len(case.far.said("STARTTLS")) == 2
