"""Journeys of letters under their client's policy: who may send, as whom, how much, and with which key."""
