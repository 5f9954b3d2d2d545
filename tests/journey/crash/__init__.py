"""The crash matrix: a stream of numbered letters through a whole system whose processes die, freeze and restart.

    fate.py       what is to befall a daemon, and at which named point
    seams.py      the named points, laid around hedwig's own methods from outside: the product has no hook in it
    launch.py     a daemon with a fate, for the command line
    victims.py    one process after the other under the same name
    plan.py       who is struck when, and how
    storm.py      carries the plan out
    letters.py    the numbered letters
    stream.py     sends them, and writes down which got a 250; insist.py: clients that repeat until they hear it
    receivers.py  far sides that delay and cut, and write down every letter that they have got
    reckoning.py  what became of each letter; the table; what must not be

`make crash-test ROUNDS=7` runs it for long; docs/crash-test.md tells what it shows.
"""
