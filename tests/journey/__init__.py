"""Journeys: one letter (or many) through the real processes, real msmtp, a real resolver and a misbehaving far side.

Each test lives in a network namespace of its own (network.py), on a Host with real daemons (host.py), against far
sides on raw sockets (farside.py). Nothing sleeps and hopes: what must become true is polled up to a deadline
(waiting.py). One file a symptom; where symptoms are many and independent, all of a file share one host (receivers/).
"""
