"""Who is let in, where mailman listens, and how it stops: over real sockets, on asyncio and on uvloop."""

import asyncio
import dataclasses
import ipaddress
import shutil
import socket
import time

import pytest
from mailman_fixtures import SETTINGS, Forwarder, as_kept, event_loop, journal, mailman  # noqa: F401

from hedwig.bind import bound
from hedwig.doors import Doors
from hedwig.interfaces import InterfaceAddress
from hedwig.mailman.listener import KIND, Listener
from hedwig.reply import Reply
from hedwig.settings import Listen
from hedwig.supervisor import Supervisor


def interface(name: str, address: str) -> InterfaceAddress:
    found = ipaddress.ip_interface(address)
    return InterfaceAddress(name, str(found.ip), found.network)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_a_stranger_is_told_the_address_the_file_and_the_line(journal):  # noqa: F811
    async with mailman(allow=("docker", "192.0.2.0/24")) as host:
        for _ in range(3):
            async with host.client() as client:
                assert await client.reply() == (
                    554,
                    "5.7.1 127.0.0.1 may not send here; to allow it: /etc/x.yml, "
                    "allow: [docker, 192.0.2.0/24, 127.0.0.1]",
                )
                assert await client.ended() == b""
        counters = host.listener.counters
        assert (counters.connections, counters.connections_refused, host.listener.connections) == (3, 3, 0)
    # Whoever knocks in a loop does not fill the journal.
    (entry,) = [fields for _, _, fields in journal if fields.get("HEDWIG_EVENT") == "refused"]
    assert entry["HEDWIG_CLIENT"] == "127.0.0.1"


async def test_connections_are_bounded_in_all_and_per_peer():
    for bounds in ({"connections": 2}, {"connections_per_peer": 2}):
        async with mailman(**bounds) as host, host.client() as one, host.client() as two:
            await one.greet()
            await two.greet()
            async with host.client() as three:
                code, text = await three.reply()
                assert (code, text[:6]) == (421, "4.7.0 ")
                assert await three.ended() == b""
            await one.ask(b"QUIT\r\n")
            await one.ended()
            async with asyncio.timeout(10):
                while host.listener.connections > 1:
                    await asyncio.sleep(0.001)
            async with host.client() as four:
                await four.greet()


async def test_a_port_that_is_taken_stops_nothing_else_and_is_taken_over_when_free(journal):  # noqa: F811
    """The other address serves; the journal says once who is in the way and what to do, and that it is mended."""
    with bound(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        holding = await asyncio.create_subprocess_exec("sleep", "60", pass_fds=[taken.fileno()])
    other = free_port()
    async with mailman(listen=(Listen("127.0.0.1", port), Listen("127.0.0.2", other))) as host:
        assert [one.getsockname() for one in host.listener.sockets] == [("127.0.0.2", other)]
        await host.listener.look_around()
        (trouble,) = [message for level, message, _ in journal if level == 3]
        assert f"can't listen on 127.0.0.1:{port}: " in trouble
        assert f"sleep (pid {holding.pid}) has this port" in trouble
        assert host.listener.trouble in trouble
        assert f"ss -ltnp 'sport = :{port}'" in trouble
        holding.kill()
        await holding.wait()
        await host.listener.look_around()
        assert len(host.listener.sockets) == 2
    assert any(message == f"listening on 127.0.0.1:{port}" for _, message, _ in journal)


async def test_an_address_that_does_not_exist_yet_is_bound_already():
    """mailman starts before Docker: IP_FREEBIND."""
    for address in ("192.0.2.99", "2001:db8::99"):
        port = free_port()
        async with mailman(listen=(Listen(address, port),)) as host:
            (one,) = host.listener.sockets
            assert one.getsockname()[:2] == (address, port)


async def test_an_interface_is_followed_and_its_connections_live_on(journal):  # noqa: F811
    port = free_port()
    now: list[InterfaceAddress] = []
    async with mailman(interfaces=lambda: tuple(now), listen=(Listen("docker0", port),)) as host:
        assert host.listener.sockets == []
        assert any("interface docker0 has no IPv4 address yet" in message for _, message, _ in journal)
        now[:] = [
            interface("docker0", "127.0.0.7/24"),
            interface("docker0", "fd00::1/64"),
            interface("eth0", "127.0.0.8/8"),
        ]
        await host.listener.look_around()
        assert [one.getsockname() for one in host.listener.sockets] == [("127.0.0.7", port)]
        reader, writer = await asyncio.open_connection("127.0.0.7", port)
        assert (await reader.readline()).startswith(b"220 ")
        now[:] = [interface("docker0", "127.0.0.9/24")]
        await host.listener.look_around()
        assert [one.getsockname() for one in host.listener.sockets] == [("127.0.0.9", port)]
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.7", port)
        writer.write(b"EHLO x\r\n")
        assert await reader.readline() == b"250-host.example\r\n"
        writer.close()


async def test_the_listener_looks_around_by_itself(monkeypatch):
    monkeypatch.setattr("hedwig.mailman.listener.LOOK_AROUND", 0.01)
    now: list[InterfaceAddress] = []
    async with mailman(interfaces=lambda: tuple(now), listen=(Listen("docker0", free_port()),)) as host:
        now[:] = [interface("docker0", "127.0.0.7/24")]
        async with asyncio.timeout(10):
            while not host.listener.sockets:
                await asyncio.sleep(0.001)


async def test_inherited_sockets_are_used_and_others_closed():
    """systemd's fd store: clients that connected during the restart are served, none is refused."""
    wanted, unwanted = bound(("127.0.0.1", 0)), bound(("127.0.0.1", 0))
    port = wanted.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as early:
        doors = Doors(KIND, Supervisor(handed_on=[as_kept(unwanted), as_kept(wanted)]), tuple)
        settings = dataclasses.replace(SETTINGS, listen=(Listen("127.0.0.1", port),))
        listener = Listener(settings, Forwarder(), doors=doors)
        await listener.start()
        assert listener.sockets == [wanted]
        assert unwanted.fileno() == -1
        loop = asyncio.get_running_loop()
        early.setblocking(False)
        assert (await asyncio.wait_for(loop.sock_recv(early, 100), 10)).startswith(b"220 ")
        await listener.stop(0)


async def test_reload_changes_settings_under_connections_that_stand():
    port = free_port()
    async with mailman() as host, host.client() as client:
        await client.greet()
        changed = dataclasses.replace(SETTINGS, max_size=777, allow=("192.0.2.1",), listen=(Listen("127.0.0.1", port),))
        host.listener.reload(changed)
        assert "SIZE 777" in (await client.ask(b"EHLO box\r\n"))[1]
        async with asyncio.timeout(10):
            while [one.getsockname()[1] for one in host.listener.sockets] != [port]:
                await asyncio.sleep(0.001)
        async with host.client() as stranger:
            assert (await stranger.reply())[0] == 554
        with pytest.raises(ValueError, match="nonsense"):
            host.listener.reload(dataclasses.replace(changed, allow=("nonsense",)))
        assert host.listener._service.settings == changed


async def test_stopping_sends_idle_clients_away_and_waits_for_letters_on_their_way(journal):  # noqa: F811
    """I10: no new MAIL, and what was sent completely or is being sent gets its reply."""
    gate = asyncio.Event()

    async def verdict(_):
        await gate.wait()
        return Reply(250, "2.0.0", "queued")

    async with mailman() as host, host.client() as idle, host.client() as sending, host.client() as sent:
        host.forwarder.verdict = verdict
        for client in (idle, sending, sent):
            await client.greet()
        await sending.transaction()
        await sent.transaction()
        await sent.send(b".\r\n")
        async with asyncio.timeout(10):
            while not host.forwarder.taken:
                await asyncio.sleep(0.001)
        stopping = asyncio.ensure_future(host.listener.stop(20))
        assert (await idle.reply())[0] == 421
        assert await idle.ended() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*sent.writer.get_extra_info("peername"))
        assert host.listener.sockets == []
        await sending.send(b"x\r\n.\r\n")
        gate.set()
        for client in (sending, sent):
            assert (await client.reply())[0] == 250
            assert (await client.reply())[0] == 421
            assert await client.ended() == b""
        await asyncio.wait_for(stopping, 10)
        assert len(host.forwarder.taken) == 2


