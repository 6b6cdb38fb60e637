import numpy as np
import pytest
import torch

from instar.metrics.segmentation import (
    LabelScores,
    class_ious,
    confusion,
    gcgan_label_scores,
    label_score_intervals,
    label_scores,
    nearest_colour,
    palette_of,
)

PALETTE = torch.tensor([[128, 64, 128], [70, 70, 70], [0, 0, 142], [0, 0, 0]], dtype=torch.uint8)


def painted(labels):
    return PALETTE[labels].permute(0, 3, 1, 2) / 127.5 - 1


def drawn(seed=0, classes=4, shape=(3, 6, 5)):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, classes, shape, generator=generator)


def test_nearest_colour_against_loops():
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = nearest_colour(images, PALETTE)
    pixels = ((images.numpy() + 1) * 127.5).round()
    for n, i, j in np.ndindex(2, 4, 5):
        distances = [sum(abs(pixels[n, :, i, j] - colour)) for colour in PALETTE.numpy().astype(float)]
        assert found[n, i, j] == int(np.argmin(distances))


def test_palette_round_trip():
    labels = drawn()
    assert torch.equal(nearest_colour(painted(labels), PALETTE), labels)
    assert torch.equal(nearest_colour(painted(labels) + 0.03, PALETTE), labels)
    palette = palette_of(painted(labels))
    assert palette.dtype == torch.uint8
    assert palette.tolist() == sorted(PALETTE.tolist())
    indices = labels[:, None] / 127.5 - 1  # class numbers as gray values
    assert palette_of(indices).tolist() == [[0], [1], [2], [3]]
    assert torch.equal(nearest_colour(indices, palette_of(indices)), labels)
    with pytest.raises(ValueError, match="few colours, not"):
        palette_of(torch.rand(1, 3, 40, 40))
    with pytest.raises(ValueError, match="as many channels"):
        nearest_colour(indices, PALETTE)


def test_confusion_and_scores_by_hand():
    labels = torch.tensor([[[0, 0, 0, 1]], [[1, 2, 9, 2]]])
    predicted = torch.tensor([[[0, 0, 1, 1]], [[0, 2, 1, 2]]])
    matrix = confusion(predicted, labels, 3)
    assert matrix.tolist() == [[[2, 1, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 0], [1, 0, 0], [0, 0, 2]]]
    found = label_scores(matrix)
    assert found.pixel_accuracy == pytest.approx(5 / 7)
    assert found.class_accuracy == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert found.mean_iou == pytest.approx((2 / 4 + 1 / 3 + 1) / 3)


@pytest.mark.parametrize("ignore", [None, 2])
def test_against_scikit_learn(ignore):
    metrics = pytest.importorskip("sklearn.metrics")
    labels = drawn(1)
    predicted = torch.where(
        torch.rand(labels.shape, generator=torch.Generator().manual_seed(2)) < 0.6, labels, drawn(3)
    )
    matrix = confusion(predicted, labels, 4, ignore)
    scored = [i for i in range(4) if i != ignore]
    kept = torch.ones_like(labels, dtype=torch.bool) if ignore is None else labels != ignore
    true, claimed = labels[kept].numpy(), predicted[kept].numpy()
    np.testing.assert_array_equal(matrix.sum(0), metrics.confusion_matrix(true, claimed, labels=range(4)))
    found = label_scores(matrix, ignore)
    assert found.pixel_accuracy == pytest.approx(metrics.accuracy_score(true, claimed))
    recalls = metrics.recall_score(true, claimed, labels=scored, average="macro")
    assert found.class_accuracy == pytest.approx(recalls)
    ious = metrics.jaccard_score(true, claimed, labels=scored, average="macro")
    assert found.mean_iou == pytest.approx(ious)


def test_absent_classes_and_forgiven_predictions():
    labels, predicted = torch.tensor([[[0, 0, 3, 3]]]), torch.tensor([[[0, 3, 3, 1]]])
    matrix = confusion(predicted, labels, 4, ignore=3)
    assert label_scores(matrix, 3) == LabelScores(0.5, 0.5, 0.5)
    assert label_scores(matrix, 3, forgive=True) == LabelScores(1, 1, 1)
    assert label_scores(matrix, 3, forgive=True, absent_as_zero=True) == pytest.approx((1, 1 / 3, 1 / 3))
    # A class that is only predicted has an IoU of 0 and no accuracy.
    assert label_scores(confusion(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]), 3)) == LabelScores(0.5, 0.5, 0.25)


def test_script_of_gcgan():
    labels = drawn(4, shape=(2, 128, 128))
    found = gcgan_label_scores(painted(labels), painted(labels), PALETTE, ignore=3)
    # BGR against an RGB palette: the third colour (142, 0, 0) lands on the first or stays; a perfect translation still
    # gets (1, share of classes that are left, the same).
    left = nearest_colour(painted(torch.tensor([[[0, 1, 2]]])).flip(1), PALETTE).unique()
    share = len(left[left != 3]) / 3
    assert found == pytest.approx((1, share, share))
    assert share < 1
    half = painted(labels).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert gcgan_label_scores(half, painted(labels), PALETTE, ignore=3) == found


def test_intervals_are_over_images():
    labels = drawn(5, shape=(40, 6, 6))
    predicted = torch.where(torch.rand(labels.shape) < 0.7, labels, drawn(6, shape=(40, 6, 6)))
    matrices = confusion(predicted, labels, 4)
    bounds = label_score_intervals(matrices)
    by_image = (predicted == labels).double().mean((1, 2))
    low, high = bounds["pixel_accuracy"]
    assert (low + high) / 2 == pytest.approx(by_image.mean().item())
    assert high - low == pytest.approx(2 * 1.96 * by_image.std().item() / 40**0.5, rel=0.2)
    assert list(bounds) == list(LabelScores._fields)


def test_bad_input():
    labels = drawn()
    with pytest.raises(ValueError, match="two tensors"):
        confusion(labels, labels[:1], 4)
    with pytest.raises(ValueError, match=r"outside 0..2"):
        confusion(labels, torch.zeros_like(labels), 3)
    with pytest.raises(ValueError, match="no pixel"):
        label_scores(confusion(labels, torch.full_like(labels, 255), 4))


def test_each_class_by_hand() -> None:
    matrix = torch.tensor([[3, 1, 0, 0], [2, 4, 0, 0], [0, 0, 0, 0], [5, 0, 0, 7]])
    assert class_ious(matrix, ignore=3) == [3 / 6, 4 / 7, None, None]
    assert class_ious(torch.stack([matrix, matrix])) == [3 / 11, 4 / 7, None, 7 / 12]
    assert label_scores(matrix).mean_iou == pytest.approx((3 / 11 + 4 / 7 + 7 / 12) / 3)
