"""DKIM signatures go on top of a message when it is accepted: its bytes are final then (message.py), and each recipient
gets the same ones (I6). What is submitted stays what the digest is of, so that a repeat is known again (I3).

A body that lies in a file is read once more, and not copied.
"""

from dataclasses import replace

from hedwig.dkim.sign import Signer
from hedwig.postoffice.submission import Submission, headed


def signed(submission: Submission, signer: Signer) -> Submission:
    """With the signatures of its author's domain; as it is where that has no key here. OSError as its body has it."""
    fields = signer.fields(submission.body.pieces()) if signer else b""
    if not fields:
        return submission
    return replace(submission, body=headed(submission.body, fields))
