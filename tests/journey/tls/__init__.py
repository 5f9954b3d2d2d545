"""Journeys over TLS: what the admin's word, DANE, MTA-STS and REQUIRETLS ask of receivers, and what comes of it."""
