"""What the documents say is true: commands, tables written from the code, links."""

import ast
import contextlib
import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from instar.cli import main
from instar.cli.train import parse_method
from instar.core import registry

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, *pages: Path) -> list[str]:
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [block for page in pages for block in pattern.findall(page.read_text())]


def commands() -> list[str]:
    lines = "".join(blocks("sh", *PAGES)).replace("\\\n", " ").splitlines()
    return sorted({line.strip() for line in lines if line.startswith("instar ")})


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    with contextlib.suppress(SystemExit):
        main.run([*words, "--help"])
    return capsys.readouterr().out


def test_the_readme_shows_the_commands():
    shown = {line.split()[1] for line in "".join(blocks("sh", PAGES[0])).splitlines() if line.startswith("instar ")}
    assert {"check", "train", "translate"} <= shown


@pytest.mark.parametrize("line", commands())
def test_a_documented_command_is_one(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(line)[1:]
    if words[0].startswith("-"):
        assert main.run(words) == 0
        return
    assert words[0] in main.COMMANDS
    method = words[1] if words[0] in ("train", "fit") and not words[1].startswith("-") else None
    if method:
        assert method in registry.names()
    if method and words[0] == "train" and "--help" not in words:
        assert parse_method(method, words[2:])[0].name == method
    text = help_of(words[0], *([method] if method else []), capsys=capsys)
    for flag in (word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)):
        assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w.-])", text), f"{flag} is not in the help of: {line}"


def test_the_page_on_data_shows_the_example_of_a_layout():
    assert f"```python\n{(ROOT / 'examples/pairs_list.py').read_text()}```" in (ROOT / "docs/data.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documents_is_python(page: Path):
    for block in blocks("python", page):
        assert ast.parse(block).body, f"a block of {page.name} holds no statement"


def test_links_between_files_at_the_root_lead_somewhere():
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "METHODS.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text()):
            assert (ROOT / target).exists(), f"{name}: {target}"


def writer():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "tools/pages.py")
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_pages_are_as_the_code_says():
    pages = writer()
    stale = [path for path in pages.PAGES if pages.page(text := path.read_text(encoding="utf-8")) != text]
    assert stale == [], "run: make docs"
    assert pages.DESCRIPTIONS.read_text(encoding="utf-8") == pages.descriptions(), "run: make docs"
    assert pages.CHOICES.read_text(encoding="utf-8") == pages.choices(), "run: make docs"


def test_every_method_has_its_page():
    for name in registry.names():
        text = (ROOT / f"docs/methods/{name.replace('-', '_')}.md").read_text()
        for part in ("paper", "objective", "terms", "presets", "options"):
            assert f"<!-- {part} {name} -->\n" in text
        assert f"<!-- differs {name} -->\n" in text or f"<!-- parts {name} -->\n" in text


def test_the_documentation_builds_without_warnings(tmp_path: Path):
    pytest.importorskip("zensical")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    page = (tmp_path / "site/methods/cut/index.html").read_text()
    assert re.search(r"<table>.*<code>G/nce_x</code>.*</table>", page, re.DOTALL)
    for html in (tmp_path / "site").rglob("*.html"):
        text = html.read_text()
        assert "{{" not in text, html
        assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="?(?:https?:)?//', text), (
            f"{html} loads from elsewhere"
        )


def test_extras_are_installed_from_a_checkout() -> None:
    """The package is on no index, by whose name pip could find it."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    assert [str(page) for page in pages if re.search(r"pip install '?instar\b", page.read_text())] == []


def test_the_readme_names_what_translate_can_do() -> None:
    readme = (ROOT / "README.md").read_text()
    for flag in ("--samples", "--reference", "--interpolate", "--heatmap", "--grid", "--tile"):
        assert flag in readme
