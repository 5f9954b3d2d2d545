"""mailman: the SMTP service for this host's containers (steps 1 to 3 of the journey).

Two halves meet here. The listener speaks SMTP, makes a message whole and gives it its queue ID; the forwarder gets it
to the postoffice, or into mailman's own spool, and says what to answer. All that they know of each other is this file.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hedwig.envelope import Envelope
from hedwig.options import PLAIN, Options, Submitter
from hedwig.reply import Reply


@dataclass(frozen=True, slots=True)
class Submission:
    """A message that a container has handed in completely.

    `body` is the whole message, as it shall arrive: CRLF line ends, dots unstuffed, Received and whatever else was
    missing added (I6). `accepted_at` is Unix time, the moment its data was complete. `smtputf8` is what the client
    asked for in MAIL (RFC 6531). `submitter` is who handed it in. `options` is what it asks for, and `message_id` that
    of its header.
    """

    queue_id: str
    envelope: Envelope
    body: bytes
    accepted_at: float
    smtputf8: bool
    submitter: Submitter
    options: Options = PLAIN
    message_id: str = ""


Submit = Callable[[Submission], Awaitable[Reply]]
"""What the listener calls once for each message. It gives the reply to the client: 250 only once the message is durable
(I1), 4yz for a fault of ours (I8), 5yz when it is refused for good. An exception counts as 451 4.3.0."""
