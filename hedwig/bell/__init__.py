"""The bell: how a daemon has the operator called without mail. It lays a record into a folder, and goes on.

    daemon: log.event(Matter.DNS_DOWN, ...) → bell.hear → kinds.readings → a Record, as a file in FOLDER/new
    hedwig-alerts: takes the file, decides whether that is news, and tells command and webhook (hedwig/alerts)

What is alarming is said once, in the journal; kinds.py says which of its events ring, as what kind of alert, and which
event ends it. So whatever is to be an alert is logged with `log.event`, and has a line in kinds.py; there is no other
call. Nothing here may hold up mail: `hear` puts the record into a list in memory, and a thread of its own writes it.

What rings and what ends it is about a `subject` (a receiver, a client, a unit) and comes from a `source` (a daemon, by
its name in the journal). A trouble that several daemons have is one alert, which is over when it is for all of them.
A daemon that starts says so: what its predecessor did not live to take back is over then, unless it rings again.
"""

from hedwig.bell.bell import Bell, new_folder
from hedwig.bell.kinds import HEARD, Kind, Nature, Reading, natures, readings
from hedwig.bell.record import Edge, Record

__all__ = ["HEARD", "Bell", "Edge", "Kind", "Nature", "Reading", "Record", "natures", "new_folder", "readings"]
