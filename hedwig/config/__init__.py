"""YAML files -> settings: every fault at once, each with its line, its key, and what would be right.

    settings = load_mailman("/etc/hedwig/mailman.yml")

`load_mailman`, `load_postoffice`, `load_worker` and `load_client` return the frozen dataclass of hedwig/settings, or
raise ConfigError, whose `problems` lists all that is wrong with the file; str(error) is one line for each:

    mailman.yml:12: max_sise: unknown key; did you mean max_size?

A mailman.yml that names neither fqdn, postoffice nor key takes them from local.key beside it (localkey.py). What is
still missing then is no error but stands in `Mailman.missing`: mailman starts, and spools.

Nothing else is raised, whatever lies in the file. What is only worth a warning is told by `warnings`. Which keys there
are, and of which kind, stands in hedwig/settings; kinds.py says what a value may look like; document.py reads YAML,
reading.py makes the values, and agreement.py sees whether they fit together. rulekinds.py and replies.py do the same
for replies.yml, and dkim.py reads the folder of keys: `load_delivery` and `load_reception` give a worker.yml and a
postoffice.yml with all that lies beside them.
"""

import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hedwig.config.agreement import disagreements, disagreements_of_alerts, faults_of_client
from hedwig.config.document import parse, read_text
from hedwig.config.localkey import LocalKey, path_beside, this_host
from hedwig.config.names import host_name
from hedwig.config.problem import ConfigError, Problem, Unfit, gathering
from hedwig.config.reading import Reading
from hedwig.config.replies import load_rules, own_file
from hedwig.settings import Alerts, Client, Mailman, Postoffice, Worker

__all__ = [
    "ConfigError",
    "Problem",
    "Unfit",
    "host_name",
    "lines_of_worker",
    "load_alerts",
    "load_client",
    "load_delivery",
    "load_local_key",
    "load_mailman",
    "load_postoffice",
    "load_reception",
    "load_worker",
    "pasted_lines",
    "sites_named",
    "warnings",
    "with_rules",
]

_PASTED = tuple(one.name for one in fields(Mailman) if one.metadata.get("pasted"))


def load_mailman(path: Path | str) -> Mailman:
    """mailman.yml, with local.key where it names no postoffice; or ConfigError."""
    path = Path(path)
    values = _values(path, Mailman)
    if not any(name in values for name in _PASTED):
        local = load_local_key(path_beside(path))
        values |= {name: value for name in _PASTED if (value := getattr(local, name))}
    missing = tuple(name for name in _PASTED if name not in values)
    return Mailman(**{"fqdn": this_host(), **values, "missing": missing})


def pasted_lines(text: str, where: str) -> dict[str, str]:
    """Those of fqdn, postoffice, key and ca_file that `text` has, as `hedwig key add` printed it; or ConfigError."""
    reading = Reading(where)
    values = reading.section(Mailman, parse(Path(where), text))
    reading.finish()
    return {name: values[name] for name in (*_PASTED, "ca_file") if name in values}


def load_local_key(path: Path | str) -> LocalKey:
    """local.key, or ConfigError; all empty where there is none."""
    path = Path(path)
    return LocalKey(**_values(path, LocalKey)) if path.exists() else LocalKey()


def load_postoffice(path: Path | str) -> Postoffice:
    """postoffice.yml, or ConfigError."""
    return Postoffice(**_values(Path(path), Postoffice))


def load_alerts(path: Path | str) -> Alerts:
    """alerts.yml, or ConfigError; the defaults where there is none."""
    path = Path(path)
    if not path.exists():
        return Alerts()
    reading = Reading(str(path))
    alerts = Alerts(**reading.section(Alerts, parse(path, read_text(path))))
    for key, error in disagreements_of_alerts(alerts):
        reading.problems.append(Problem(str(path), reading.line(key), key, error.wrong, error.right))
    reading.finish()
    return alerts


def load_reception(path: Path | str) -> Postoffice:
    """postoffice.yml with all that belongs to it: the DKIM keys in `dkim` beside it. Or ConfigError. (Whoever signs
    nothing needs no more than load_postoffice.)"""
    from hedwig.config.dkim import keys_beside  # the operator's commands would wait for it

    path = Path(path)
    problems: list[Problem] = []
    with gathering(problems):
        postoffice = load_postoffice(path)
    with gathering(problems):
        keys = keys_beside(path)
    if problems:
        raise ConfigError(problems)
    return replace(postoffice, dkim=keys)


def load_worker(path: Path | str) -> Worker:
    """worker.yml, or ConfigError."""
    return lines_of_worker(path)[0]


