from instar.inference.batches import PIXELS_CPU, at_once, chunks, pixels_for


def test_large_images_go_alone() -> None:
    large = (1000, 1000, 0)
    sizes = {0: large, 3: (10, 10, 0), 4: large, 5: large, 6: (1000, 1000, 1), 7: (9000, 9000, 0), 8: (9000, 9000, 0)}
    assert chunks(sizes, 8, 2 * 10**6) == [[0, 4], [3], [5], [6], [7], [8]]


def test_at_once() -> None:
    assert [at_once(side, side, 8, 64**2) for side in (1, 30, 32, 33, 64, 65)] == [8, 4, 4, 3, 1, 1]


def test_a_processor_takes_less() -> None:
    assert pixels_for("cpu") == PIXELS_CPU < pixels_for("cuda") == pixels_for("mps")
