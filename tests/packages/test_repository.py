"""The repository of `make repo`: apt itself reads it, and believes its key alone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT, without_python

SCRIPT = ROOT / "debian/tools/make-repo.sh"


def make(debs: Path, repository: Path, url: str, home: Path, key: str = "") -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True, mode=0o700)
    environment = without_python(os.environ) | {"HOME": str(home), "GNUPGHOME": str(home), "XDG_DATA_HOME": str(home)}
    return subprocess.run(
        [SCRIPT, debs, repository, url, key],
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def apt(place: Path, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """apt with nothing but this source, and with folders of its own."""
    for folder in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "parts"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "sources.list").write_text(source + "\n")
    (place / "status").touch()
    options = {
        "Dir::Etc": place / "etc",
        "Dir::Etc::sourcelist": place / "sources.list",
        "Dir::Etc::sourceparts": place / "parts",
        "Dir::State::lists": place / "lists",
        "Dir::State::status": place / "status",
        "Dir::Cache": place / "cache",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "root",
    }
    command = ["apt-get", *(f"-o{name}={value}" for name, value in options.items()), *arguments]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)


@pytest.fixture
def repository(debs: Path, tmp_path: Path) -> tuple[Path, str]:
    """A repository with a generated key, and the words of make-repo.sh."""
    done = make(debs, tmp_path / "repo", f"file://{tmp_path}/repo", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    return tmp_path / "repo", done.stdout


def test_the_printed_line_makes_apt_use_it(repository: tuple[Path, str], tmp_path: Path) -> None:
    """The `signed-by=` line, with the key from where it was copied to: apt takes the lists, and finds hedwig."""
    folder, words = repository
    line = re.search(r"^echo '(deb .*)' >", words, re.MULTILINE)
    assert line is not None and f"cp {folder}/hedwig.asc /etc/apt/keyrings/" in words
    source = line[1].replace("/etc/apt/keyrings/hedwig.asc", str(folder / "hedwig.asc"))
    updated = apt(tmp_path, source, "update", "--error-on=any")
    assert updated.returncode == 0, updated.stdout + updated.stderr
    offered = apt(tmp_path, source, "download", "--print-uris", "hedwig-mailman", "python3-greenstalk")
    assert "hedwig-mailman_0" in offered.stdout and "python3-greenstalk_2" in offered.stdout, offered.stderr


def test_apt_refuses_what_another_key_signed(repository: tuple[Path, str], debs: Path, tmp_path: Path) -> None:
    """Somebody in between puts a repository of their own into the place: its key is not the one that is trusted."""
    theirs = tmp_path / "theirs"
    assert make(debs, theirs, f"file://{theirs}", tmp_path / "their home").returncode == 0
    refused = apt(
        tmp_path, f"deb [signed-by={repository[0]}/hedwig.asc] file://{theirs} ./", "update", "--error-on=any"
    )
    assert refused.returncode != 0
    assert "NO_PUBKEY" in refused.stderr


def test_the_key_is_made_once(repository: tuple[Path, str], debs: Path, tmp_path: Path) -> None:
    """The next `make repo` signs with the same key, which nobody else can read."""
    before = (repository[0] / "hedwig.asc").read_bytes()
    assert make(debs, repository[0], "http://192.0.2.1/hedwig/", tmp_path / "home").returncode == 0
    assert (repository[0] / "hedwig.asc").read_bytes() == before
    kept = tmp_path / "home/hedwig/repository-key.asc"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_key_of_ones_own_signs(repository: tuple[Path, str], debs: Path, tmp_path: Path) -> None:
    """KEY is a file with a secret key, here that of another repository."""
    done = make(
        debs, tmp_path / "other", "http://x/", tmp_path / "empty", str(tmp_path / "home/hedwig/repository-key.asc")
    )
    assert done.returncode == 0, done.stderr
    assert re.findall("[0-9A-F]{40}", done.stdout) == re.findall("[0-9A-F]{40}", repository[1])
    assert not (tmp_path / "empty" / "hedwig").exists()


@pytest.mark.parametrize(
    ("url", "key", "told"), [("", "", "URL="), ("repo", "", "URL=repo"), ("http://x/", "nobody", "KEY=nobody")]
)
def test_what_is_wrong_is_said(debs: Path, tmp_path: Path, url: str, key: str, told: str) -> None:
    done = make(debs, tmp_path / "repo", url, tmp_path / "home", key)
    assert done.returncode == 2
    assert told in done.stderr
