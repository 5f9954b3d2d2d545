"""mailman's SMTP conversation over real sockets, on asyncio and on uvloop: what is offered, taken and refused."""

import asyncio
import re

import pytest
from mailman_fixtures import event_loop, journal, mailman  # noqa: F401

from hedwig import queueid
from hedwig.reply import Reply

HEADER = b"From: a@b.example\r\nDate: x\r\nMessage-ID: <1@b>\r\n\r\n"


async def test_a_letter_is_taken_with_its_queue_id():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction(b"MAIL FROM:<a@b.example>", b"<c@d.example>", b"<e@f.example>")
        code, text = await client.ask(HEADER + b"hello\r\n.\r\n")
        (taken,) = host.forwarder.taken
    assert (code, text) == (250, f"2.0.0 queued as {taken.queue_id}")
    assert queueid.is_valid(taken.queue_id)
    assert taken.envelope.mailfrom == "a@b.example"
    assert taken.envelope.rcpttos == ("c@d.example", "e@f.example")
    assert (taken.submitter.peer, taken.smtputf8) == ("127.0.0.1", False)
    assert abs(queueid.time_of(taken.queue_id) - taken.accepted_at) < 0.01
    received = f"Received: from box ([127.0.0.1])\r\n\tby host.example (hedwig) with ESMTP id {taken.queue_id};\r\n"
    assert taken.body.startswith(received.encode())
    assert taken.body.endswith(HEADER + b"hello\r\n")


async def test_what_is_offered():
    async with mailman(max_size=12345) as host, host.client() as client:
        await client.reply()
        code, text = await client.ask(b"EHLO box\r\n")
    assert code == 250
    assert text.split("\n") == [
        "host.example",
        "PIPELINING",
        "SIZE 12345",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "DSN",
        "SMTPUTF8",
    ]


async def test_every_reply_has_an_enhanced_status():
    lines = (
        b"NOOP x|RSET|VRFY a@b|HELP|MAIL FROM:<>|RCPT TO:<a@b.example>|BOGUS|EXPN x|MAIL|RCPT|DATA x|RSET y|AUTH|QUIT"
    )
    async with mailman() as host, host.client() as client:
        await client.greet()
        for line in lines.split(b"|"):
            code, text = await client.ask(line + b"\r\n")
            assert re.match(rf"{code // 100}\.\d\.\d+ \w", text), (line, code, text)


async def test_pipelined_commands_are_answered_in_order_and_in_one_piece():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<bad>\r\nDATA\r\n")
        assert [(await client.reply())[0] for _ in range(4)] == [250, 250, 501, 354]
        await client.send(HEADER + b"one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nNOOP\r\nQUIT\r\n")
        assert [(await client.reply())[0] for _ in range(5)] == [250, 250, 250, 250, 221]
        assert await client.ended() == b""
        assert len(host.forwarder.taken) == 1


async def test_a_whole_session_in_one_segment_with_half_close_is_answered():
    """`printf ... | nc -N`: the end of input cancels nothing that came before it."""
    session = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + HEADER + b"x\r\n.\r\nQUIT\r\n"
    async with mailman() as host, host.client() as client:
        await client.send(session)
        client.writer.write_eof()
        replies = (await client.ended()).decode()
        assert len(host.forwarder.taken) == 1
    assert re.findall(r"^(\d+) ", replies, re.MULTILINE) == ["220", "250", "250", "250", "354", "250", "221"]


async def test_a_letter_after_a_letter_on_one_connection():
    async with mailman() as host, host.client() as client:
        await client.greet()
        for number in range(3):
            await client.transaction()
            assert (await client.ask(HEADER + b"%d\r\n.\r\n" % number))[0] == 250
        assert [taken.body[-3:] for taken in host.forwarder.taken] == [b"0\r\n", b"1\r\n", b"2\r\n"]
        assert len({taken.queue_id for taken in host.forwarder.taken}) == 3


async def test_a_thousand_recipients_are_taken_and_one_more_is_452():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.send(
            b"MAIL FROM:<a@b.example>\r\n" + b"".join(b"RCPT TO:<u%d@d.example>\r\n" % n for n in range(1001))
        )
        codes = [await client.reply() for _ in range(1002)]
        assert {code for code, _ in codes[:-1]} == {250}
        assert codes[-1][0] == 452
        assert codes[-1][1].startswith("4.5.3 ")
        assert (await client.ask(b"DATA\r\n"))[0] == 354
        assert (await client.ask(b".\r\n"))[0] == 250
        assert len(host.forwarder.taken[0].envelope.rcpttos) == 1000


async def test_smtputf8_is_honoured():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction(
            "MAIL FROM:<爱丽丝@b.example> SMTPUTF8 BODY=8BITMIME".encode(), "<鲍勃@例子.中国>".encode()
        )
        assert (await client.ask(b"S: x\r\n\r\nx\r\n.\r\n"))[0] == 250
        (taken,) = host.forwarder.taken
    assert taken.smtputf8
    assert taken.envelope.rcpttos == ("鲍勃@例子.中国",)
    assert b" with UTF8SMTP id " in taken.body
    assert "From: 爱丽丝@b.example\r\n".encode() in taken.body


async def test_helo_is_plain_smtp():
    async with mailman() as host, host.client() as client:
        await client.reply()
        assert await client.ask(b"HELO box\r\n") == (250, "host.example")
        await client.transaction()
        assert (await client.ask(b".\r\n"))[0] == 250
        assert b" with SMTP id " in host.forwarder.taken[0].body


