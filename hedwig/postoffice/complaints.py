"""What keeps the feeder from its work: said in the log when it begins and when it ends, not at each of its rounds."""

import traceback

from hedwig import log
from hedwig.queue import QueueDown
from hedwig.spool import SpoolTrouble
from hedwig.spool.trouble import matter_of


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
            text = f"the queue can't be reached: {error}; messages are accepted all the same"
            log.event(log.Matter.QUEUE_DOWN, text, log.Level.WARNING, reason=str(error))
        self.queue = str(error) or "down"

    def queue_is_back(self) -> None:
        """It has answered."""
        if self.queue:
            log.event(log.Matter.QUEUE_BACK, "the queue is back", log.Level.NOTICE)
        self.queue = ""

    def spool_is_unread(self, error: SpoolTrouble) -> None:
        """It can't be asked."""
        if str(error) != self.spool:
            text = f"the feeder can't read the spool: {error}"
            log.event(matter_of(error), text, log.Level.ERROR, reason=str(error))
        self.spool = str(error)

    def at_fault(self, error: Exception) -> None:
        """The round was broken off."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"a fault of the feeder's: {error!r} at {frame.filename.rpartition('/')[2]}:{frame.lineno}"
        if fault != self.fault:
            text = f"{fault}; it tries again, and messages are accepted all the same"
            log.event(log.Matter.FAULT, text, log.Level.ERROR, reason=repr(error))
        self.fault = fault

    def all_is_well(self) -> None:
        """A whole round was done."""
        if self.fault:
            log.say(log.Level.NOTICE, "the feeder goes on")
        if self.spool:
            log.event(log.Matter.SPOOL_BACK, "the feeder can read the spool again", log.Level.NOTICE)
        self.spool = self.fault = ""