def lines_of_worker(path: Path | str) -> tuple[Worker, Mapping[str, int]]:
    """worker.yml, and in which line of it each of its keys stands ("sites.google.connections": 12); what it doesn't
    name is a default. Or ConfigError."""
    worker, reading = _draft(Path(path))
    reading.finish()
    return worker, reading.lines


def _draft(path: Path) -> tuple[Worker, Reading]:
    """What worker.yml gives, though faults may have been found: where there is one the default stands. ConfigError
    where it can't be read at all."""
    reading = Reading(str(path))
    worker = Worker(**reading.section(Worker, parse(path, read_text(path))))
    reading.disagree(disagreements(worker, reading.lines))
    return worker, reading


def load_delivery(path: Path | str) -> Worker:
    """worker.yml with all that belongs to it: the rules of replies.yml, and the DKIM keys in `dkim`. Or ConfigError.
    (Whoever needs neither is quicker with load_worker.)"""
    from hedwig.config.dkim import keys_beside

    path = Path(path)
    problems: list[Problem] = []
    worker, rules_file, sites = Worker(), own_file(path, ""), None
    with gathering(problems):
        worker, reading = _draft(path)
        known = "replies" not in reading.lines or worker.replies  # else nobody can say which file is meant
        rules_file = own_file(path, worker.replies) if known else None
        sites = _sites(worker, reading)
        reading.finish()
    with gathering(problems):
        rules = load_rules(rules_file, sites)
    with gathering(problems):
        keys = keys_beside(path)
    if problems:
        raise ConfigError(problems)
    return replace(worker, rules=rules, dkim=keys)


def sites_named(path: Path) -> Collection[str] | None:
    """The names below `sites` in a worker.yml, which may have faults; None where it can't be read at all."""
    try:
        return _sites(*_draft(path))
    except ConfigError:
        return None


def _sites(worker: Worker, reading: Reading) -> Collection[str]:
    named = (key.split(".")[1] for key in reading.lines if key.startswith("sites."))
    return dict.fromkeys((*worker.sites, *named))  # an entry that can't be read has a name all the same


def with_rules(path: Path, worker: Worker) -> Worker:
    """What the worker.yml at `path` gave, and the rules that belong to it; or ConfigError."""
    return replace(worker, rules=load_rules(own_file(path, worker.replies), worker.sites))


def load_client(path: Path | str) -> Client:
    """clients.d/FQDN.yml, or ConfigError. The file's name says whose it is."""
    path = Path(path)
    reading = Reading(str(path))
    fqdn = path.name.removesuffix(".yml")
    try:
        if path.suffix != ".yml" or host_name(fqdn) != fqdn:
            raise Unfit("the file's name is not FQDN.yml in lower case")
    except Unfit as error:
        reading.problems.append(Problem(str(path), 0, "", error.wrong, "name it after the host: less.example.com.yml"))
    client = Client(fqdn, **reading.section(Client, parse(path, read_text(path))), lines=reading.lines)
    reading.disagree(faults_of_client(client))
    reading.finish()
    return client


def warnings(path: Path | str) -> list[Problem]:
    """What is dangerous but no error: a file with a key, password or secret, or a local.key beside it, that everybody
    can read; and a webhook's secret that mailman can."""
    path = Path(path)
    found = [
        Problem(str(file), 0, word, "every user of this host can read it", f"chmod o-rwx {file}")
        for file in (path, path_beside(path))
        if (word := _secret_in(file)) and _is_open_to_all(file)
    ]
    if path.name == "alerts.yml" and path.with_name("mailman.yml").exists() and _secret_in(path):
        found.append(Problem(str(path), 0, "webhook.secret", *SECRET_WITH_MAILMAN))
    return found


SECRET_WITH_MAILMAN = (
    "mailman, which containers talk to, is the same user and can read it",
    "put it into a file that only root reads, and give that to hedwig-alerts alone: `systemctl edit hedwig-alerts`, "
    "LoadCredential=hook:/etc/hedwig/hook.secret; then secret_file: /run/credentials/hedwig-alerts.service/hook",
)
_SECRET_LINE = re.compile(r"(?:[^#]*[{,])?\s*(key|password|secret)\s*:")


def _is_open_to_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False  # it has just gone


def _secret_in(path: Path) -> str:
    """Which word stands before a secret in that file; "" where none does."""
    try:
        found = next(filter(None, map(_SECRET_LINE.match, read_text(path).split("\n"))), None)
    except ConfigError:
        return ""  # whoever loads the file is told why it can't be read
    return found[1] if found else ""


def _values(path: Path, cls: type) -> dict[str, Any]:
    """What the file gives for the keys of `cls`, or ConfigError."""
    reading = Reading(str(path))
    values = reading.section(cls, parse(path, read_text(path)))
    reading.finish()
    return values
