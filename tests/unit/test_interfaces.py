"""hedwig.interfaces: what `ip address` says, without netlink; in a network namespace of the test's own."""

import json
import subprocess
import sys
from pathlib import Path

from hedwig import interfaces

ROOT = Path(__file__).parents[2]

NAMESPACE = """
set -e
ip link set lo up
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip address add 172.31.5.1/24 dev docker0 label docker0:1
ip link add br-0123456789ab type bridge
ip address add 172.18.0.1/16 dev br-0123456789ab
ip link add podman1 type bridge
ip address add 10.88.0.1/16 dev podman1
ip address add fd00:10::1/64 dev podman1 nodad
ip link add eth7 type bridge
ip address add 192.0.2.9/24 dev eth7
for n in $(seq 1 100); do ip link add many$n type bridge; ip address add 10.9.$n.1/24 dev many$n; done
ip link set eth7 up
ip link set podman1 up
exec "$@"
"""

REPORT = """
import json
from hedwig.interfaces import addresses
print(json.dumps([[one.name, one.address, str(one.network), one.is_docker] for one in addresses()]))
"""


def test_loopback_is_found_here():
    assert ("lo", "127.0.0.1", "127.0.0.0/8") in [
        (one.name, one.address, str(one.network)) for one in interfaces.addresses()
    ]


def test_docker_networks_are_found_up_or_down_with_labels_ipv6_and_a_hundred_others():
    command = ["unshare", "--net", "sh", "-c", NAMESPACE, "sh", sys.executable, "-c", REPORT]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = {tuple(one) for one in json.loads(done.stdout)}
    assert {
        ("lo", "127.0.0.1", "127.0.0.0/8", False),
        ("docker0", "172.17.0.1", "172.17.0.0/16", True),
        ("docker0", "172.31.5.1", "172.31.5.0/24", True),
        ("br-0123456789ab", "172.18.0.1", "172.18.0.0/16", True),
        ("podman1", "10.88.0.1", "10.88.0.0/16", True),
        ("podman1", "fd00:10::1", "fd00:10::/64", True),
        ("eth7", "192.0.2.9", "192.0.2.0/24", False),
        ("many100", "10.9.100.1", "10.9.100.0/24", False),
    } <= found
    assert not any(one[1].startswith("fe80") for one in found)


def test_a_closed_proc_leaves_out_ipv6_only(monkeypatch, tmp_path):
    monkeypatch.setattr(interfaces, "_IF_INET6", tmp_path / "absent")
    assert {one.address.count(":") for one in interfaces.addresses()} == {0}
