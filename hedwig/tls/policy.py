"""Which policy holds for a domain, and what it asks of each of its hosts. Pure.

| the admin's word | in the clear | certificate |
|---|---|---|
| `none` | always | |
| `may` | where TLS isn't offered, or is broken | any |
| `encrypt` | no | any |
| `verify` | no | of a trusted authority, for the MX's name |
| `dane` | no | as its TLSA records say; MX and TLSA records must be secure (DNSSEC), and be there |
| `mta-sts` | no | of a trusted authority, for the MX's name, which the domain's MTA-STS policy must name |

And for all but `none`, where the receiver publishes it, and the settings `dane` and `mta_sts` don't say otherwise:

- secure TLSA records: TLS, with a certificate that fits; any certificate, where none of them is usable (RFC 7672 §2.2).
  MX records that are not secure change nothing about that: a forger of these could send the mail anywhere, but who only
  sits between us and the host can't.
- else an MTA-STS policy: `enforce`: a host that it names, with a certificate as for `verify`; `testing`: the same is
  looked at, and told, and has no consequences.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hedwig.dane import usable
from hedwig.dane.names import reference_names
from hedwig.options import TlsWish
from hedwig.settings import DomainRule, SiteRule, Tls
from hedwig.sites import fitting
from hedwig.tls import Barred, Demand, Mode, Policy, Reported, StsPolicy, Tlsa, Unproved
from hedwig.tlsrpt import PolicyType

_ASKED = "the message asks for REQUIRETLS"


@dataclass(frozen=True, slots=True)
class _Word:
    """What worker.yml says, and where."""

    level: Tls
    origin: str


class Levels:
    """What worker.yml says of TLS: the domain's word (the nearest entry that has one), else its site's, else the
    file's."""

    def __init__(self, default: Tls, domains: Mapping[str, DomainRule]) -> None:
        self._default = _Word(default, "`tls` in worker.yml")
        self._domains = {
            name: _Word(rule.tls, f"`domains: {name}` in worker.yml")
            for name, rule in domains.items()
            if rule.tls is not None
        }

    def policy(self, domain: str, site: str, rule: SiteRule) -> Policy:
        """The policy so far, of a domain at a site of that name ("" if it has none)."""
        word = fitting(domain, self._domains) or self._default
        if word is self._default and rule.tls is not None:
            word = _Word(rule.tls, f"`sites: {site or 'default'}` in worker.yml")
        return Policy(domain, word.level, word.origin)


def kind(policy: Policy, hosts: Iterable[str]) -> str:
    """What domains with the same exchangers must have in common to share a connection; "" for the plainest."""
    words = [] if policy.level is Tls.MAY else [policy.level.value]
    if policy.level is Tls.DANE and not policy.found.secure:
        words.append("insecure")
    if policy.level is Tls.MTA_STS and policy.sts is None:
        words.append("missing")
    if policy.sts is not None and policy.level is not Tls.NONE:
        words.append(f"sts-{policy.sts.mode}")
        hosts = sorted(set(hosts))
        named = [host for host in hosts if policy.sts.matches(host)]
        words += (named or ["(none)"]) if len(named) < len(hosts) else []
    return " ".join(words)


def demand(policy: Policy, host: str, tlsa: Tlsa, wish: TlsWish = TlsWish.USUAL) -> Demand | Barred:
    """What is asked of this host (lower case) for mail under the policy. `tlsa`: of no interest where the policy has
    `dane` off."""
    if wish is TlsWish.OPTIONAL:
        policy = _of_the_admin_alone(policy)
    if policy.level is Tls.NONE and wish is not TlsWish.REQUIRED:
        return Demand(f"tls: none ({policy.origin})", _reported(policy, tlsa), starttls=False)
    if policy.dane and tlsa.unknown:
        return Barred(Unproved("dnssec-invalid", tlsa.unknown), _reported(policy, tlsa))
    barred = _barred(policy, host, tlsa, wish)
    if barred is not None:
        return barred
    made = _by_level(policy, tlsa)
    for added in (_by_dane(policy, tlsa), _by_sts(policy, tlsa), _by_wish(policy, tlsa, wish)):
        if added is not None and not (added.testing and made.authority):
            made = _both(made, added)
    return made


def _of_the_admin_alone(policy: Policy) -> Policy:
    """RFC 8689 §4.2.2: without the receiver's policies, unless it is the admin who wants them kept."""
    return replace(
        policy,
        dane=policy.dane and policy.level is Tls.DANE,
        sts=policy.sts if policy.level is Tls.MTA_STS else None,
    )


