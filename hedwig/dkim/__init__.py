"""DKIM signatures (RFC 6376; RFC 8301 on algorithms and sizes, RFC 8463 on Ed25519). Pure; no arithmetic of our own.

A letter is signed by the domain of its From: with the keys of that very domain, or of the nearest domain above it that
has any (which is "relaxed" alignment, RFC 7489 §3.1.1). With an RSA and an Ed25519 key it gets both signatures.
`canonical` makes the form that is hashed, `header` chooses the fields, `field` writes the signature's own, `sign` puts
it together in one pass over a letter that may come in pieces; `keys` says whose keys there are, `private` does what
needs python3-cryptography, and `record` is the other side: what has to stand in DNS.

What is chosen, and why:

- c=relaxed/relaxed: a relay that folds a field anew or strips blanks at a line's end breaks nothing.
- No l=: with it text can be added to a signed letter. No i=, which would say no more than d=. No x=: a letter may wait
  for days here and elsewhere, and a signature that expires on the way helps nobody.
- Fields are oversigned (RFC 6376 §5.4.2): named once more than they are there, so that none can be added.
- Signatures that are there already stay; ours go on top.
"""
