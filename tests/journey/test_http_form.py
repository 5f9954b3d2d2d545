"""The original HTTP form, by curl: 200 and delivered; 401 for a wrong fqdn or key."""

import json
import subprocess
from dataclasses import replace

import pytest

from .host import FQDN, Host
from .network import tool
from .submit import SAMPLE, SENDER, sample_email
from .waiting import until
from .world import World, mx

EMAIL = json.dumps({"mailfrom": SENDER, "rcpttos": ["stenote@163.com"], "data": SAMPLE.decode()})


def curl(option: str, **fields: str) -> tuple[int, str]:
    """POST the fields in this order; status and content."""
    command = [tool("curl"), "-sS", "--max-time", "30", "-w", "\n%{http_code}"]
    for name, value in fields.items():
        command += [option, f"{name}={value}"]
    done = subprocess.run([*command, "http://127.0.0.1:8025/"], capture_output=True, text=True, check=True, timeout=60)
    content, _, status = done.stdout.rpartition("\n")
    return int(status), content


@pytest.mark.parametrize("option", ["--data-urlencode", "--form-string"])
@pytest.mark.parametrize("order", [("fqdn", "key", "email"), ("email", "key", "fqdn")], ids=" ".join)
def test_accepted_and_delivered(world: World, option: str, order: tuple[str, ...]) -> None:
    """Urlencoded and multipart, fields in any order; the answer has the queue ID."""
    world.dns(mx("163.com", "192.0.2.1"))
    far = world.far("192.0.2.1")
    host = world.host().start("beanstalkd", "postoffice", "worker-1")
    fields = {"fqdn": FQDN, "key": host.key, "email": EMAIL}
    status, content = curl(option, **{name: fields[name] for name in order})
    assert status == 200, content
    letter = until("the letter", far.accepted)[0]
    assert (letter.mailfrom, letter.rcpttos) == (SENDER, ("stenote@163.com",))
    assert letter.body == b"\r\nHello Stenote !\r\n"
    assert "delivered" in until("the outcome", lambda: _settled(host, json.loads(content)["id"]))


def _settled(host: Host, queue_id: str) -> str:
    return "" if host.is_queued(queue_id) else host.history(queue_id).lower()


def test_wrong_fqdn_and_wrong_key_are_401_and_look_the_same(world: World) -> None:
    """Nobody learns which hosts exist; nothing is queued; the key is in no log."""
    host = world.host().start("beanstalkd", "postoffice")
    wrong_key = curl("--data-urlencode", fqdn=FQDN, key="wrong", email=EMAIL)
    wrong_fqdn = curl("--data-urlencode", fqdn="other.example", key=host.key, email=EMAIL)
    assert wrong_key[0] == wrong_fqdn[0] == 401
    assert wrong_key[1] == wrong_fqdn[1]
    assert "stenote@163.com" not in host.listed()
    assert host.key not in host["postoffice"].words()


def test_a_revoked_key_is_401_at_once(world: World) -> None:
    """A running postoffice takes key changes without a restart; a new key works at once too."""
    host = world.host().start("beanstalkd", "postoffice")
    email = sample_email("stenote@163.com")
    assert host.http.form(email)[0] == 200
    other = replace(host.http, fqdn="other.example", key=host.add_key("other.example")["key"])
    assert other.form(email)[0] == 200
    host.hedwig("key", "revoke", "--yes", "other.example")
    until("401", lambda: other.form(email)[0] == 401, seconds=5)  # the promise is half a second
