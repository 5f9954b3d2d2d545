"""hedwig: an outbound mail queue for Docker hosts.

The journey of one message (docs/journey.md tells it at length):

1. submit    a container's msmtp speaks SMTP to mailman, on the docker0 address.
2. accept    mailman checks peer, addresses and size, makes the message whole, gives it its queue ID.
3. forward   mailman hands it to postoffice over HTTP, in batches; a verdict per message comes back.
4. register  postoffice writes it into the spool with fsync, then answers; the feeder puts hints on the queue.
5. claim     a worker takes hints, and claims those deliveries in the spool.
6. route     recipient domain -> site (its MX set) -> connection.
7. deliver   SMTP; one verdict per recipient: delivered, deferred, failed.
8. settle    outcomes, next due times, bounce and history in one transaction; then the journal entry.

The promise: a message that got a 250 is delivered, bounced, or still in the queue where you can see it.

Invariants that code and tests cite as I1 ... I12:

I1   No 250 and no HTTP 200 before the message is fsynced in a spool.
I2   The spool is the truth; the queue carries hints. A hint lost or doubled does no harm.
I3   One queue ID for life; (client, ID) with the same digest again repeats the first acceptance.
I4   Outcomes are per recipient. A recipient that was delivered is never tried again.
I5   Only the reply to the final dot decides; a claim freed with a dot mark and no settlement is in doubt.
I6   Bytes of the body arrive as accepted; no bare CR, bare LF or NUL leaves; CRLF.CRLF alone ends data.
I7   A bounce has the null sender, and nothing answers a null sender.
I8   A fault of ours is a 4yz or a deferral, never a 5yz or a bounce.
I9   One slow destination, client or large letter holds back no other.
I10  SIGTERM: no new work, dots are awaited, the rest is handed back.
I11  Nothing from outside is interpreted: no CR/LF into a command, header or log line; no name becomes a path.
I12  No clock decides who may send: a claim ends by settlement, or by whoever holds its dead owner's lock.
"""

__version__ = "0.1.0"
