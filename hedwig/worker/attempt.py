"""An attempt: how one try went for one recipient."""

from dataclasses import dataclass

from hedwig.smtp import Said


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it went for one recipient. `host`: "name[address]" or ""; `tls`: protocol and cipher, or ""; `reports`: the
    host announced DSN, so it reports success itself. `talk`: the conversation up to the dot, where it was kept.
    `policy`: what held for TLS there, and what came of it, in words. `carried`: the transaction had somebody who got
    the message. `relayed`: the host is a smarthost, which speaks for itself. `family`: of the address that was tried,
    where no session came about. `local`: the address of ours that it left from, where the settings name one.
    `elsewhere`: it may leave from another source of ours now."""

    said: Said
    host: str = ""
    tls: str = ""
    reports: bool = False
    talk: str = ""
    policy: str = ""
    carried: bool = False
    relayed: bool = False
    family: str = ""
    local: str = ""
    elsewhere: bool = False

    @property
    def way(self) -> str:
        """How it travelled, and why so, in short: "TLSv1.3 (dane: ...)"; "" where there was no session."""
        return f"{self.tls.partition(' ')[0] or 'in the clear'} ({self.policy})" if self.policy else ""
