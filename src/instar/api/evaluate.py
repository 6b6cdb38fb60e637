"""Scoring a run on held-out images, or pictures in folders."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from instar.api.paths import AnyPath, Paths, path_or_none, several
from instar.core.errors import Speller, UserError, in_python, setting
from instar.core.events import Listener, ignore

if TYPE_CHECKING:
    from instar.evaluation.label_maps import LabelTask
    from instar.evaluation.registry import Metric
    from instar.evaluation.report import Report
    from instar.evaluation.spread import Spread
    from instar.metrics.extractors import Extractor

AUTO = "auto"
"""Palette: the colours that the label maps have."""
INCEPTION = "inception"
"""Extractor: that of the FID and KID of the literature."""


def evaluate(  # noqa: PLR0913  (one for each thing that may be measured, as the command line has flags)
    run: AnyPath,
    data: Paths = (),
    *,
    extractor: str | Extractor | None = INCEPTION,
    weights: AnyPath | None = None,
    to: str | None = None,
    every: bool = False,
    diversity: bool = False,
    lpips_weights: AnyPath | None = None,
    palette: AnyPath | None = None,
    segmenter: str | None = None,
    size: int | None = None,
    device: str = "auto",
    devices: int = 1,
    ray: str | None = None,
    on_event: Listener | None = None,
) -> Report:
    """Score a run on held-out images.

    Args:
        run: directory of a run, or one checkpoint.
        data: the images, if not the run's own test images: a data set folder, or one per domain.
        extractor: features in which distances are taken: "inception" (FID and KID of the literature), "mobilenet",
            "efficientnet", "torchvision:NAME", "timm:NAME", or "module.path:callable" of your own; or one from
            `instar.metrics.extractors.load_extractor`. None for a method that finds domains: scores its clusters alone.
            A classifier of digits is scored by its accuracy alone unless another one than "inception", or `weights`,
            is given.
        weights: file with the extractor's weights. mobilenet needs it; the others fetch theirs if it is None.
        to: domain to translate into, by its name or as A or B; B, the target of the training, if None.
        every: score all checkpoints of the run, not the last alone.
        diversity: for methods with styles: add how different 20 translations of an image are (LPIPS, over 100 images).
        lpips_weights: file with the weights of LPIPS' backbone, torchvision's AlexNet; fetched if None.
        palette: for pairs of photographs and label maps: score the labels. A file with a line "name red green blue" for
            each class ("name red green blue ignore" is not scored), or "auto" to take the colours of the label maps.
        segmenter: what finds the labels in photographs that are made from label maps: "unet", which is trained on the
            real training pairs (minutes, once), or "module.path:callable" of your own.
        size: side of the centre squares that are compared, 8 or more; that of the training if None.
        device: where to compute: auto, cpu, cuda or mps.
        devices: processes of this machine that translate and compute features: GPUs, or CPU processes that share the
            processors. The scores are the same.
        ray: translate, and compute features, by all machines of a Ray cluster: "auto", "HOST:PORT", "ray://HOST:PORT",
            or "local" for this machine alone. The scores are the same.
        on_event: told of all that is measured (`Worked`). If it raises, the work ends.

    Returns:
        The scores, in columns: of a copy of the input, and of weights of the run.

    Raises:
        UserError: there is no checkpoint, no test image, no extractor, or an argument does not fit the run.
    """
    from instar.core.settings import Bounds
    from instar.evaluation.runs import Extras, evaluate_run
    from instar.metrics.diversity import distance_for

    if size is not None:
        Bounds(8).check("size", size)
    found = _extractor(Path(run), extractor, path_or_none(weights))
    extras = Extras(
        distance_for(found, weights=path_or_none(lpips_weights)) if diversity and found else None,
        _labels(palette, segmenter),
        size,
    )
    with _spread(ray, device, devices, run) as spread:
        return evaluate_run(
            Path(run),
            several(data),
            extractor=found,
            to=to,
            every=every,
            extras=extras,
            device=device,
            on_event=ignore if on_event is None else on_event,
            spread=spread,
        )


def evaluate_folders(  # noqa: PLR0913  (as `evaluate`)
    images: AnyPath,
    reference: AnyPath,
    inputs: AnyPath | None = None,
    *,
    extractor: str | Extractor = INCEPTION,
    weights: AnyPath | None = None,
    size: int | None = None,
    labels: AnyPath | None = None,
    reference_labels: AnyPath | None = None,
    palette: AnyPath | None = None,
    segmenter: str | None = None,
    devices: int = 1,
    ray: str | None = None,
    on_event: Listener | None = None,
) -> Report:
    """Score the pictures of any tool against real images of the target domain.

    Where both folders have the same sub-folders, these are classes, and the means over classes are scored too.

    Args:
        images: folder of translations, with all sub-folders.
        reference: folder of real images of the target domain.
        inputs: folder of what the translations were made from, under the same names: adds how much changed.
        extractor: as of `evaluate`.
        weights: as of `evaluate`.
        size: side of the centre squares, 8 or more; the short side of the first translation if None.
        labels: folder of label maps under the same names, such as `translate` leaves beside its results: adds how well
            a segmenter finds them.
        reference_labels: folder of label maps of the real images: the U-Net is trained on every other of these instead,
            and what the others score is a column.
        palette: file of the colours of `labels`, as of `evaluate`; None or "auto" takes those that they have.
        segmenter: "unet" (also if None), which is trained on every other image with its labels and asked on the rest
            (minutes), or "module.path:callable" of your own.
        devices: as of `evaluate`; on the CPU.
        ray: as of `evaluate`.
        on_event: told of all that is measured (`Worked`). If it raises, the work ends.

    Raises:
        UserError: a folder holds no images, no input has the name of a translation, or there is no such extractor.
    """
    from instar.core.settings import Bounds
    from instar.evaluation import folders

    if size is not None:
        Bounds(8).check("size", size)
    for name, value in (("palette", palette), ("segmenter", segmenter), ("reference_labels", reference_labels)):
        if value is not None and labels is None:
            raise UserError(f"{setting(name, value)}: give also {setting('labels', 'DIR')}, the label maps")
    found = extractor_of(extractor, path_or_none(weights))
    with _spread(ray, "cpu", devices) as spread:
        return folders.evaluate_folders(
            Path(images),
            Path(reference),
            found,
            inputs=path_or_none(inputs),
            size=size,
            labels=_labels(palette, segmenter),
            label_maps=path_or_none(labels),
            reference_labels=path_or_none(reference_labels),
            on_event=ignore if on_event is None else on_event,
            spread=spread,
        )


def report_page(report: Report, *, speller: Speller = in_python) -> str:
    """Return what an evaluation found as one HTML page, for those who show it themselves.

    Args:
        report: of `evaluate` or `evaluate_folders`.
        speller: writes settings and calls in it.
    """
    from instar.reports.scores import page

    return page(report, speller)


def register_metric(metric: Metric) -> None:
    """Show a score of your own in what `evaluate`, `compare` and `benchmark` find from now on, in this process.

    Packages register theirs as entry points of the group `instar.metrics`.

    Args:
        metric: an object as `instar.evaluation.registry.Metric` says; one of the same name is replaced.

    Raises:
        UserError: it lacks something.
    """
    from instar.evaluation import registry

    registry.register_metric(metric)


def extractor_of(extractor: str | Extractor, weights: Path | None) -> Extractor:
    """Return an extractor by its name, or as it is."""
    from instar.metrics.extractors import load_extractor

    if isinstance(extractor, str):
        return load_extractor(extractor, weights)
    if weights is not None:
        raise UserError(f"{setting('weights', weights)}: this extractor has its weights; leave it out")
    return extractor


def _extractor(run: Path, extractor: str | Extractor | None, weights: Path | None) -> Extractor | None:
    """Return the features; none for a run that is scored by the accuracy of its classifier, or where none are asked."""
    from instar.core import registry
    from instar.core.abilities import Classifying
    from instar.core.run import find_checkpoint, read_config

    if extractor is None:
        return None
    if extractor == INCEPTION and weights is None:
        config = read_config(find_checkpoint(run) / "config.yaml")
        if issubclass(registry.get(config.name), Classifying):
            return None
    return extractor_of(extractor, weights)


def _spread(ray: str | None, device: str, devices: int, run: AnyPath | None = None) -> AbstractContextManager[Spread]:
    """Return where images are scored: by several processes or a cluster, if that is asked for."""
    from instar.core.run import find_checkpoint, read_config
    from instar.core.settings import Bounds
    from instar.evaluation.spread import here

    Bounds(1).check("devices", devices)
    if ray and devices > 1:
        raise UserError(f"{setting('ray', ray)} and {setting('devices', devices)}: give one of the two")
    if not ray and devices == 1:
        return nullcontext(here)
    method = None if run is None else read_config(find_checkpoint(Path(run)) / "config.yaml").name
    if ray:
        from instar.cluster.evaluating import spread_over

        return spread_over(ray, device=device, method=method)
    from instar.api.parts import spread_over_processes

    return spread_over_processes(devices, device=device, method=method)


def _labels(palette: AnyPath | None, segmenter: str | None) -> LabelTask | None:
    from instar.evaluation.label_maps import LabelTask

    if palette is None and segmenter is None:
        return None
    return LabelTask(Path(palette) if palette and palette != AUTO else None, segmenter)
