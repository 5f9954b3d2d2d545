"""What becomes of the bell's records: alerts that stand, and what is told of them to a command and a webhook.

ledger.py decides what is news (pure); signing.py is how a receiver sees that a webhook's request is ours (pure);
hook.py runs a command, bounded in all that it may do to us, and runner.py has it run in a unit of its own, bounded in
all that it may do to the host; watch.py looks at the spools, and levels.py says what is too much there (pure).
"""
