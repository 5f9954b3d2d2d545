"""The doctor: what receivers, and this host itself, would find wrong, before a letter has to find it out.

Facts come from the gatherers in look/ (DNS, sockets, files, systemd), each with a deadline of its own, all at once
(beside.py), so that the whole takes seconds even where nothing answers. What they mean is judged by pure rules, from
facts to findings (finding.py): pass, warn, fail or skipped, what was seen, and the exact line that mends it, with the
place where it goes.

    address_rules   the name that an address has (PTR, FCrDNS) and the one it gives (EHLO); IPv6
    spf_rules       SPF by evaluation (RFC 7208), its record and its limits; spf_record: mended records
    dkim_rules      the keys on disk (RFC 8463); dkim_record: each against what DNS has (RFC 6376)
    dmarc_rules     DMARC record, alignment, reports (RFC 7489)
    domain_rules    a sender domain's MX (RFC 5321, 7505), MTA-STS (RFC 8461) and TLS-RPT (RFC 8460)
    reach_rules     port 25, DNSBLs (RFC 5782)
    network_rules   the resolver, the clock
    host_rules      units, listeners, disks, spools, queue;  file_rules: configuration, secrets, certificates

outside.py gathers and judges what is seen from outside, for each source address and sender domain, and belongs to hosts
that deliver; inside.py does it for the host itself, whichever of hedwig's packages it has.
"""
