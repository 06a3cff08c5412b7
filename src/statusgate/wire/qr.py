"""QR pictures."""

from base64 import b64encode
from functools import lru_cache
from io import BytesIO

import segno


@lru_cache(maxsize=64)
def qr_png_base64(payload: str) -> str:
    """Return a PNG of the code, base64 without ``data:`` prefix (contract 5)."""
    picture = BytesIO()
    segno.make(payload, error="l", micro=False).save(picture, kind="png", scale=6, border=4)
    return b64encode(picture.getvalue()).decode()
