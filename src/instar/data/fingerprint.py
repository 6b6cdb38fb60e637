"""Which images a run is trained on, in lines of text: to see, when it goes on, whether they are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from instar.core.files import read_own
from instar.core.member import File, Member
from instar.data.refs import ImageRef
from instar.data.selection import Selection
from instar.data.threads import in_threads

SAMPLE = 16384
"""Bytes that are read at the beginning, in the middle and at the end of a file. A smaller one is read whole."""
_THREADS = 8


def fingerprint(found: Selection) -> bytes:
    """Return a line for each training image: domain, size and digest of its file, and what it is called there.

    Where the folders of the data set lie does not matter, nor do times of files.
    """
    images = [ref for refs in found.train.values() for ref in refs]
    refs = list(dict.fromkeys(one.path for ref in images for one in (ref, *ref.masks)))
    stamps = dict(zip(refs, in_threads(_stamp, refs, _THREADS), strict=True))
    lines = [
        f"{found.names[domain]}\t{' within '.join(stamps[one.path] for one in (ref, *ref.masks))}\t{_called(ref)}\n"
        for domain, images in found.train.items()
        for ref in images
    ]
    return "".join(lines).encode("utf-8", "surrogateescape")


def difference(before: bytes, now: bytes) -> str:
    """Return in a few words how the images differ, by domain; nothing if they are the same."""
    if before == now:
        return ""
    was, is_now = _by_domain(before), _by_domain(now)
    found = []
    for domain in dict.fromkeys([*was, *is_now]):
        old, new = was.get(domain, {}), is_now.get(domain, {})
        kinds = {
            "added": [name for name in new if name not in old],
            "removed": [name for name in old if name not in new],
            "changed": [name for name in new if name in old and old[name] != new[name]],
        }
        said = [
            f"{len(names)} {kind} ({names[0]}{', ...' * (len(names) > 1)})" for kind, names in kinds.items() if names
        ]
        found += [f"{domain}: {', '.join(said)}"] if said else []
    return "; ".join(found) or "the same images in another order"


def _by_domain(text: bytes) -> dict[str, dict[str, str]]:
    """Return the stamps by name, by domain; names that come twice are numbered."""
    found: dict[str, dict[str, str]] = {}
    for domain, stamp, name in _fields(text):
        names = found.setdefault(domain, {})
        names[name if name not in names else f"{name} #{len(names)}"] = stamp
    return found


def _fields(text: bytes) -> Iterator[tuple[str, str, str]]:
    for line in text.decode("utf-8", "replace").split("\n"):
        domain, _, rest = line.partition("\t")
        stamp, tab, name = rest.partition("\t")
        if tab:
            yield domain, stamp, name


def _called(ref: ImageRef) -> str:
    array = f" {ref.entry.array}" if ref.entry else ""
    half = f" {ref.half}" if ref.half else ""
    page = "" if ref.page is None else f" page {ref.page + 1}"
    label = f" [{ref.label}]" if ref.label else ""
    suffix = "" if ref.key.endswith(ref.path.suffix) or ref.entry else ref.path.suffix
    return f"{ref.key or ref.path.stem}{suffix}{array}{half}{page}{label}".replace("\n", " ").replace("\t", " ")


def _stamp(path: File) -> str:
    try:
        with path.open() if isinstance(path, Member) else read_own(path) as file:
            size = file.seek(0, 2)
            places = (0, size // 2, size - SAMPLE) if size > 3 * SAMPLE else (0,)
            digest = hashlib.sha256()
            for place in places:
                file.seek(place)
                digest.update(file.read(SAMPLE if len(places) > 1 else size))
    except OSError:  # whether it can be read is told elsewhere
        return "unreadable"
    return f"{size} {digest.hexdigest()[:16]}"
