"""What a client may send, by its file in clients.d: decided here, done by others. Pure.

`aligned` (alignment.py) looks at who a letter is from: the From, Sender and Resent-* fields and the envelope's sender,
against `senders`, `from_mismatch` and `from_match`. `oversized` looks at its size, `over_quota` at what was sent before
(bounds.py). Each gives None where nothing is wrong, or a Refused: the SMTP reply, whose sentence names the line of the
file that decides.

Without `senders`, and without a line `from_mismatch`, a letter may be from anyone. Reports that mailman makes have the
null sender and are no business of this package (I7); a null sender that a container gave stays one, its From counts.
"""

from hedwig.policy.alignment import Aligned, aligned, has_rules_of_from
from hedwig.policy.bounds import over_quota, oversized
from hedwig.policy.refused import Refused

__all__ = ["Aligned", "Refused", "aligned", "has_rules_of_from", "over_quota", "oversized"]
