"""One mail transaction, from MAIL to the message that is handed on (RFC 5321 §3.3; RFC 3461 for RET ... ORCPT).

What MAIL and RCPT said gathers here; once the data is there, `submission` gives the message its queue ID, makes it
whole and reads its wishes. Pure, but for the queue ID's random bits.
"""

from dataclasses import dataclass, field, replace

from hedwig import queueid
from hedwig.envelope import Envelope
from hedwig.mailman import Submission
from hedwig.mailman.commands import Mail
from hedwig.message import MessageRefused, Trace, complete
from hedwig.options import MAX_NOTIFY, BadOption, Notify, Submitter
from hedwig.reply import Reply


@dataclass(frozen=True, slots=True)
class Origin:
    """Whence a message comes. `fqdn`: this host; `helo`: what the client calls itself; `extended`: it said EHLO."""

    fqdn: str
    helo: str
    extended: bool
    submitter: Submitter


@dataclass(slots=True)
class Transaction:
    """What was said so far, under aiosmtpd's names where it has some. `mail_from`: None until MAIL. `ret`, `envid` and
    `notify`: as in Options."""

    mail_from: str | None = None
    rcpt_tos: list[str] = field(default_factory=list)
    smtp_utf8: bool = False
    ret: str = ""
    envid: str = ""
    notify: list[Notify] = field(default_factory=list)

    def begin(self, mail: Mail) -> None:
        """MAIL was accepted."""
        self.mail_from = mail.address
        self.smtp_utf8 = mail.smtputf8
        self.ret, self.envid = mail.ret, mail.envid

    def has_room(self, recipient: Notify) -> bool:
        """Whether its wishes for reports can be taken too."""
        return len(self.notify) < MAX_NOTIFY or not (recipient.when or recipient.orcpt)

    def add(self, recipient: Notify) -> None:
        """RCPT was accepted."""
        self.rcpt_tos.append(recipient.rcptto)
        if recipient.when or recipient.orcpt:
            self.notify.append(recipient)

    def submission(self, content: bytes, origin: Origin, now: float) -> Submission | Reply:
        """The message whose data is `content`, accepted at `now` (Unix seconds), or the Reply that refuses it."""
        utf8 = self.smtp_utf8
        protocol = "UTF8SMTP" if utf8 else "ESMTP" if origin.extended else "SMTP"
        envelope = Envelope(self.mail_from or "", tuple(self.rcpt_tos))
        queue_id = queueid.new(now)
        peer = origin.submitter.peer
        try:
            whole = complete(content, Trace(queue_id, origin.fqdn, origin.helo, peer, protocol, envelope, now))
        except MessageRefused as refused:
            return refused.reply
        try:
            options = whole.options.bounded(len(envelope.rcpttos))
        except BadOption as refused:
            return Reply(554, "5.5.4", str(refused))
        if self.ret or self.envid or self.notify:
            options = replace(options, ret=self.ret, envid=self.envid, notify=tuple(self.notify))
        return Submission(
            queue_id, envelope, whole.body, now, utf8, origin.submitter, options=options, message_id=whole.message_id
        )
