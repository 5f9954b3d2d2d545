"""The sentences of a notification, Chinese and English side by side: what happened, and what the reader can do.

Pairs are (Chinese, English). They are fixed text: nothing from outside is put into them but a date.
"""

import enum
import re


class Action(enum.StrEnum):
    """RFC 3464 §2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"  # on to a host that reports no success itself (RFC 3461 §5.2.2)


SUBJECT = {
    Action.FAILED: "退信：邮件未能送达 / Undelivered mail returned to sender",
    Action.DELAYED: "邮件延迟，仍在重试 / Delayed mail, still being retried",
    Action.RELAYED: "邮件已送交对方服务器 / Mail passed on to the receiver's server",
}
OPENING = {
    Action.FAILED: (
        "您的邮件未能送达下列收件人，系统已停止重试。",
        "Your message could not be delivered to the recipients below. It will not be tried again.",
    ),
    Action.DELAYED: (
        "您的邮件尚未送达下列收件人，系统会继续重试到 {until}，您不必重发。",
        "Your message has not yet reached the recipients below. It will be tried again until {until}; "
        "you need not send it again.",
    ),
    Action.RELAYED: (
        "您的邮件已由下列收件人的邮件服务器接收。该服务器不提供送达通知，因此这是最后一次通知。",
        "The servers of the recipients below have taken your message. They don't report what becomes of it, so this is "
        "the last that you hear of it.",
    ),
}
EXPIRED = (
    "在期限内多次投递均未成功。请确认收件地址，稍后重发，或用其他方式联系对方。",
    "Repeated attempts did not succeed in time. Check the address, send again later, or find another way to the "
    "recipient.",
)
LATE = (
    "发件程序要求过期不再投递，现在期限已过，因此不再发送。如仍需要，请重新发送。",
    "Its sender set a deadline after which it must not be delivered, and that has passed. Send it again if it is still "
    "of use.",
)
HELD = (
    "对方拒收是因为发信方的问题（本机地址的信誉，或域名的 SPF、DKIM、DMARC、反向解析等设置），不是收件地址有误。"
    "系统已替您保留并重试，但期限内问题未能解决。请把下面的原话转给本机管理员，解决后再重发。",
    "The receiver refused it because of this side: the reputation of this host's address, or the DNS records that "
    "vouch for it (SPF, DKIM, DMARC, PTR). The recipient's address is not at fault. The message was kept and tried "
    "again, but that was not mended in time. Pass the words below on to your administrator, and send it again once it "
    "is.",
)
DOUBTFUL = (
    "邮件曾完整发出，但对方未及答复连接就断了：对方可能已经收到。重发前请先问一下对方。",
    "The whole message was sent once, but no answer came: the receiver may have it. Ask them before you send it again.",
)
_POLICY = (
    "对方按其策略拒收。请把下面的原话转给本机管理员。",
    "The receiver refused it by its policy. Please pass the words below on to your administrator.",
)
_FULL = ("收件人邮箱已满。请用其他方式告知对方。", "The recipient's mailbox is full. Tell them by another way.")
_SIZE = (
    "邮件太大。请缩小或改用链接发送附件。",
    "The message is too large for the receiver. Send less, or a link.",
)
_ADDRESS = (
    "收件地址不存在或有误。请核对后重发。",
    "The address does not exist or is misspelt. Check it and send again.",
)
_DOMAIN = (
    "收件人的域名不存在，或不接收邮件。请核对 @ 后面的部分。",
    "The recipient's domain does not exist or takes no mail. Check the part after the @.",
)
_SEVEN_BIT = (
    "对方服务器只接收 7 位邮件，而这封信没有转换。请用 quoted-printable 或 base64 编码后重发。",
    "The receiver's server takes 7-bit mail alone, and this message was not converted. Send it encoded as "
    "quoted-printable or base64.",
)
_UTF8 = (
    "对方服务器不支持中文等国际化的地址和信头（SMTPUTF8）。请改用纯 ASCII 的地址和信头重发。",
    "The receiver's server takes no internationalized addresses and headers (SMTPUTF8). Send it with ASCII ones.",
)
OURS = (
    "这是本机的决定，不是对方拒收。原因见下；不清楚时请联系本机管理员。",
    "This was decided on this host, not by the receiver. The reason stands below; if it doesn't help, ask your "
    "administrator.",
)
_OTHER = (
    "请看对方的原话；不清楚时请联系本机管理员。",
    "Please read the receiver's words below; if they don't help, ask your administrator.",
)
WAIT = ("您不必做什么。", "There is nothing that you need to do.")
GUARDED = (
    "这封信要求全程受 TLS 保护，而对方的服务器做不到，因此没有发送。可以去掉这个要求重发，或用其他方式联系对方。",
    "This message asks to be protected by TLS up to its end. The receiver's servers can't promise that, so it was not "
    "sent. Send it again without that wish, or find another way to the recipient.",
)
_ADVICE = (  # the first whose pattern matches the status (RFC 3463)
    (re.compile(r"5\.1\.(2|10)\Z|5\.4\.4\Z"), _DOMAIN),
    (re.compile(r"5\.1\."), _ADDRESS),
    (re.compile(r"5\.2\.2\Z"), _FULL),
    (re.compile(r"5\.(2\.3|3\.4)\Z"), _SIZE),
    (re.compile(r"5\.6\.3\Z"), _SEVEN_BIT),
    (re.compile(r"5\.6\.7\Z"), _UTF8),
    (re.compile(r"5\.7\."), _POLICY),
)


def advice_for(status: str) -> tuple[str, str]:
    """What the sender can do about a failure with this enhanced status."""
    return next((advice for pattern, advice in _ADVICE if pattern.match(status)), _OTHER)
