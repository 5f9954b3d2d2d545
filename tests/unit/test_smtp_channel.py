"""hedwig.smtp.channel on a transport that does as the test says: moments that no real socket gives on demand."""

import asyncio
import errno

import pytest
from smtp_host import LETTER, letter, words

from hedwig.smtp import Deadlines, Report
from hedwig.smtp.channel import Channel, lost_because
from hedwig.smtp.commands import Letter, compose
from hedwig.smtp.events import Ready, StartTls
from hedwig.smtp.session import Session


class Clogged(asyncio.Transport):
    """A socket that takes nothing: whatever is written waits."""

    waiting = 0

    def write(self, data: bytes) -> None:
        self.waiting += len(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        pass


@pytest.mark.parametrize(
    ("waiting", "answer", "said"),
    [
        (True, b"250 taken\r\n", "dot protocol error: the message was taken before it was sent whole"),
        (True, b"552 too big\r\n", "dot 552"),
        (False, b"250 taken\r\n", "dot 250"),
    ],
)
async def test_an_acceptance_of_a_dot_that_is_still_here_is_none(waiting: bool, answer: bytes, said: str) -> None:
    """The dot has been marked, but lies in our own buffer when the 250 comes: in doubt at most, never delivered."""
    channel = Channel(Session("me.example"), Deadlines(), None)
    transport = Clogged()
    channel.connection_made(transport)
    channel.data_received(b"220 hi\r\n")
    channel.data_received(b"250-host\r\n250 PIPELINING\r\n")
    assert await channel.action() == Ready()
    composed = compose(letter(), channel.session.extensions, False)
    assert isinstance(composed, Letter)
    channel.inline = lambda: LETTER + b".\r\n"
    channel.start(channel.session.begin(composed))
    channel.data_received(b"250 ok\r\n250 ok\r\n354 go\r\n")
    if not waiting:
        transport.waiting = 0
    channel.data_received(answer)
    report = await channel.action()
    assert isinstance(report, Report)
    assert words(report) == [said]
    channel.abort()


async def test_half_a_reply_from_the_clear_is_forgotten_with_tls() -> None:
    """Octets that came between the 220 and the handshake must not begin the first reply within TLS (CVE-2011-0411)."""
    channel = Channel(Session("me.example"), Deadlines(), None)
    channel.connection_made(Clogged())
    channel.data_received(b"220 hi\r\n")
    channel.data_received(b"250-host\r\n250 STARTTLS\r\n")
    channel.data_received(b"220 go\r\n")
    assert await channel.action() == StartTls()
    channel.data_received(b"250-injected\r\n250-SIZE 1")
    channel.use(Clogged())
    channel.start(channel.session.secured())
    channel.data_received(b"250-host\r\n250 PIPELINING\r\n")
    assert await channel.action() == Ready()
    assert channel.session.extensions == {"PIPELINING": ""}
    channel.abort()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "connection closed by the far side"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection reset by peer"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_an_error_of_the_network_is_told_in_an_operators_words(error: Exception, said: str) -> None:
    """That we were writing when the host closed is nothing that a reader needs to know."""
    assert lost_because(error) == said
