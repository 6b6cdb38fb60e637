"""Pictures inside a page, so that it is one file."""

from __future__ import annotations

import base64
import io

from PIL import Image


def png(image: Image.Image) -> str:
    """Return a picture without loss."""
    return _uri(image, "PNG")


def jpeg(image: Image.Image, most: int) -> str:
    """Return a picture with at most `most` pixels a side: smaller than a PNG, with slight faults of its own."""
    if image.width > most:
        image = image.resize((most, most), Image.Resampling.LANCZOS)
    return _uri(image, "JPEG", quality=88)


def _uri(image: Image.Image, kind: str, **options: int) -> str:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
