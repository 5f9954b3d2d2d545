"""What mailman does not put up with: endless lines, bare LFs, browsers, mistakes without end."""

import pytest
from mailman_fixtures import event_loop, journal, mailman  # noqa: F401

from hedwig.quiet import LINES


async def test_many_bad_recipients_do_not_cost_the_good_ones_their_letter():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.send(
            b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<bad>\r\n" * 200 + b"RCPT TO:<c@d.example>\r\nDATA\r\n"
        )
        codes = [(await client.reply())[0] for _ in range(203)]
        assert codes == [250] + [501] * 200 + [250, 354]


async def test_lines_end_with_crlf_alone():
    async with mailman() as host, host.client() as client:
        await client.greet()
        code, text = await client.ask(b"NOOP\n")
        assert (code, text[:6]) == (500, "5.5.2 ")
        assert (await client.ask(b"NO\rOP\r\n"))[0] == 500
        assert (await client.ask(b"NOOP\r\r\n"))[0] == 500
        assert (await client.ask(b"NOOP\r\n"))[0] == 250


@pytest.mark.parametrize("length", [2049, 5000, 300_000])
async def test_an_endless_line_is_refused_and_the_next_is_heard(length):
    async with mailman() as host, host.client() as client:
        await client.greet()
        code, text = await client.ask(b"NOOP " + b"x" * length + b"\r\n")
        assert (code, text) == (500, "5.5.2 the line is too long")
        assert (await client.ask(b"NOOP\r\n"))[0] == 250


@pytest.mark.parametrize("verb", [b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"\x16\x03\x01\x02\x00", b": x"])
async def test_a_browser_is_shown_the_door(verb):
    async with mailman() as host, host.client() as client:
        await client.reply()
        await client.send(verb + b"\r\nHost: x\r\nMAIL FROM:<a@b.example>\r\n\r\n")
        assert (await client.ended()).startswith(b"421 4.7.0 ")


async def test_twenty_mistakes_end_the_connection():
    async with mailman() as host, host.client() as client:
        await client.greet()
        for _ in range(19):
            assert (await client.ask(b"BOGUS\r\n"))[0] == 500
        assert (await client.ask(b"BOGUS\r\n"))[0] == 500
        assert (await client.reply())[0] == 421
        assert await client.ended() == b""


async def test_commands_that_lead_nowhere_end_the_connection_too():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.send(b"NOOP\r\n" * 1000)
        replies = await client.ended()
    assert replies.count(b"250 ") < 150
    assert b"\r\n421 4.7.0 " in replies


async def test_letters_restore_patience():
    async with mailman() as host, host.client() as client:
        await client.greet()
        for _ in range(30):
            assert (await client.ask(b"BOGUS\r\n"))[0] == 500
            assert (await client.ask(b"RSET\r\n"))[0] == 250
            await client.transaction()
            assert (await client.ask(b".\r\n"))[0] == 250


async def test_refusals_in_a_loop_do_not_fill_the_journal(journal):  # noqa: F811
    """Of addresses, and of what is broken off."""
    async with mailman() as host:
        for _ in range(5):
            async with host.client() as client:
                await client.greet()
                await client.send(b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<bad>\r\n" * 100 + b"QUIT\r\n")
                await client.ended()
        for _ in range(10):
            async with host.client() as client:
                await client.greet()
                await client.transaction()
                client.writer.write_eof()
                await client.ended()
    refusals = [message for _, message, fields in journal if fields.get("HEDWIG_EVENT") == "refused"]
    assert len(refusals) == LINES