async def test_the_order_of_commands():
    async with mailman() as host, host.client() as client:
        await client.reply()
        assert (await client.ask(b"MAIL FROM:<a@b.example>\r\n"))[0] == 503
        assert (await client.ask(b"EHLO box\r\n"))[0] == 250
        assert (await client.ask(b"RCPT TO:<a@b.example>\r\n"))[0] == 503
        assert (await client.ask(b"DATA\r\n"))[0] == 503
        # The null sender opens a transaction as any other does.
        assert (await client.ask(b"MAIL FROM:<>\r\n"))[0] == 250
        assert (await client.ask(b"MAIL FROM:<a@b.example>\r\n"))[0] == 503
        assert (await client.ask(b"DATA\r\n"))[0] == 503
        assert (await client.ask(b"EHLO box\r\n"))[0] == 250
        assert (await client.ask(b"RCPT TO:<a@b.example>\r\n"))[0] == 503
        assert (await client.ask(b"mail from:<a@b.example>\r\n"))[0] == 250
        assert (await client.ask(b"rSeT\r\n"))[0] == 250
        assert (await client.ask(b"MAIL FROM:<a@b.example>\r\n"))[0] == 250


@pytest.mark.parametrize("line", [b"EHLO", b"EHLO a b", b"EHLO \xff", b"HELO a\0b", b"EHLO " + b"x" * 256])
async def test_a_malformed_greeting_is_refused(line):
    async with mailman() as host, host.client() as client:
        await client.reply()
        code, text = await client.ask(line + b"\r\n")
    assert code in (500, 501)
    assert text.startswith("5.5.")


async def test_the_forwarders_verdict_is_the_reply():
    async def verdict(_):
        return Reply(452, "4.2.2", "quota of 100 a day is used up until 14:05 " + "长" * 600)

    async with mailman() as host, host.client() as client:
        host.forwarder.verdict = verdict
        await client.greet()
        await client.transaction()
        code, text = await client.ask(b".\r\n")
    assert code == 452
    assert all(line.startswith("4.2.2 ") for line in text.split("\n"))
    assert "quota of 100 a day" in text


@pytest.mark.parametrize("error", [ValueError("bad\nluck"), ConnectionResetError("postoffice"), TimeoutError()])
async def test_a_fault_of_ours_is_451_and_the_connection_lives(error, journal):  # noqa: F811
    """I8: also when the forwarder's own connection broke, which must not look like the client's."""
    async with mailman() as host, host.client() as client:
        host.forwarder.verdict = error
        await client.greet()
        await client.transaction()
        code, text = await client.ask(b".\r\n")
        assert (code, text[:6]) == (451, "4.3.0 ")
        host.forwarder.verdict = None
        await client.transaction()
        assert (await client.ask(b".\r\n"))[0] == 250
        assert host.listener.counters.faults == 1
    (fault,) = [message for level, message, _ in journal if "fault" in message and level == 3]
    assert type(error).__name__ in fault
    assert "\n" not in fault


async def test_debug_writes_the_conversation_and_not_the_letter(journal):  # noqa: F811
    async with mailman(debug=True) as host, host.client() as client:
        await client.greet()
        await client.transaction()
        await client.ask(HEADER + b"secret\r\n.\r\n")
    said = [message for level, message, _ in journal if level == 7]
    for line in ("< 220 host.example ESMTP hedwig", "> EHLO box", "< 250-PIPELINING", "> RCPT TO:<c@d.example>"):
        assert f"127.0.0.1 {line}" in said
    assert any("octets of data" in line for line in said)
    assert not any("secret" in line for line in said)


async def test_refusals_are_logged_with_the_client(journal):  # noqa: F811
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.ask(b"MAIL FROM:<no\x1b]domain>\r\n")
    (entry,) = [fields for _, _, fields in journal if fields.get("HEDWIG_EVENT") == "refused"]
    assert entry["HEDWIG_CLIENT"] == "127.0.0.1"
    assert entry["HEDWIG_REPLY"].startswith("501 5.1.7 ")


async def test_a_client_that_leaves_before_the_reply_loses_no_letter():
    """The data was complete: it is handed on to the end, whoever is there to hear."""
    came, go, done = asyncio.Event(), asyncio.Event(), []

    async def verdict(_):
        came.set()
        await go.wait()
        done.append(True)
        return Reply(250, "2.0.0", "queued")

    async with mailman() as host:
        host.forwarder.verdict = verdict
        async with host.client() as client:
            await client.greet()
            await client.transaction()
            await client.send(b".\r\n")
            await asyncio.wait_for(came.wait(), 10)
            client.reset()
        async with asyncio.timeout(10):
            while host.listener.connections:
                await asyncio.sleep(0.001)
        stopping = asyncio.ensure_future(host.listener.stop(10))
        await asyncio.sleep(0)
        assert not stopping.done()
        go.set()
        await asyncio.wait_for(stopping, 10)
        assert done == [True]


async def test_a_letter_cut_short_is_no_letter(journal):  # noqa: F811
    async with mailman() as host:
        async with host.client() as client:
            await client.greet()
            await client.transaction()
            await client.send(HEADER + b"half of it\r\n.")
            client.writer.write_eof()
            assert await client.ended() == b""
        assert host.forwarder.taken == []
    assert any("left in the middle of a message" in message for _, message, _ in journal)


async def test_nodelay_is_set_and_counters_count():
    async with mailman() as host, host.client() as client:
        await client.greet()
        await client.transaction()
        await client.ask(b".\r\n")
        await client.ask(b"BOGUS\r\n")
        (guest,) = host.listener._service.guests
        assert guest._socket.getsockopt(6, 1) != 0
        counters = host.listener.counters
        assert (counters.connections, counters.submitted, counters.refused) == (1, 1, 1)
        assert counters.octets == len(host.forwarder.taken[0].body)
