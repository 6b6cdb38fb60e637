"""Which images a run is trained on, in lines of text: to see, when it goes on, whether they are still the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from instar.core.listing import composed, without_suffix
from instar.data import contents
from instar.data.files import Files
from instar.data.refs import ImageRef
from instar.data.selection import Selection
from instar.data.threads import in_threads


def fingerprint(found: Selection) -> bytes:
    """Return a line for each training image: domain, size and digest of its file, and what it is called there.

    Where the folders of the data set lie does not matter, nor do times of files.
    """
    parts = []
    for domain, images in found.train.items():
        name = found.names[domain]
        if isinstance(images, Files):
            digests, ends = contents.of(images), map(_called_in, images.inside)
            lines = [f"{name}\t{digest}\t{end}\n" for digest, end in zip(digests, ends, strict=True)]
        else:
            lines = _lines(name, images)
        parts.append("".join(lines).encode("utf-8", "surrogateescape"))
    return b"".join(parts)


def _lines(name: str, images: Sequence[ImageRef]) -> list[str]:
    paths = list(dict.fromkeys(one.path for ref in images for one in (ref, *ref.masks)))
    digests = dict(zip(paths, in_threads(contents.digest, paths, contents.THREADS), strict=True))
    return [
        f"{name}\t{' within '.join(digests[one.path] for one in (ref, *ref.masks))}\t{_called(ref)}\n" for ref in images
    ]


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
    stem = without_suffix(ref.path.name)
    own = ref.path.name[len(stem) :]
    suffix = "" if ref.key.endswith(own) or ref.entry else own
    return _one_line(f"{ref.key or stem}{suffix}{array}{half}{page}{_class(ref.label)}")


def _called_in(inside: str) -> str:
    """Do what `_called` does for a file in a folder, without an object: of a million each counts."""
    text = inside.replace(os.sep, "/")
    first, slash, _ = text.partition("/")
    return _one_line(f"{text}{_class(composed(first) if slash else None)}")


def _class(label: str | None) -> str:
    return f" [{label}]" if label else ""


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")
