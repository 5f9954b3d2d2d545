"""The commands of one SMTP connection, and the way of a message from MAIL to the forwarder's reply (RFC 5321 §4.1).

Announced and honoured: PIPELINING, SIZE, 8BITMIME, ENHANCEDSTATUSCODES, DSN, SMTPUTF8. Addresses are read by
`commands`, the data by `intake`, the message is made whole by `transaction`; this file holds the order of things:

1. MAIL and RCPT are checked; each refusal has its reply at once and costs patience.
2. DATA: octets arrive until CRLF.CRLF, at a least speed; a large letter goes to disk meanwhile (I9).
3. The message gets its queue ID, is made whole, and is handed on; the forwarder's reply is the client's (I1).

Refused here, and logged with the client's address: malformed addresses, letters too large, loops, NULs. A disk that is
full is 452 4.3.1, never 5yz (I8). HTTP verbs and what is no command's beginning end the connection: a browser in a
container must not be made to send mail.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hedwig.mailman import Submission, commands
from hedwig.mailman.conversation import Conversation
from hedwig.mailman.reception import Reception
from hedwig.mailman.service import Service
from hedwig.mailman.transaction import Origin, Transaction
from hedwig.options import Submitter
from hedwig.reply import Reply

MAX_MISTAKES = 20  # as Postfix's smtpd_hard_error_limit
MAX_FRUITLESS = 100  # NOOP, RSET ... since the last message, as Postfix's smtpd_junk_command_limit

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_HELO = re.compile(r"[!-~]{1,255}\Z")
_FOREIGN = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH"})
_KNOWN_ELSEWHERE = frozenset({b"EXPN", b"AUTH", b"STARTTLS", b"TURN", b"ETRN", b"BDAT", b"SEND", b"SOML", b"SAML"})
_OK = Reply(250, "2.0.0", "OK")
_NO_ROOM = Reply(452, "4.3.1", "no room for such a large message right now, try again later")


@dataclass(slots=True)
class Patience:
    """What a client has got wrong, or done to no end, since its last message was taken."""

    mistakes: int = 0
    fruitless: int = 0
    refused_recipients: int = 0

    @property
    def lost(self) -> bool:
        """Whether the connection shall end."""
        return self.mistakes + max(0, self.fruitless - MAX_FRUITLESS) >= MAX_MISTAKES


class Session(Conversation):
    """One connection's transactions."""

    envelope: Transaction

    def __init__(self, service: Service, common: Mapping[str, Any]) -> None:
        super().__init__(service, common)
        self._patience = Patience()

    def _create_envelope(self) -> Transaction:
        return Transaction()

    def obey(self, line: bytes) -> None:
        """Carry out one command line; b"" stands for one that was too long."""
        text = line[:-2]
        self.debug(">", text)
        verb, _, argument = text.partition(b" ")
        verb = verb.upper()
        if not line:
            self._mistake(Reply(500, "5.5.2", "the line is too long"))
        elif not line.endswith(b"\r\n"):
            self._mistake(Reply(500, "5.5.2", "end each line with CR LF, not with LF alone"))
        elif verb in _FOREIGN or (not text[:1].isalpha() and text):
            self._part(Reply(421, "4.7.0", "this is SMTP; closing the connection"))
        elif (command := _COMMANDS.get(verb)) is None:
            known = verb in _KNOWN_ELSEWHERE
            self._mistake(Reply(502, "5.5.1", "not offered here") if known else Reply(500, "5.5.2", "unknown command"))
        elif verb not in (b"MAIL", b"RCPT") and (_CONTROL.search(text) or not text.isascii()):
            self._mistake(Reply(500, "5.5.2", "the command has a control character or 8-bit bytes in it"))
        else:
            command(self, argument.strip(b" "))
        if self._patience.lost and not self._leaving:
            self._part(Reply(421, "4.7.0", "too many mistakes; closing the connection"))

    # --- commands

    def smtp_EHLO(self, argument: bytes) -> None:  # noqa: N802
        """Announce what is offered (RFC 5321 §4.1.1.1)."""
        if self._greeted(argument, extended=True):
            now = self.service.settings
            offers = (now.fqdn, "PIPELINING", f"SIZE {now.max_size}", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
            self.say_octets("".join(f"250-{offer}\r\n" for offer in offers).encode() + b"250 SMTPUTF8\r\n")

    def smtp_HELO(self, argument: bytes) -> None:  # noqa: N802
        """The plain greeting."""
        if self._greeted(argument, extended=False):
            self.say_octets(f"250 {self.service.settings.fqdn}\r\n".encode())

    def _greeted(self, argument: bytes, *, extended: bool) -> bool:
        name = argument.decode()
        if not _HELO.match(name):
            self._mistake(Reply(501, "5.5.4", "say who you are: EHLO name.example.com"))
            return False
        self._fruitless()
        self._set_rset_state()
        self.session.host_name = name
        self.session.extended_smtp = extended
        return True

    def smtp_MAIL(self, argument: bytes) -> None:  # noqa: N802
        """Begin a transaction."""
        if self.service.stopping and self._served:
            self._part(Reply(421, "4.3.2", "mailman is stopping, try again in a moment"))
            return
        if not self.session.host_name:
            self._mistake(Reply(503, "5.5.1", "send EHLO first"))
            return
        if self.envelope.mail_from is not None:
            self._mistake(Reply(503, "5.5.1", "a transaction is open already; RSET ends it"))
            return
        mail = commands.mail(argument)
        if isinstance(mail, Reply):
            self._refuse(mail, f"sender refused: {argument.decode('utf-8', 'backslashreplace')}")
            self._patience.mistakes += 1
        elif mail.size > self.service.settings.max_size:
            self._refuse(self._too_large(), f"message from <{mail.address}> refused: {mail.size} octets", mail.address)
            self._fruitless()
        else:
            self.envelope.begin(mail)
            self.say(Reply(250, "2.1.0", "sender OK"))

    def smtp_RCPT(self, argument: bytes) -> None:  # noqa: N802
        """Add a recipient."""
        if self.envelope.mail_from is None:
            self._mistake(Reply(503, "5.5.1", "send MAIL first"))
            return
        recipient = commands.rcpt(argument, self.envelope.smtp_utf8)
        most = self.service.settings.max_recipients
        if isinstance(recipient, Reply):
            self._refuse(recipient, f"recipient refused: {argument.decode('utf-8', 'backslashreplace')}")
            # One typing error must not cost the other thousand recipients their letter.
            self._patience.refused_recipients += 1
            self._patience.mistakes += self._patience.refused_recipients > most
        elif len(self.envelope.rcpt_tos) >= most or not self.envelope.has_room(recipient):
            # RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
            taken = len(self.envelope.rcpt_tos)
            self.say(Reply(452, "4.5.3", f"too many recipients: {taken} are taken; send the rest separately"))
            self._fruitless()
        else:
            self.envelope.add(recipient)
            self.say(Reply(250, "2.1.5", "recipient OK"))

    def smtp_RSET(self, argument: bytes) -> None:  # noqa: N802
        """End the transaction without a message."""
        if argument:
            self._mistake(Reply(501, "5.5.4", "RSET stands alone"))
            return
        self._fruitless()
        self._set_rset_state()
        self.say(_OK)

    def smtp_NOOP(self, argument: bytes) -> None:  # noqa: N802
        """Do nothing (a string may follow, RFC 5321 §4.1.1.9)."""
        self._fruitless()
        self.say(_OK)

    def smtp_VRFY(self, argument: bytes) -> None:  # noqa: N802
        """Say that addresses are not looked up here (RFC 5321 §3.5.3)."""
        if not argument:
            self._mistake(Reply(501, "5.5.4", "write VRFY name@example.com"))
            return
        self._fruitless()
        self.say(Reply(252, "2.0.0", "addresses are not looked up here; send the message and see"))

    def smtp_HELP(self, argument: bytes) -> None:  # noqa: N802
        """Name the commands."""
        self._fruitless()
        self.say(Reply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"))

    def smtp_QUIT(self, argument: bytes) -> None:  # noqa: N802
        """Part as friends."""
        if argument:
            self._mistake(Reply(501, "5.5.4", "QUIT stands alone"))
            return
        self._part(Reply(221, "2.0.0", "bye"))

    def smtp_DATA(self, argument: bytes) -> None:  # noqa: N802
        """Take the message and hand it on."""
        if argument:
            self._mistake(Reply(501, "5.5.4", "DATA stands alone"))
            return
        if not self.envelope.rcpt_tos:
            self._mistake(Reply(503, "5.5.1", "no recipient was accepted; send RCPT first"))
            return
        self.say_octets(b"354 go ahead, end with <CR><LF>.<CR><LF>\r\n")
        self.receive()

    # --- the message

    async def hand_on(self, reception: Reception) -> Reply:
        """Make the message whole, give it its queue ID, submit it. The reply is the forwarder's, or a refusal."""
        await reception.wait_for_memory()
        submitter = await self.service.containers.of(self.peer)
        # A large letter takes some 0.1 s to read back and look through; in a thread it holds up nobody (I9).
        if reception.large:
            made = await asyncio.to_thread(self._made, reception, submitter)
        else:
            made = self._made(reception, submitter)
        if isinstance(made, Reply):
            return self._note_refusal(made)
        reply = await self.service.hand_on(self, made)
        self.service.counters.submitted += 1
        self.service.counters.octets += len(made.body)
        if reply.positive:
            self._patience = Patience()
        return reply

    def _made(self, reception: Reception, submitter: Submitter) -> Submission | Reply:
        content = reception.content()
        if reception.intake.too_large:
            return self._too_large()
        if reception.no_room:
            return _NO_ROOM
        helo, extended = self.session.host_name or "", bool(self.session.extended_smtp)
        origin = Origin(self.service.settings.fqdn, helo, extended, submitter)
        return self.envelope.submission(content, origin, self.service.clock())

    # --- refusals

    def _too_large(self) -> Reply:
        return Reply(552, "5.3.4", f"the message is too large: {self.service.settings.max_size} octets are taken")

    def _mistake(self, reply: Reply) -> None:
        """Refuse a command that was wrong in itself."""
        self._patience.mistakes += 1
        self.service.counters.refused += 1
        self.say(reply)

    def _fruitless(self) -> None:
        self._patience.fruitless += 1

    def _part(self, reply: Reply) -> None:
        """Say the last reply of this connection."""
        self.say(reply)
        self._leaving = True

    def _refuse(self, reply: Reply, what: str, sender: str = "") -> None:
        self._log(reply, what, sender)
        self.say(reply)

    def _note_refusal(self, reply: Reply) -> Reply:
        sender = self.envelope.mail_from or ""
        self._log(reply, f"message from <{sender}> refused", sender)
        return reply

    def _log(self, reply: Reply, what: str, sender: str) -> None:
        self.service.counters.refused += 1
        self.service.tell_refusal(self.peer, what, reply, sender)


_COMMANDS: Mapping[bytes, Callable[[Session, bytes], None]] = {
    b"EHLO": Session.smtp_EHLO,
    b"HELO": Session.smtp_HELO,
    b"MAIL": Session.smtp_MAIL,
    b"RCPT": Session.smtp_RCPT,
    b"DATA": Session.smtp_DATA,
    b"RSET": Session.smtp_RSET,
    b"NOOP": Session.smtp_NOOP,
    b"VRFY": Session.smtp_VRFY,
    b"HELP": Session.smtp_HELP,
    b"QUIT": Session.smtp_QUIT,
}
