"""Asking a host about one recipient without a message for it: MAIL and RCPT, and no DATA (RFC 5321 §3.3).

It is a question that many hosts count, and some answer with a yes to everybody. Whoever asks parts with QUIT.
"""

from collections.abc import Mapping

from hedwig.reply import Stage
from hedwig.smtp import Said, Transaction
from hedwig.smtp.commands import Letter, compose
from hedwig.smtp.connection import Connection


async def probe(connection: Connection, mailfrom: str, rcptto: str) -> Said:
    """What the host says of the recipient; a yes is a Said at stage RCPT, and delivers nothing. Never raises for what
    the network does."""
    if not connection.alive:
        return Said(Stage.MAIL, None, "the connection is closed")
    letter = inquiry(mailfrom, rcptto, connection.extensions)
    if isinstance(letter, Said):
        return letter
    [said] = (await connection.ask(letter)).said
    return said


def inquiry(mailfrom: str, rcptto: str, announced: Mapping[str, str]) -> Letter | Said:
    """The letter of who has no message, and so no size; or our own refusal, which holds without asking."""
    utf8 = not (mailfrom.rpartition("@")[0] + rcptto.rpartition("@")[0]).isascii()
    known = {keyword: parameters for keyword, parameters in announced.items() if keyword != "SIZE"}
    return compose(Transaction(mailfrom, (rcptto,), tuple, 0, smtputf8=utf8), known, eight_bit=False)
