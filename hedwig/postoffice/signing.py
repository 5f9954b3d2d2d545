"""DKIM signatures go on top of a message when it is accepted: its bytes are final then (message.py), and each recipient
gets the same ones (I6). What is submitted stays what the digest is of, so that a repeat is known again (I3).

A body that lies in a file is read once more, and not copied: `Headed` puts the fields before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from hedwig.dkim.sign import Signer
from hedwig.postoffice.submission import Submission
from hedwig.spool import Body, Bytes


@dataclass(frozen=True, slots=True)
class Headed:
    """A Body: these fields, and then the rest."""

    fields: bytes
    rest: Body

    @property
    def size(self) -> int:
        """Octets."""
        return len(self.fields) + self.rest.size

    def pieces(self) -> Iterator[bytes]:
        """The bytes in pieces. OSError as the rest has it."""
        yield self.fields
        yield from self.rest.pieces()


def signed(submission: Submission, signer: Signer) -> Submission:
    """With the signatures of its author's domain; as it is where that has no key here. OSError as its body has it."""
    fields = signer.fields(submission.body.pieces()) if signer else b""
    if not fields:
        return submission
    body = submission.body
    whole: Body = Bytes(fields + body.content) if isinstance(body, Bytes) else Headed(fields, body)
    return replace(submission, body=whole)
