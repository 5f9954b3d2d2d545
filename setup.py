"""hedwig's Python package. The version is that of hedwig/__init__.py; debian/ ships the same console scripts."""

import re
from pathlib import Path

from setuptools import find_packages, setup

source = Path(__file__).parent / "hedwig" / "__init__.py"
version = re.findall(r'^__version__ = "(.+)"$', source.read_text(encoding="utf-8"), re.MULTILINE)[0]

setup(
    name="hedwig",
    version=version,
    description="An outbound mail queue for Docker hosts",
    packages=find_packages(include=["hedwig", "hedwig.*"]),
    python_requires=">=3.11",
    install_requires=[
        "aiosmtpd>=1.4.3",
        "bottle>=0.12",
        "click>=8.1",
        "cryptography>=38",
        "dnspython>=2.3",
        "greenstalk>=2.0.2,<2.1",
        "idna>=3.3",
        "pyOpenSSL>=23.0",
        "PyYAML>=6.0",
        "requests>=2.28",
        "systemd-python>=235",
        "uvloop>=0.17",
        "waitress>=2.1",
    ],
    entry_points={
        "console_scripts": [
            "hedwig = hedwig.cli.hedwig:main",
            "hedwig-alerts = hedwig.cli.daemon_alerts:main",
            "hedwig-mailman = hedwig.cli.daemon_mailman:main",
            "hedwig-postoffice = hedwig.cli.daemon_postoffice:main",
            "hedwig-worker = hedwig.cli.daemon_worker:main",
        ]
    },
)
