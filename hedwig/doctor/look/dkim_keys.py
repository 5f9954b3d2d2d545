"""The private keys that sign on this host, for dkim_rules: as config/dkim.py finds and reads them, without records."""

from pathlib import Path

from hedwig.config import ConfigError
from hedwig.config.dkim import NAME, KeyFile, State, key_files
from hedwig.doctor.dkim_rules import Signing


def domains(config_dir: Path) -> list[str]:
    """Those that have a key."""
    return sorted({file.domain for file in _files(config_dir)})


def keys_of(config_dir: Path, domain: str) -> list[Signing]:
    """Its keys, by selector; also those that can't be read."""
    return [_key(file) for file in _files(config_dir) if file.domain == domain]


def _files(config_dir: Path) -> list[KeyFile]:
    found, _ = key_files(config_dir / NAME)  # what is wrong with names is a finding about the settings
    return [file for file in found if file.state is State.ACTIVE]


def _key(file: KeyFile) -> Signing:
    try:
        return Signing(file.domain, str(file.path), file.read())
    except ConfigError as error:
        problem = error.problems[0]
        return Signing(file.domain, str(file.path), trouble=problem.wrong, mend=problem.right)
