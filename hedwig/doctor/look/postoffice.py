"""Whether the postoffice takes mailman's name and key: a batch without letters, as `hedwig setup` sends it."""

from dataclasses import replace

from hedwig.doctor.file_rules import Handshake
from hedwig.mailman.client import NoVerdict, PostofficeClient
from hedwig.settings import Mailman


def shake(settings: Mailman) -> Handshake:
    """Blocks, for some seconds at the most."""
    facts = Handshake(settings.postoffice, settings.fqdn, settings.missing)
    if settings.missing:
        return facts
    client = PostofficeClient(settings)
    try:
        client.send([])
    except NoVerdict as trouble:
        return replace(facts, status=trouble.status, trouble=str(trouble))
    finally:
        client.close()
    return replace(facts, taken=True)
