"""Training batches: a pure function of the seed and the step, computed ahead in threads."""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from instar.core.batch import Batch, Domain, ManyDomains
from instar.core.errors import UserError, setting
from instar.core.masks import hide, white
from instar.data.foreground import TRIES, Foregrounds
from instar.data.many import LostImage
from instar.data.mixing import COLUMNS, Mixture
from instar.data.store import ImageStore

_CROPS = 2
"""Stands for the crops where the number of an order stands for its permutations; orders leave it out."""
_PLACES = 2**16
"""Stands for further places of crops, as `_CROPS` does; no kind has so many orders."""
_AHEAD = 3
"""Batches that one thread prepares ahead; each further thread prepares one more."""
_MOST_THREADS = 8
"""That decode."""


@dataclass(frozen=True, kw_only=True)
class TrainLoader:
    """Seeded random crops of a data set's images, as a kind of batch asks for them.

    The rows of an order are drawn in rounds: each round is a fresh permutation, so that every image is seen equally
    often, also those of the smaller domain. Rank r of `world` gets its rows of the batch that one process would get.

    Attributes:
        kind: of the batches.
        stores: the images of each domain; those side by side in a row are of equal length and sizes.
        size: side of the crops.
        flip: mirror half of them.
        batch_size: images per domain over all ranks.
        names: of the domains, for messages.
        labels: numbers (N,) of the classes of the images of domains that have some.
        masks: of the images of each domain that has some, which are seen where all are white; of equal length and
            sizes as its images.
        foreground: least share of a crop that shows something, if there is such a place among a few.
    """

    kind: type[Batch]
    stores: Mapping[Domain, ImageStore]
    size: int
    flip: bool
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    names: Mapping[Domain, str] = field(default_factory=dict)
    labels: Mapping[Domain, Tensor] = field(default_factory=dict)
    masks: Mapping[Domain, Sequence[ImageStore]] = field(default_factory=dict)
    foreground: float = 0.0
    _foregrounds: Foregrounds = field(default_factory=Foregrounds, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch_size % self.world:
            raise ValueError(f"a batch of {self.batch_size} cannot be shared by {self.world} ranks")
        for domain, store in self.stores.items():
            name, count = self.names.get(domain, domain), len(store)
            if issubclass(self.kind, ManyDomains):
                if count < 2:
                    raise UserError(
                        f"{name} has {count} training image: two references of one domain need two; add some"
                    )
            elif count < self.batch_size and not store.large:
                raise UserError(
                    f"{name} has {count} training images, fewer than "
                    f"{setting('train.batch', self.batch_size)}: lower {setting('train.batch')} or add images"
                )

    @property
    def threads(self) -> int:
        """That prepare batches: one that crops what is in memory, several where images must be decoded or unpacked."""
        if all(store.is_decoded for store in self.stores.values()):
            return 1
        return max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // self.world))

    @property
    def epoch_length(self) -> int:
        """Steps in which the larger domain is seen once."""
        largest = max(len(store) for store in self.stores.values())
        shared = len(self.stores) if issubclass(self.kind, ManyDomains) else 1
        return -(-largest * shared // self.batch_size)

    def batch(self, step: int) -> Batch:
        """Return this rank's part of the batch of `step`: images (N, C, size, size) in [-1, 1] and what they have.

        In a large set the next image stands in for one that cannot be read, always the same one.

        Raises:
            UserError: an image cannot be read, or in a large set too many.
        """
        while True:
            with suppress(LostImage):
                return self._batch(step)

    def lost(self) -> list[tuple[Path, str]]:
        """Return the files of large sets that were found unreadable since this was asked the last time, and why."""
        return [one for store in self.stores.values() if store.many for one in store.many.lost.told()]

    def settle(self) -> None:
        """Wait until the caches of large sets are made."""
        for store in self.stores.values():
            if store.many:
                store.many.settle()

    def _batch(self, step: int) -> Batch:
        mine = slice(self.rank * self.batch_size // self.world, (self.rank + 1) * self.batch_size // self.world)
        if issubclass(self.kind, ManyDomains):
            return self._mixed(self.kind, step, mine)
        stores, parts = self.stores, self.kind.parts
        crops = 1 + max(part.crop for part in parts.values())
        # One more crop leaves the others as they are: numbers are drawn crop by crop.
        draws = np.random.default_rng([self.seed, _CROPS, step]).random((crops, self.batch_size, 3))[:, mine]
        orders = [self._picks(order, stores[row[0]], step)[mine] for order, row in enumerate(self.kind.rows())]
        picks = {domain: orders[part.order] for domain, part in parts.items()}
        places = {domain: draws[part.crop] for domain, part in parts.items()}
        if self.foreground:
            places = self._places(picks, draws, step, mine)
        return self.kind.collate(
            {domain: self._crops(domain, picks[domain], places[domain]) for domain in parts},
            {domain: [stores[domain].names[i] for i in picks[domain]] for domain in parts},
            {domain: numbers[picks[domain]] for domain, numbers in self.labels.items()},
        )

    def _mixed(self, kind: type[ManyDomains], step: int, mine: slice) -> ManyDomains:
        """Return this rank's part of a batch of many domains."""
        keys, columns = list(kind.parts), self._mixture.picks(step)
        draws = np.random.default_rng([self.seed, _CROPS, step]).random((COLUMNS, self.batch_size, 3))[:, mine]
        tried = self._tried(draws, step, mine) if self.foreground else None
        images: list[Tensor] = []
        names: list[str] = []
        for number, column in enumerate(columns):
            picks = [(keys[domain], self.stores[keys[domain]].readable(i)) for domain, i in column[mine]]
            places = draws[number]
            if tried is not None:
                places = np.concatenate([self._best(picks, tried[:, number]), places[:, 2:]], axis=1)
            images.append(self._cut(picks, places))
            names += [self.stores[domain].names[i] for domain, i in picks]
        y, y_ref = (torch.tensor([domain for domain, _ in column[mine]]) for column in columns[:2])
        return kind(images[0], y, images[1], images[2], y_ref, tuple(names))

    @cached_property
    def _mixture(self) -> Mixture:
        return Mixture(self.seed, tuple(len(self.stores[domain]) for domain in self.kind.parts), self.batch_size)

    def stream(self, start_step: int) -> Stream:
        """Yield the batches from `start_step` on, without end. Close it, or use it in a `with` statement."""
        return Stream(self, start_step)

    def _picks(self, order: int, store: ImageStore, step: int) -> list[int]:
        """Return the numbers of the images in the whole batch of `step`."""
        positions, count = range(step * self.batch_size, (step + 1) * self.batch_size), len(store)
        numbers = (int(_permutation(self.seed, order, p // count, count)[p % count]) for p in positions)
        return [store.readable(number) for number in numbers]

    def _places(
        self, picks: Mapping[Domain, list[int]], draws: NDArray[np.float64], step: int, mine: slice
    ) -> dict[Domain, NDArray[np.float64]]:
        """Return draws (N, 3) for each domain, whose places show enough of the foreground, or the most of `TRIES`.

        Images of one row are cut at the same place: the first of them says which.
        """
        tried = self._tried(draws, step, mine)
        chosen: dict[tuple[int, int], NDArray[np.float64]] = {}
        for domain, part in self.kind.parts.items():
            key = part.order, part.crop
            if key not in chosen:
                places = self._best([(domain, i) for i in picks[domain]], tried[:, part.crop])
                chosen[key] = np.concatenate([places, draws[part.crop, :, 2:]], axis=1)
        return {domain: chosen[part.order, part.crop] for domain, part in self.kind.parts.items()}

    def _tried(self, draws: NDArray[np.float64], step: int, mine: slice) -> NDArray[np.float64]:
        """Return the places (`TRIES`, crops, N, 2) that are tried for each crop, that of `draws` first."""
        more = np.random.default_rng([self.seed, _PLACES, step])
        others = more.random((TRIES - 1, len(draws), self.batch_size, 2))[:, :, mine]
        return np.concatenate([draws[None, ..., :2], others])

    def _best(self, images: Sequence[tuple[Domain, int]], tried: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each of N images the best (N, 2) of the places (tries, N, 2) that are tried."""
        return np.array([self._place(self.stores[d], i, tried[:, row]) for row, (d, i) in enumerate(images)])

    def _place(self, store: ImageStore, i: int, tried: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the first place (2,) of those tried that shows enough of an image, or that which shows most."""
        found = self._foregrounds.of(store, i)
        height, width = found.size
        best: NDArray[np.float64] = tried[0]
        most = -1.0
        for down, right in tried:
            top, left = int(down * (height - self.size + 1)), int(right * (width - self.size + 1))
            share = found.share(top, left, self.size)
            if share > most:
                best, most = np.array([down, right]), share
            if share >= self.foreground:
                break
        return best

    def _crops(self, domain: Domain, picks: list[int], draws: NDArray[np.float64]) -> Tensor:
        return self._cut([(domain, i) for i in picks], draws)

    def _cut(self, picks: Sequence[tuple[Domain, int]], draws: NDArray[np.float64]) -> Tensor:
        """Return crops of images, each of a domain; `draws` (N, 3) say where they are, and which are mirrored."""
        # In numpy and image by image: it stays in the processor's cache, and off the threads that torch trains with.
        domain, i = picks[0]
        first = self.stores[domain][i]
        out = np.empty((len(picks), first.shape[2], self.size, self.size), np.float32)
        for row, ((domain, i), (down, right, mirror)) in enumerate(zip(picks, draws, strict=True)):
            store, masks = self.stores[domain], self.masks.get(domain, ())
            image = store[i] if row else first  # which may have to be decoded each time
            height, width = image.shape[:2]
            if min(height, width) < self.size:
                raise ValueError(f"{store.names[i]}: {width} x {height} is too small for crops of {self.size}")
            top, left = int(down * (height - self.size + 1)), int(right * (width - self.size + 1))
            place = slice(top, top + self.size), slice(left, left + self.size)
            turn = -1 if self.flip and mirror < 0.5 else 1
            crop = image[place]
            planes = crop[:, ::turn].transpose(2, 0, 1)
            if store.form.plain:
                out[row] = planes
                out[row] /= np.float32(32767.5 if crop.dtype == np.uint16 else 127.5)
                out[row] -= 1
            else:
                out[row] = store.form.scaled(crop[:, ::turn]).transpose(2, 0, 1)
            if masks:
                hide(out[row], np.logical_and.reduce([white(mask[i][place][:, ::turn]) for mask in masks]))
        return torch.from_numpy(out)


@lru_cache(maxsize=32)  # two rounds of a few domains, for a few loaders at once
def _permutation(seed: int, order: int, turn: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, order if order < _CROPS else order + 1, turn]).permutation(count)


class Stream(Iterator[Batch]):
    """Batches computed ahead, in order. `waited` counts the seconds that the consumer waited for them.

    Each is a function of its step alone, so that several threads may work on as many of them at once.
    """

    def __init__(self, loader: TrainLoader, start_step: int) -> None:
        self.waited = 0.0
        self._loader, self._step = loader, start_step
        self._pool = ThreadPoolExecutor(loader.threads, "instar-loader")
        self._batches: deque[Future[Batch]] = deque()
        self._open = True
        # The threads must not hold the stream, or a forgotten stream would never be collected.
        weakref.finalize(self, self._pool.shutdown, wait=False, cancel_futures=True)
        for _ in range(_AHEAD + loader.threads - 1):
            self._prepare()

    def __next__(self) -> Batch:
        if not self._open:
            raise StopIteration
        self._prepare()
        start = time.perf_counter()
        try:
            return self._batches.popleft().result()
        except BaseException:
            self.close()
            raise
        finally:
            self.waited += time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. The stream is then at its end."""
        self._open = False
        self._pool.shutdown(cancel_futures=True)

    def _prepare(self) -> None:
        self._batches.append(self._pool.submit(self._loader.batch, self._step))
        self._step += 1
