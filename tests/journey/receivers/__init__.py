"""Receivers that are broken, slow, strict or odd: what their senders and the operator see of it, a symptom a test.

The receivers of a module share one host with real daemons, one resolver and one network (ward.py); each has a domain
and an address of its own, and the letters to all of them are sent at once, so that they wait together. A receiver is a
far side on raw sockets (farside.py) or Postfix's smtp-sink (sink.py).
"""
