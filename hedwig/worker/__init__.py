"""worker: takes hints, claims deliveries in the spool, and delivers them to the recipients' MX (steps 5 to 8)."""
