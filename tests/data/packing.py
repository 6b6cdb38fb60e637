"""The same images in every layout that is no plain folder."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

DOMAINS = ("A", "B")


def images_of(folder: Path, split: str, domain: str) -> list[Path]:
    return sorted((folder / f"{split}{domain}").iterdir())


def csv_of_pairs(folder: Path, out: Path) -> Path:
    lines = ["A,B,split"]
    for split in ("train", "test"):
        for pair in zip(*(images_of(folder, split, domain) for domain in DOMAINS), strict=True):
            lines.append(",".join([*(path.relative_to(folder).as_posix() for path in pair), split]))
    (folder / "pairs.csv").write_text("\n".join(lines))
    return folder / "pairs.csv"


def tsv_of_domains(folder: Path, out: Path) -> Path:
    lines = ["file\tdomain\tsplit"]
    for split in ("train", "test"):
        for domain in DOMAINS:
            lines += [f"{path.relative_to(folder)}\t{domain}\t{split}" for path in images_of(folder, split, domain)]
    (folder / "list.tsv").write_text("\n".join(lines))
    return folder / "list.tsv"


def _table(folder: Path, *splits: str):  # type: ignore[no-untyped-def]
    import pyarrow as pa  # noqa: PLC0415

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        domain: pa.array(
            [
                {"bytes": path.read_bytes(), "path": path.name}
                for split in splits
                for path in images_of(folder, split, domain)
            ],
            kind,
        )
        for domain in DOMAINS
    }
    count = [split for split in splits for _ in images_of(folder, split, "A")]
    return pa.table({**columns, "split": count})


def parquet(folder: Path, out: Path) -> Path:
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(_table(folder, "train", "test"), out / "set.parquet", row_group_size=3)
    return out / "set.parquet"


def saved(folder: Path, out: Path) -> Path:
    from pyarrow import ipc  # noqa: PLC0415

    root = out / "saved"
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        table = _table(folder, split)
        with ipc.new_stream(str(root / split / "data-00000-of-00001.arrow"), table.schema) as file:
            file.write_table(table)
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
        (root / split / "state.json").write_text(json.dumps(state))
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return root


def _add(file: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    file.addfile(info, io.BytesIO(content))


def shards(folder: Path, out: Path) -> Path:
    root = out / "shards"
    root.mkdir()
    for split in ("train", "test"):
        found = list(zip(*(images_of(folder, split, domain) for domain in DOMAINS), strict=True))
        for number, part in enumerate((found[: len(found) // 2], found[len(found) // 2 :])):
            with tarfile.open(root / f"{split}-{number:06d}.tar", "w") as file:
                for pair in part:
                    for domain, path in zip(DOMAINS, pair, strict=True):
                        _add(file, f"{path.stem}.{domain}{path.suffix}", path.read_bytes())
    return root


def shards_of_domains(folder: Path, out: Path) -> Path:
    root = out / "domains"
    root.mkdir()
    for split in ("train", "test"):
        for domain in DOMAINS:
            with tarfile.open(root / f"{split}{domain}-0.tar", "w") as file:
                for path in images_of(folder, split, domain):
                    _add(file, path.name, path.read_bytes())
    return root


PACKED: dict[str, Callable[[Path, Path], Path]] = {
    "csv": csv_of_pairs,
    "tsv": tsv_of_domains,
    "parquet": parquet,
    "saved": saved,
    "shards": shards,
    "shards of domains": shards_of_domains,
}
"""Makes the layout from a folder with trainA, trainB, testA, testB."""
