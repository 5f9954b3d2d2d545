"""What keeps the feeder from its work: said in the log when it begins and when it ends, not at each of its rounds."""

import traceback

from hedwig import log
from hedwig.queue import QueueDown
from hedwig.spool import SpoolTrouble


class Complaints:
    """`queue`, `spool`, `fault`: what is wrong with each now, "" for nothing. A fault is the feeder's own, an error
    that nobody foresaw: whatever it is, without the feeder no worker would learn of new mail."""

    def __init__(self) -> None:
        self.queue = ""
        self.spool = ""
        self.fault = ""

    def queue_is_down(self, error: QueueDown) -> None:
        """It can't be reached."""
        if not self.queue:
            log.say(log.Level.WARNING, f"the queue can't be reached: {error}; messages are accepted all the same")
        self.queue = str(error) or "down"

    def queue_is_back(self) -> None:
        """It has answered."""
        if self.queue:
            log.say(log.Level.NOTICE, "the queue is back")
        self.queue = ""

    def spool_is_unread(self, error: SpoolTrouble) -> None:
        """It can't be asked."""
        if str(error) != self.spool:
            log.say(log.Level.ERROR, f"the feeder can't read the spool: {error}")
        self.spool = str(error)

    def at_fault(self, error: Exception) -> None:
        """The round was broken off."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"a fault of the feeder's: {error!r} at {frame.filename.rpartition('/')[2]}:{frame.lineno}"
        if fault != self.fault:
            log.say(log.Level.ERROR, f"{fault}; it tries again, and messages are accepted all the same")
        self.fault = fault

    def all_is_well(self) -> None:
        """A whole round was done."""
        if self.fault:
            log.say(log.Level.NOTICE, "the feeder goes on")
        self.spool = self.fault = ""
