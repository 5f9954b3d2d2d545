"""Journeys on a machine that is failing: its disk is full, read-only or broken, its spool is damaged, its clock jumps,
its resolver is gone (I8). The daemons are the real ones; the faults are made around them, and cost them nothing.
"""
