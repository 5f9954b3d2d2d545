"""How postoffice says no: an HTTP status, an enhanced status (RFC 3463) and a sentence that says what to do.

A Refusal ends a whole request. What concerns one message of a batch is a Reply instead, and stays SMTP (I8): 4yz where
the fault is ours, 5yz where sending the same again can't help. `as_http` turns one into the other for `POST /`.
"""

import json

from hedwig.reply import Reply, one_line


class Refusal(Exception):
    """The request is not served. `retry_after`: seconds, where coming back later may help."""

    def __init__(self, code: int, status: str, sentence: str, retry_after: int = 0) -> None:
        super().__init__(sentence)
        self.code = code
        self.status = status
        self.sentence = one_line(sentence)
        self.retry_after = retry_after

    def headers(self) -> dict[str, str]:
        """The HTTP headers that go with it."""
        headers = {"Content-Type": "application/json"}
        if self.retry_after:
            headers["Retry-After"] = str(self.retry_after)
        if self.code == 401:
            headers["WWW-Authenticate"] = 'Basic realm="hedwig"'
        return headers

    def body(self) -> bytes:
        """The JSON object of every error: code, status, error."""
        return json.dumps({"code": self.code, "status": self.status, "error": self.sentence}).encode() + b"\n"


class Unacceptable(Exception):
    """One message can't be taken; `reply` says why, as SMTP would."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, one_line(text))


def malformed(sentence: str) -> Refusal:
    """400: the request is not what the interface asks for."""
    return Refusal(400, "5.5.2", sentence)


def as_http(reply: Reply, conflict: bool = False, retry_after: int = 0) -> Refusal:
    """The Refusal that says over HTTP what `reply` says over SMTP. `retry_after`: seconds, where that is known."""
    if conflict:
        return Refusal(409, reply.status, reply.text)
    if reply.code == 552:
        return Refusal(413, reply.status, reply.text)
    if reply.code == 452:
        return Refusal(429, reply.status, reply.text, retry_after=retry_after or 60)
    if reply.enhanced.startswith("5.7."):
        return Refusal(403, reply.status, reply.text)
    if reply.permanent:
        return Refusal(400, reply.status, reply.text)
    return Refusal(503, reply.status, reply.text, retry_after=10)
