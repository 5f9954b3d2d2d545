"""Signed zones for tests (DNSSEC), by ldns. A validating unbound that is given `anchor` finds them secure.

What is named as `forged` keeps its records, but not their signatures: what a forger could put into an answer, and bogus
to who validates.
"""

import re
import subprocess
from collections.abc import Collection
from pathlib import Path

_ALGORITHM = "ECDSAP256SHA256"


class Signer:
    """A key for one zone (its name without the final dot), kept in `directory`; `tool` gives the path of a program."""

    def __init__(self, directory: Path, zone: str, keygen: str, signzone: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._zone = f"{zone}."
        self._signzone = signzone
        command = [keygen, "-a", _ALGORITHM, "-k", self._zone]
        self._key = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout.strip()
        # What unbound takes as `trust-anchor`: the key as a line of a zone file.
        self.anchor = (directory / f"{self._key}.key").read_text("utf-8").partition(";")[0].strip().replace("\t", " ")

    def sign(self, zonefile: Path, forged: Collection[str] = ()) -> None:
        """Sign the zone in its place; of `forged` ("mx.example A": full name and type) the signatures are left out."""
        signed = zonefile.with_suffix(".signed")
        command = [self._signzone, "-o", self._zone, "-f", str(signed), str(zonefile), str(self._directory / self._key)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{zonefile}: {done.stderr or done.stdout}"
        lines = signed.read_text("utf-8").splitlines(keepends=True)
        for each in forged:
            name, rdtype = each.split()
            signature = re.compile(rf"{re.escape(name)}\.\s+\d+\s+IN\s+RRSIG\s+{rdtype}\s", re.IGNORECASE)
            left = [line for line in lines if not signature.match(line)]
            assert len(left) < len(lines), f"{each} has no signature in {zonefile}"
            lines = left
        signed.write_text("".join(lines), "utf-8")
        signed.replace(zonefile)
