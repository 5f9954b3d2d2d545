"""The certificate of the nginx site in front of postoffice, as `hedwig open` made it."""

import re
from datetime import datetime
from pathlib import Path

from cryptography import x509

from hedwig.doctor.file_rules import Certificate
from hedwig.doctor.finding import Text, same

SITE = Path("/etc/nginx/sites-available/hedwig")
_CERTIFICATE = re.compile(r'^\s*ssl_certificate\s+"?([^";]+)"?;', re.MULTILINE)
_EPOCH = datetime(1970, 1, 1)  # UTC, as certificates have it


def certificate(now: float, site: Path = SITE) -> list[Certificate]:
    """When it ends; nothing where there is no site. `now`: Unix seconds."""
    try:
        found = _CERTIFICATE.search(site.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
    if found is None:
        return []
    try:
        read = x509.load_pem_x509_certificate(Path(found[1]).read_bytes())
    except OSError as error:
        return [Certificate(found[1], trouble=same(error.strerror or str(error)))]
    except ValueError as error:
        return [Certificate(found[1], trouble=Text(f"no certificate in PEM: {error}", f"不是 PEM 证书：{error}"))]
    return [Certificate(found[1], (read.not_valid_after - _EPOCH).total_seconds() - now)]
