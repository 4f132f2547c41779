"""The examples and the code in README.md and docs/python.md run. Small and for a few iterations: that they run, not how it looks."""

import functools
import pathlib
import re
import runpy
import sys

import pytest

import style_transfer

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def folder(photo, painting, tmp_path, monkeypatch):
    def small(paint):
        @functools.wraps(paint)
        def painted(*args, **options):
            return paint(*args, **{**options, "size": 48, "iterations": 2})

        return painted

    for name in ("stylize", "Session"):
        monkeypatch.setattr(style_transfer, name, small(getattr(style_transfer, name)))
    monkeypatch.chdir(tmp_path)
    style_transfer.save("photo.jpg", photo)
    style_transfer.save("painting.jpg", painting)
    return tmp_path


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("five_lines.py", ["photo.jpg", "painting.jpg", "painted.png"]),
        (
            "neural_style.py",
            "--content photo.jpg --styles painting.jpg photo.jpg --output painted.png --style-blend-weights 2 1".split(),
        ),
    ],
)
def test_examples(folder, monkeypatch, name, arguments):
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / "python" / "examples" / name), run_name="__main__")
    assert style_transfer.load("painted.png").shape == (32, 48, 3)


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_pages(folder, page):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
    assert style_transfer.load("painted.png").shape == (32, 48, 3)
