"""The config files that postinst makes: the real settle-config and ucf, with /etc and the like in a namespace.

A test is a story on one host: docker0 gets an address, packages come and go, an admin has edited the file or not.
ucf runs without a terminal, where its answer to every question is to keep the file, and to lay the new one beside it as
.ucf-dist: that file is how a test sees that a question would have been asked.
"""

import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, without_python

FILE = "/etc/hedwig/mailman.yml"
# As root of a namespace of mounts and networks; overlays, so that nothing gets onto the machine itself. The group
# hedwig is root's here: a user has no other number in a namespace of their own.
_HOST = """
set -eu
mount -t tmpfs none "$1"
for folder in /etc /usr/share; do
    place=$1/$(basename "$folder")
    mkdir "$place" "$place/upper" "$place/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=$place/upper,workdir=$place/work" overlay "$folder"
done
for folder in /var/lib/ucf /var/cache/debconf; do mount -t tmpfs none "$folder"; done
sed -i /^hedwig:/d /etc/group
echo hedwig:x:0: >>/etc/group
rm -rf /etc/hedwig /usr/share/hedwig
mkdir -p /etc/hedwig /usr/share/hedwig
docker0() { ip link del docker0 2>/dev/null || true; ip link add docker0 type bridge; ip addr add "$1/16" dev docker0; }
template() { cp etc/mailman.yml etc/postoffice.yml /usr/share/hedwig/; }
newer() { sed -i "1s/$/ A newer text./" /usr/share/hedwig/*.yml; }
install() { sh debian/tools/settle-config "${1:-mailman}"; }
moved() { hedwig detect-docker0 "$@" >&2; }
show() { cat "$file"; }
asked() { [ -e "$file.ucf-dist" ] && echo asked || echo "not asked"; rm -f "$file.ucf-dist"; }
file=$2
template
. "$3"
"""


@pytest.fixture
def story(tmp_path: Path) -> Callable[..., str]:
    """Run a story, in words of _HOST; its output."""

    def run(script: str, file: str = FILE) -> str:
        (tmp_path / "host").write_text(_HOST)
        (tmp_path / "story").write_text(textwrap.dedent(script))
        (tmp_path / "place").mkdir(exist_ok=True)
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = [
            "unshare",
            *user,
            "--mount",
            "--net",
            "sh",
            tmp_path / "host",
            tmp_path / "place",
            file,
            tmp_path / "story",
        ]
        path = f"{ROOT / '.venv/bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = without_python(os.environ) | {"DEBIAN_FRONTEND": "noninteractive", "PATH": path}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def listen(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("listen:")]


def test_the_first_install_writes_docker0s_address(story: Callable[..., str]) -> None:
    assert listen(story("docker0 172.18.0.1; install; show")) == ["listen: [172.18.0.1:25]"]
    text = story("docker0 172.18.0.1; install postoffice; show", "/etc/hedwig/postoffice.yml")
    assert listen(text) == ["listen: [127.0.0.1:8025, 172.18.0.1:8025]"]


def test_without_docker0_it_is_dockers_default(story: Callable[..., str]) -> None:
    assert listen(story("install; show")) == ["listen: [172.17.0.1:25]"]


def test_the_file_is_closed_to_others(story: Callable[..., str]) -> None:
    """It will hold a key. Once an admin has set another mode, that stays."""
    told = story("""
        install; stat -c %a,%U,%G "$file"
        chmod 600 "$file"; newer; install; stat -c %a "$file"
    """)
    assert told.split() in (["640,root,root", "600"], ["640,root,hedwig", "600"])


def test_after_a_disk_was_full(story: Callable[..., str]) -> None:
    """What an installation left that found no room, empty and closed even to its daemon, is made anew by the next."""
    told = story("""
        docker0 172.18.0.1; (umask 077; : >"$file")
        install; asked; stat -c %a "$file"; show
    """)
    assert told.startswith("not asked\n640\n# mailman.yml")
    assert listen(told) == ["listen: [172.18.0.1:25]"]


def test_a_bridge_that_moved_changes_nothing_and_asks_nothing(story: Callable[..., str]) -> None:
    """The literal address stays, over a reinstall and over an upgrade to a newer text."""
    told = story("docker0 172.18.0.1; install; docker0 172.19.0.1; install; asked; newer; install; asked; show")
    assert told.startswith("not asked\nnot asked\n# mailman.yml")
    assert "A newer text." in told
    assert listen(told) == ["listen: [172.18.0.1:25]"]


def test_a_bridge_that_was_followed_asks_nothing(story: Callable[..., str]) -> None:
    """`hedwig detect-docker0` has rewritten the line: to ucf's eyes an edit, to an admin's none."""
    told = story("docker0 172.18.0.1; install; docker0 172.19.0.1; moved; install; asked; newer; install; asked; show")
    assert told.startswith("not asked\nnot asked\n# mailman.yml")
    assert "A newer text." in told
    assert listen(told) == ["listen: [172.19.0.1:25]"]


@pytest.mark.parametrize("edit", ["s/^listen:.*/listen: [docker0:25]/", "s/^#max_size:.*/max_size: 5 MiB/"])
def test_an_admins_edit_survives_reinstall_and_a_bridge_that_moves(story: Callable[..., str], edit: str) -> None:
    """With the text as it was there is nothing to ask, whatever was edited."""
    told = story(f"""
        docker0 172.18.0.1; install
        sed -i "{edit}" "$file"; cp "$file" "$file.mine"
        docker0 172.19.0.1; install; asked; install; asked
        cmp "$file" "$file.mine" && echo kept
    """)
    assert told == "not asked\nnot asked\nkept\n"


def test_an_admins_edit_survives_a_newer_text(story: Callable[..., str]) -> None:
    """Text and file have both changed: that is what ucf asks about, and the file is kept."""
    told = story("""
        install; echo "fqdn: less.example.com" >>"$file"; cp "$file" "$file.mine"
        newer; install; asked; cmp "$file" "$file.mine" && echo kept
        install; asked
    """)
    assert told == "asked\nkept\nnot asked\n"


def test_only_the_listen_line_was_edited_and_the_text_is_newer(story: Callable[..., str]) -> None:
    """Then the newer text comes with the admin's own line."""
    told = story("install; sed -i 's/^listen:.*/listen: [docker0:25]/' \"$file\"; newer; install; asked; show")
    assert told.startswith("not asked\n")
    assert "A newer text." in told
    assert listen(told) == ["listen: [docker0:25]"]


def test_a_file_that_was_there_before_the_package_is_kept(story: Callable[..., str]) -> None:
    """Ansible may lay the file down first."""
    told = story('echo "fqdn: less.example.com" >"$file"; install; asked; show; newer; install; asked')
    assert told == "not asked\nfqdn: less.example.com\nasked\n"


def test_a_file_that_an_admin_deleted_stays_deleted(story: Callable[..., str]) -> None:
    assert story('install; rm "$file"; install; [ -e "$file" ] || echo gone') == "gone\n"