async def test_a_client_that_won_t_finish_does_not_outlast_the_grace():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction()
        began = time.monotonic()
        await host.listener.stop(0.2)
        assert time.monotonic() - began < 2
        assert (await client.reply())[0] == 421
        assert await client.ended() == b""


async def test_real_msmtp_sends_and_is_quick(monkeypatch):
    """By msmtp itself. Without TCP_QUICKACK a letter waits 40 ms and more for an ACK: letters with and without it take
    turns, so that what else the machine does counts for both."""
    program = shutil.which("msmtp")
    assert program, "msmtp is not installed"
    text = b"From: a@b.example\nSubject: hi\nBcc: x@y.example\n\n.dot\n..\nend\n" + "中文\n".encode("gbk")
    options = {"with": socket.TCP_QUICKACK, "without": socket.TCP_NODELAY}
    spent = {"with": [], "without": []}
    async with mailman() as host:
        while len(spent["with"]) < 10 or (not _is_quicker(spent) and len(spent["with"]) < 100):
            for how, times in spent.items():
                monkeypatch.setattr(socket, "TCP_QUICKACK", options[how])
                began = time.monotonic()
                sending = await asyncio.create_subprocess_exec(
                    *(program, "--file=/dev/null", "--host=127.0.0.1", f"--port={host.port}", "--from=a@b.example"),
                    *("c@d.example", "e@f.example"),
                    stdin=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )
                _, errors = await asyncio.wait_for(sending.communicate(text), 30)
                times.append(time.monotonic() - began)
                assert sending.returncode == 0, errors
        assert len(host.forwarder.taken) == sum(map(len, spent.values()))
        taken = host.forwarder.taken[0]
    assert taken.envelope.rcpttos == ("c@d.example", "e@f.example")
    assert taken.body.endswith(b"\r\n\r\n.dot\r\n..\r\nend\r\n" + "中文\r\n".encode("gbk"))
    assert b"Bcc" not in taken.body
    assert _is_quicker(spent), spent


def _is_quicker(spent):
    return min(spent["with"]) < min(spent["without"]) - 0.02


async def test_real_msmtp_shows_a_stranger_what_to_do():
    async with mailman(allow=()) as host:
        sending = await asyncio.create_subprocess_exec(
            *("msmtp", "--file=/dev/null", "--host=127.0.0.1", f"--port={host.port}", "--from=a@b.example"),
            "c@d.example",
            stdin=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await asyncio.wait_for(sending.communicate(b"Subject: x\n\nx\n"), 30)
    assert sending.returncode != 0
    assert b"127.0.0.1 may not send here" in errors
    assert b"/etc/x.yml" in errors


async def test_a_stop_right_after_a_reload():
    """In whichever turn of the event loop it comes, the watch over the interfaces ends."""
    for turns in range(8):
        listener = Listener(SETTINGS, Forwarder())
        await listener.start()
        for _ in range(20):
            await asyncio.sleep(0)  # it looks around, and waits
        listener.reload(SETTINGS)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await listener.stop(0)
