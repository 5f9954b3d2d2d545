"""Signatures of webhook requests, as Standard Webhooks 1.0.0 has them, so that its libraries verify ours. Pure.

webhook-id: ID of the notice, the same with each try: a receiver drops what it has had
webhook-timestamp: Unix seconds of this try: a receiver refuses what is older than some minutes
webhook-signature: v1,BASE64 of HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"); one for each secret, a space between
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

_PREFIX = "whsec_"


def key_of(secret: str) -> bytes:
    """The octets that sign: of `whsec_` and base64 those that it stands for, else the text's own. ValueError."""
    if not secret.startswith(_PREFIX):
        if not secret:
            raise ValueError("the secret is empty")
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("what follows whsec_ is not base64")
    return key


def signed(notice: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers; without a secret there is no signature. ValueError for a secret that is none."""
    headers = {"webhook-id": notice, "webhook-timestamp": str(timestamp)}
    if secrets:
        content = f"{notice}.{timestamp}.".encode() + body
        headers["webhook-signature"] = " ".join(f"v1,{_signature(key_of(secret), content)}" for secret in secrets)
    return headers


def _signature(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
