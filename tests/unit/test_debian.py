"""debian/ agrees with the rest of the tree: version, what each package depends on, the units that it installs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hedwig
from hedwig.cli.hedwig import COMMANDS

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "debian"
# Modules of Python libraries, and Debian's packages of them.
LIBRARIES = {
    "aiosmtpd": "python3-aiosmtpd",
    "bottle": "python3-bottle",
    "OpenSSL": "python3-openssl",
    "click": "python3-click",
    "cryptography": "python3-cryptography",
    "dns": "python3-dnspython",
    "greenstalk": "python3-greenstalk",
    "idna": "python3-idna",
    "requests": "python3-requests",
    "spf": "python3-spf",
    "systemd": "python3-systemd",
    "urllib3": "python3-urllib3",
    "uvloop": "python3-uvloop",
    "waitress": "python3-waitress",
    "yaml": "python3-yaml",
}
MAINS = {
    "hedwig-common": ", ".join(
        ["hedwig.cli.hedwig", "hedwig.cli.daemon_alerts", *sorted({module for module, _ in COMMANDS.values()})]
    ),
    "hedwig-mailman": "hedwig.cli.daemon_mailman",
    # `hedwig open` makes certificates and `hedwig dkim` keys, and both are for the postoffice's host.
    "hedwig-postoffice": (
        "hedwig.cli.daemon_postoffice, hedwig.cli.authority, hedwig.cli.dkim_look, hedwig.doctor.look.site"
    ),
    # What receivers would see is looked at where mail is delivered.
    "hedwig-worker": "hedwig.cli.daemon_worker, hedwig.doctor.outside",
}


def changelog_version(source: str) -> str:
    found = re.match(rf"{source} \(([^)]+)\)", (DEBIAN / "changelog").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def paragraphs(control: Path) -> dict[str, dict[str, str]]:
    """The fields of each binary package in a control file, continuation lines joined."""
    found = {}
    for text in control.read_text(encoding="utf-8").split("\n\n"):
        joined = re.sub(r"\n[ \t]+", " ", text)
        fields = dict(line.split(": ", 1) for line in joined.strip().splitlines())
        if "Package" in fields:
            found[fields["Package"]] = fields
    return found


PACKAGES = paragraphs(DEBIAN / "control")


def depends(package: str) -> set[str]:
    return {re.split(r"[ (]", entry)[0] for entry in PACKAGES[package]["Depends"].replace(" ", "").split(",") if entry}


def imported_libraries(main: str) -> set[str]:
    """Third-party modules that `main` needs: those imported by hedwig's own modules that it loads."""
    listing = f"import sys, {main}; print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'hedwig'))"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True, cwd=ROOT)
    names: set[str] = set()
    for file in done.stdout.split():
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    return {name for name in names if name not in sys.stdlib_module_names and name != "hedwig"}


def test_changelog_setup_and_module_have_one_version() -> None:
    """debian/changelog is where the version comes from; setup.py takes hedwig's, which is the same."""
    version = changelog_version("hedwig")
    assert hedwig.__version__ == version
    told = subprocess.run(
        [sys.executable, "setup.py", "--version"], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert told.split()[-1] == version


def test_greenstalk_is_pinned_in_the_version_that_is_packaged() -> None:
    """The sdist's pin, its packaging's changelog, and setup.py's and control's limits fit together."""
    pin = re.search(r"^greenstalk==(\S+) --hash=sha256:[0-9a-f]{64}$", text_of("greenstalk/sdist.txt"), re.MULTILINE)
    assert pin is not None
    assert text_of("greenstalk/changelog").startswith(f"python-greenstalk ({pin[1]}-")
    lowest, below = re.findall(r"greenstalk>=([\d.]+),<([\d.]+)", (ROOT / "setup.py").read_text(encoding="utf-8"))[0]
    for package in ("hedwig-postoffice", "hedwig-worker"):
        assert f"python3-greenstalk (<< {below}), python3-greenstalk (>= {lowest})" in PACKAGES[package]["Depends"]


def text_of(name: str) -> str:
    return (DEBIAN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("package", "main"), MAINS.items())
def test_a_package_depends_on_what_its_program_imports(package: str, main: str) -> None:
    """No library is missing on a host that has this package alone, and none is there for nothing."""
    needed = {LIBRARIES[name] for name in imported_libraries(main)}
    common = depends("hedwig-common")
    assert needed <= depends(package) | common
    if package != "hedwig-common":
        named = {name for name in depends(package) if name.startswith("python3-")}
        assert named <= needed, f"not imported: {named - needed}"


def test_setup_and_control_name_the_same_libraries() -> None:
    """What pip would install is what apt installs."""
    required = re.findall(r'^        "([A-Za-z-]+)[<>]', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    renamed = {"PyYAML": "python3-yaml", "pyOpenSSL": "python3-openssl", "systemd-python": "python3-systemd"}
    renamed["dnspython"] = "python3-dnspython"
    wanted = {renamed.get(name, f"python3-{name}") for name in required}
    named = {name for package in MAINS for name in depends(package) if name.startswith("python3-")}
    # requests brings urllib3 along; its types are named in hedwig. Debian's pyspf is one module without metadata: pip
    # would not see it, and put another one before it.
    assert named - {"python3-urllib3", "python3-spf"} == wanted


def test_every_package_keeps_to_its_own_version() -> None:
    """All of hedwig on a host is of one version: postoffice and worker share a spool and its schema."""
    for package in ("hedwig", "hedwig-mailman", "hedwig-postoffice", "hedwig-worker"):
        assert "hedwig-common (= ${binary:Version})" in PACKAGES[package]["Depends"]
    assert depends("hedwig") >= {"hedwig-mailman", "hedwig-postoffice", "hedwig-worker"}
    assert "hedwig-postoffice" in PACKAGES["hedwig-worker"]["Recommends"]


def test_all_of_systemd_is_installed() -> None:
    """Every file in systemd/ is named by debian/rules or for dh to install, and each named file is there."""
    named: set[str] = set()
    for file in [*DEBIAN.glob("*.install"), *DEBIAN.glob("*.examples"), DEBIAN / "rules"]:
        named |= set(
            re.findall(r"^\t?(?:install .*?)?\s*(systemd/\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        )
    named = {name.removesuffix("/*") for name in named}
    assert named == {f"systemd/{path.name}" for path in (ROOT / "systemd").iterdir()}


def test_the_slice_is_never_stopped_by_an_upgrade() -> None:
    """dh_installsystemd is called for packages and units by name, and never for the slice."""
    calls = re.findall(r"^\tdh_installsystemd (.*)$", text_of("rules"), re.MULTILINE)
    assert calls
    calls.remove("-phedwig-common hedwig-doctor.timer hedwig-hook.socket hedwig-retention.timer")
    for call in calls:
        assert re.fullmatch(
            r"-phedwig-(common|mailman|postoffice|worker)( \$\(KEPT_RUNNING\))?( hedwig-[\w.-]+\.(service|target))+",
            call,
        )


@pytest.mark.parametrize("package", ["hedwig-mailman", "hedwig-postoffice"])
def test_a_broken_key_file_fails_no_upgrade(package: str, tmp_path: Path) -> None:
    """postinst runs under `set -e`: where `hedwig local-key` ends with 1, it goes on, and says what to do."""
    (line,) = re.findall(r"^ *(hedwig local-key.*)$", text_of(f"{package}.postinst"), re.MULTILINE)
    (tmp_path / "hedwig").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "hedwig").chmod(0o755)
    script = f"set -e\n{line}\necho went on\n"
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "went on\n")
    assert "then run: hedwig local-key" in done.stderr
