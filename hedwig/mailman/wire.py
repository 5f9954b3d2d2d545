"""A reply as mailman sends it (RFC 5321 §4.2, RFC 2034 §4)."""

from hedwig.reply import Reply

_REPLY_LINE = 450  # RFC 5321 §4.5.3.1.5: 512 octets with code, status and CRLF


def wire(reply: Reply, utf8: bool) -> bytes:
    """A reply as it is sent: its enhanced status on each line (RFC 2034 §4); ASCII, unless the client wants UTF-8."""
    status = reply.status.encode()
    text = reply.text.encode("utf-8" if utf8 else "ascii", "replace")
    lines = [text[start : start + _REPLY_LINE] for start in range(0, len(text), _REPLY_LINE)] or [b""]
    middle = [b"%d-%s %s\r\n" % (reply.code, status, line) for line in lines[:-1]]
    return b"".join(middle) + b"%d %s %s\r\n" % (reply.code, status, lines[-1])
