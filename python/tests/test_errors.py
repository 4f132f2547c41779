import pickle

import numpy as np
import pytest

import style_transfer
from style_transfer import DeviceError, FileError, FileMissingError, InputError, OutOfMemoryError, StyleTransferError


def test_a_file_that_is_not_there(paint, tmp_path):
    missing = tmp_path / "missing.png"
    for use in [lambda: paint(missing), lambda: style_transfer.load(missing), lambda: style_transfer.Network(missing)]:
        with pytest.raises(FileNotFoundError, match="missing.png") as refused:
            use()
        assert isinstance(refused.value, FileMissingError) and refused.value.errno == 2
    with pytest.raises(FileNotFoundError):
        style_transfer.save(tmp_path / "no" / "folder.png", np.zeros((4, 4), np.uint8))


def test_files_that_cannot_be_used(paint, photo, tmp_path):
    with pytest.raises(OSError) as refused:
        paint(tmp_path)
    assert isinstance(refused.value, FileError) and not isinstance(refused.value, FileNotFoundError)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for given in [text, b"", b"no picture"]:
        with pytest.raises(InputError) as refused:
            paint(given)
        assert refused.value.kind == "image"
    with pytest.raises(InputError, match="extension"):
        style_transfer.save(tmp_path / "a.xyz", photo)
    with pytest.raises(OSError, match="NUL"):
        paint("a\0b.png")
    with pytest.raises(InputError) as refused:
        style_transfer.Network(text)
    assert refused.value.kind == "weights"


def test_too_small(paint, photo):
    with pytest.raises(InputError, match="too small") as refused:
        paint(photo[:8, :8], size=None)
    assert refused.value.kind == "too small" and refused.value.least == 16


def test_memory(paint, photo):
    with pytest.raises(MemoryError, match="limit") as refused:
        paint(photo, memory_limit=1000)
    assert isinstance(refused.value, OutOfMemoryError)
    assert refused.value.needed > 1000 and refused.value.fits == (0, 0)
    with pytest.raises((OutOfMemoryError, InputError)):
        paint(photo, size=30000, memory_limit=1 << 30)


def test_devices():
    assert ("cpu" in [name for name, _ in style_transfer.devices()])
    with pytest.raises(RuntimeError) as refused:
        style_transfer.Network(device="cuda:99")
    assert isinstance(refused.value, DeviceError) and refused.value.kind in ("unsupported", "unavailable")
    with pytest.raises(InputError, match="device"):
        style_transfer.Network(device="abacus")
    with pytest.raises(InputError, match="threads"):
        style_transfer.Network(threads=0)
    with pytest.raises(InputError, match="no precision"):
        style_transfer.Network(precision="f16")
    with pytest.raises(InputError, match="precision are those of the CPU"):
        style_transfer.Network(device="abacus", precision="bf16")
    with pytest.raises(InputError, match="input space"):
        style_transfer.Network(input_space="rgb")


BAD = {
    "preset": ["none"],
    "iterations": [-1, 1.5, "many"],
    "seed": [-1, "x"],
    "size": [0, -4, (4,), (0, 9), 10**9, float("nan")],
    "style_size": [0, -1],
    "scales": ["some", [3], [(48, 2)], [("a", 1)]],
    "style_strength": [-1, float("nan"), float("inf"), "strong"],
    "content_weight": [-1.0],
    "statistic": ["mean"],
    "content_layers": [["conv9_9"], [("conv4_2", -1)], [3], 3],
    "style_layers": [["conv9_9"], [("conv1_1", 1, "mean")], [("conv1_1", "x")]],
    "tv": ["cubic", {"power": 9}, 3],
    "tv_weight": [-1],
    "pooling": ["mean"],
    "padding": ["same"],
    "noise": [3, {"pink": 1}],
    "noise_ratio": [-0.1, 2],
    "init": ["missing.png"],
    "optimizer": ["sgd", {"adam": {"rate": 1}}, {"adam": {"learning_rate": -1}}, 3],
    "running_mean": [2.0],
    "tolerance": [1.0, -0.1],
    "colours": ["red"],
    "memory_limit": [-1],
    "tiles": [(0,), 3],
    "losses": [{"neighbors": 1}, {"palette": -1}, 3],
    "balanced": ["x"],
    "laplacian": [-1, [(1, 0)], "x"],
    "settings": [{"size": 3}, {"seed": "x"}],
    "network": [3],
    "resume": [b"", b"checkpoint"],
}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD.items() for value in values])
def test_settings_out_of_range(paint, photo, name, value):
    with pytest.raises((ValueError, TypeError, FileNotFoundError)) as refused:
        paint(photo, **{name: value})
    assert "anic" not in type(refused.value).__name__ and str(refused.value)


def test_an_unknown_option(paint, photo):
    with pytest.raises(TypeError, match="style_strenght.*style_strength"):
        paint(photo, style_strenght=1)


def test_errors_survive_pickling(paint, photo):
    with pytest.raises(StyleTransferError) as refused:
        paint(photo, preset="none")
    copy = pickle.loads(pickle.dumps(refused.value))
    assert type(copy) is InputError and str(copy) == str(refused.value) and copy.kind == "argument"
