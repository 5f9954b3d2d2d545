"""A handshake: one try to get a session with one address as its host's Demand has it (hedwig/tls).

It makes a Security of the demand, looks at the certificates, and has words for what came of it: for the history, and
for the receiver's report (RFC 8460).
"""

import ssl

from hedwig.dane.presented import presented_chain
from hedwig.dane.verify import verify
from hedwig.smtp import Said, Target
from hedwig.smtp.session import NOT_OFFERED
from hedwig.smtp.tls import Security
from hedwig.tls import Demand, Unproved
from hedwig.tls.policy import would_fail
from hedwig.tlsrpt import Result, Session
from hedwig.worker.policies import Trusting


class Handshake:
    """With `target`; `domain`: whose mail it is for; `implicit`: TLS comes before anything is said."""

    def __init__(self, domain: str, demand: Demand, target: Target, trust: Trusting, *, implicit: bool = False) -> None:
        self.demand = demand
        self._domain = domain
        self._target = target
        self._trust = trust
        self._implicit = implicit
        self._unproved: Unproved | None = None
        self._told: Unproved | None = None  # what MTA-STS would have had against it

    @property
    def security(self) -> Security:
        """What the SMTP client is to do."""
        demand = self.demand
        return Security(
            starttls=demand.starttls,
            required=demand.required,
            implicit=self._implicit,
            authenticated=demand.proved,
            server_name=demand.base,
            check=self._check,
        )

    def _check(self, tls: ssl.SSLObject) -> str:
        demand, target, wrong = self.demand, self._target, ""
        if not (demand.proved or demand.testing):
            return ""
        try:
            chain = presented_chain(tls)
            if demand.records:
                self._unproved = verify(chain, demand.records, (demand.base, *demand.names))
                wrong = demand.dane
            if demand.authority and self._unproved is None:
                self._unproved = self._trust.check(chain, target.host)
                wrong = demand.authority
            if demand.testing is not None:
                self._told = would_fail(demand.testing, target.host, self._trust.check(chain, target.host))
        except Exception as error:  # noqa: BLE001  whatever a stranger's certificate breaks here proves nothing
            self._unproved = Unproved("validation-failure", f"its certificates can't be read: {error!r}")
            wrong = demand.required
        return f"{self._unproved.text}; {wrong}" if self._unproved and demand.proved else ""

    def words(self, tls: str, broken: str = "") -> str:
        """What held, and what came of it, of a session that stands: encrypted if `tls` is not "", else in the clear,
        perhaps since TLS is `broken` there."""
        demand = self.demand
        if not demand.starttls:
            return demand.words
        prefix = "" if demand.words == "may" else f"{demand.words}: "
        if demand.testing is not None and (self._told or not tls):
            against = self._told.text if self._told else "it offers no TLS"
            return f"{prefix}would have failed: {against}" + (f" (its TLS is broken: {broken})" if broken else "")
        if not tls:
            return f"{prefix}its TLS is broken: {broken}" if broken else f"{prefix}it offers no TLS"
        if demand.records:
            return f"{prefix}its certificate fits its TLSA records"
        if demand.authority or demand.testing is not None:
            return f"{prefix}its certificate is for {self._target.host}, by a trusted authority"
        return f"{prefix}its certificate isn't checked"

    def success(self, tls: str) -> Session:
        """For the report: a session that stands."""
        if not tls:
            return self._session(Result.STARTTLS_NOT_SUPPORTED, "")
        told = self._told
        return self._session(Result(told.result), told.text) if told else self._session(Result.SUCCESS, "")

    def failure(self, said: Said) -> Session:
        """For the report: TLS did not come about."""
        if self._unproved is not None and self.demand.proved:
            return self._session(Result(self._unproved.result), self._unproved.text)
        if said.reply is not None or said.detail.startswith(NOT_OFFERED):
            return self._session(Result.STARTTLS_NOT_SUPPORTED, str(said.reply or ""))
        return self._session(Result.VALIDATION_FAILURE, said.detail)

    def _session(self, result: Result, reason: str) -> Session:
        target = self._target
        if result is Result.SUCCESS:
            return Session(self._domain, self.demand.reported)
        where = (target.host, target.address, target.local)
        return Session(self._domain, self.demand.reported, result, *where, reason)
