"""A message with octets above 127, made fit for a host that takes 7-bit text alone (RFC 6152 §3, RFC 2045, RFC 1428).

Two passes over the message, each in pieces of any size and in bounded memory: `survey` finds what must be done and
whether it can be, `convert` does it. `walk` tells both where headers, bodies and delimiters are; `encoders` has the two
encodings, `fields` the header's. All of it is pure.

What is done, and to nothing else than what has such octets:

- A body of text becomes quoted-printable, another one base64; Content-Transfer-Encoding says so. Where no Content-Type
  stands it becomes text/plain, charset utf-8 if it is that, else unknown-8bit (RFC 1428 §3). MIME-Version comes on top.
- multipart and message/rfc822 may not be encoded (RFC 2045 §6.4): what is in them is, at any depth.
- Header text becomes encoded words (RFC 2047), a file's name RFC 2231's form, a domain in U-labels A-labels.
- In what stands before the first delimiter and behind the last one (nobody is shown it) such octets become "?".
- What is encoded already and has such octets nevertheless is mended: in base64 they mean nothing.

What can't be done, so that the message is refused (Unconvertible): octets above 127 within multipart/signed, which
nobody may touch (RFC 1847 §2.1), in message/partial and message/external-body, in an encoding that we don't know, in
addresses and in fields that have no form for them; and a structure that is past all reason. Signatures over the whole
message (DKIM) don't survive a conversion; `Survey.dkim` says that there is one.
"""


class Unconvertible(Exception):
    """The message can't be made 7-bit; str(error) says why, as in "it ...": "is signed (multipart/signed)"."""