def _barred(policy: Policy, host: str, tlsa: Tlsa, wish: TlsWish) -> Barred | None:
    sts, reported = policy.sts, _reported(policy, tlsa)
    proves = policy.dane and bool(usable(tlsa.records))

    def no(text: str, result: str = "validation-failure") -> Barred:
        return Barred(Unproved(result, text), reported)

    if policy.level is Tls.DANE and not policy.found.secure:
        return no(f"the MX records of {policy.domain} are not secured by DNSSEC; {_dane_only(policy)}", "dane-required")
    if policy.level is Tls.DANE and not proves:
        return no(f"it has no TLSA records that can be used; {_dane_only(policy)}", "dane-required")
    if policy.level is Tls.MTA_STS and sts is None:
        why = policy.sts_trouble or f"{policy.domain} has no MTA-STS policy in force"
        return no(f"{why}; tls: mta-sts ({policy.origin})", "sts-policy-invalid")
    enforced = sts is not None and (sts.mode is Mode.ENFORCE or policy.level is Tls.MTA_STS)
    if sts is not None and enforced and not sts.matches(host) and (policy.level is Tls.MTA_STS or not proves):
        return no(f"it is none of the hosts that {_sts_of(policy)} names")
    if wish is TlsWish.REQUIRED and not (policy.found.secure or (sts is not None and sts.matches(host))):
        text = f"{_ASKED}, and neither DNSSEC nor MTA-STS says that it is a host of {policy.domain} (RFC 8689)"
        return Barred(Unproved("validation-failure", text), reported, final=True)
    return None


def _by_level(policy: Policy, tlsa: Tlsa) -> Demand:
    level, reported = policy.level, _reported(policy, tlsa)
    why = f"tls: {level.value} ({policy.origin})"
    if level is Tls.VERIFY or level is Tls.MTA_STS:
        return Demand("verify" if level is Tls.VERIFY else "mta-sts", reported, required=why, authority=why)
    if level is Tls.ENCRYPT or level is Tls.DANE:
        return Demand("encrypt", reported, required=why)
    return Demand("may", reported)


def _by_dane(policy: Policy, tlsa: Tlsa) -> Demand | None:
    if not policy.dane or not tlsa.records:
        return None
    reported = _reported(policy, tlsa)
    if records := usable(tlsa.records):
        names = reference_names(policy.domain, policy.found, tlsa.base)[1:]
        made = Demand("dane", reported, records=records, base=tlsa.base, names=names)
        return replace(made, required=made.dane)
    return Demand(
        "encrypt (DANE without usable records)", reported, required="it has TLSA records, if none that can be used"
    )


def _by_sts(policy: Policy, tlsa: Tlsa) -> Demand | None:
    sts = policy.sts
    if sts is None or (policy.dane and usable(tlsa.records)):  # RFC 8461 §2: DANE goes before it
        return None
    reported = _reported(policy, tlsa)
    if sts.mode is Mode.TESTING:
        return Demand("mta-sts testing", reported, testing=sts)
    why = f"{_sts_of(policy)} asks for it"
    return Demand("mta-sts", reported, required=why, authority=why)


def _by_wish(policy: Policy, tlsa: Tlsa, wish: TlsWish) -> Demand | None:
    if wish is not TlsWish.REQUIRED:
        return None
    by_dane = policy.dane and bool(usable(tlsa.records))
    return Demand("requiretls", _reported(policy, tlsa), required=_ASKED, authority="" if by_dane else _ASKED)


def _both(least: Demand, added: Demand) -> Demand:
    """What satisfies both."""
    return Demand(
        words=added.words if least.words in ("may", added.words) else f"{least.words}, {added.words}",
        reported=least.reported,
        required=added.required or least.required,
        records=least.records or added.records,
        base=least.base or added.base,
        names=least.names or added.names,
        authority=least.authority or added.authority,
        testing=None if added.authority else least.testing or added.testing,
    )


def _reported(policy: Policy, tlsa: Tlsa) -> Reported:
    """RFC 8460 §4.4: the policy that held, and its domain."""
    if policy.dane and tlsa.records:
        return Reported(PolicyType.TLSA, tlsa.base, tuple(each.presentation() for each in tlsa.records))
    if policy.sts is not None:
        return Reported(PolicyType.STS, policy.domain, policy.sts.lines, policy.sts.mx)
    return Reported(PolicyType.NONE, policy.domain)


def _sts_of(policy: Policy) -> str:
    return f"the MTA-STS policy of {policy.domain}"


def _dane_only(policy: Policy) -> str:
    return f"tls: dane ({policy.origin})"


def would_fail(sts: StsPolicy, host: str, unproved: Unproved | None) -> Unproved | None:
    """What MTA-STS's testing mode has to tell of a host, whose certificate was looked at."""
    if not sts.matches(host):
        return Unproved("validation-failure", "it is none of the hosts that the policy names")
    return unproved
