"""Pages of image files as images of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from instar.core.config import Pages
from instar.core.reading import UnreadableImage, page_count
from instar.data.dataset import DataSet, Splits
from instar.data.refs import ImageRef


def with_pages(data: DataSet, pages: Pages) -> DataSet:
    """Return a data set in which each page that is asked for is an image.

    Pages of the same number of files that are a pair are a pair.

    Args:
        data: of files.
        pages: all, first, or the number of one page, from 1.
    """
    if pages == "first":
        return data
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def expanded(refs: Sequence[ImageRef]) -> list[ImageRef]:
            return [page for found in pool.map(lambda ref: _pages(ref, pages), refs) for page in found]

        domains = {
            name: Splits(expanded(one.train), expanded(one.test), expanded(one.val), one.left_out)
            for name, one in data.domains.items()
        }
    return replace(data, domains=domains)


def _pages(ref: ImageRef, pages: Pages) -> list[ImageRef]:
    if ref.entry:
        return [ref]
    if isinstance(pages, int):
        return [replace(ref, page=pages - 1)]
    try:
        count = page_count(ref.path)
    except UnreadableImage:  # told where it is decoded
        return [ref]
    if count == 1:
        return [ref]
    return [replace(ref, page=number, key=f"{ref.key}#{number + 1}") for number in range(count)]
