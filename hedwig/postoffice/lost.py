"""Lost hints: which are put again although their deliveries still wait, since when they were put. Pure.

A hint may have been taken in vain: by a worker that died, or while its delivery was held. After LOST seconds it is put
again; and once the operator has freed something, all that were put before that, but not more often than AT_MOST.
"""

from hedwig.postoffice.hints import LOST

AT_MOST = 5.0  # seconds


class Lost:
    """What the feeder knows of it. Unix times, but `monotonic`."""

    def __init__(self) -> None:
        self._freed_at = float("-inf")
        self._looked_at = float("-inf")

    def freed(self, unix: float) -> None:
        """The operator has freed something just now."""
        self._freed_at = unix

    def before(self, unix: float, monotonic: float) -> float:
        """Hints that were put before this time count as lost. It is taken that they are put again now."""
        usual = unix - LOST
        if self._freed_at <= usual or monotonic - self._looked_at < AT_MOST:
            return usual
        freed, self._freed_at = self._freed_at, float("-inf")
        self._looked_at = monotonic
        return freed
