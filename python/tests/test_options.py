import os
import shutil
import subprocess

import numpy as np
import pytest

import style_transfer


def test_presets_and_settings():
    assert "gatys" in style_transfer.presets()
    assert style_transfer.settings()["iterations"] == 80
    for name in style_transfer.presets():
        settings = style_transfer.settings(name)
        assert settings["iterations"] >= 100 and (settings["style_layers"] or settings["losses"])


def test_a_preset_and_what_replaces_parts_of_it(session):
    johnson = style_transfer.settings("johnson")
    painted = session(preset="johnson").settings
    assert painted == {**johnson, "iterations": 6}
    painted = session(preset="johnson", settings={"pooling": "average"}, tv_weight=2).settings
    assert painted == {**johnson, "iterations": 6, "pooling": "average", "tv_weight": 2}
    assert session(preset="anishathalye", size=None).settings["optimizer"]["adam"]["learning_rate"] == 10
    assert session(preset="johnson", settings={"iterations": 9}, iterations=None).iterations == 9


def test_the_size_of_a_preset(photo, painting):
    preset = {"preset": "anishathalye", "iterations": 1}  # which keeps the photograph's size
    assert style_transfer.stylize(photo, painting, **preset).shape == photo.shape
    assert style_transfer.Session(photo, painting, preset="stanford").size == (333, 222)


def test_forms_of_layers(session):
    def layers(**options):
        return [tuple(layer.values()) for layer in session(**options).settings[next(iter(options))]]

    assert layers(content_layers="conv3_1") == [("conv3_1", 1)]
    assert layers(content_layers=["relu3_1", ("conv4_2", 2)]) == [("conv3_1", 1), ("conv4_2", 2)]
    assert layers(style_layers={"conv1_1": 0.5, "conv2_1": 0.25}) == [("conv1_1", 0.5), ("conv2_1", 0.25)]
    assert layers(style_layers=[("conv1_1", 1, "moments")]) == [("conv1_1", 1, "moments")]
    assert layers(style_layers=[{"layer": "conv1_1", "weight": 3}]) == [("conv1_1", 3)]
    assert layers(style_layers=[("conv1_1", np.float32(0.5))]) == [("conv1_1", 0.5)]


@pytest.mark.parametrize(
    "statistic",
    ["gram", "gram of elements", "covariance", "moments", "wasserstein", "sliced wasserstein", "histogram", "patches of 3"],
)
def test_statistics(paint, photo, statistic):
    assert paint(photo, statistic=statistic, iterations=2, style_layers=["conv1_1", "conv3_1"]).shape == photo.shape


def test_every_option_has_an_effect(session):
    def painted(**options):
        described = session(**options, iterations=2)
        described.run()
        return described.array().tobytes(), described.progress.losses.total

    changed = [
        {"style_strength": 3},
        {"content_weight": 1e-3},
        {"content_mean_weight": 1},
        {"style_weight": 0.1},
        {"tv_weight": 1e-3},
        {"tv_weight": 1e-3, "tv": "absolute"},
        {"tv_weight": 1e-3, "tv": {"power": 2.5}},
        {"laplacian": 0.5},
        {"laplacian": [(0.5, 4), (0.5, 8)]},
        {"losses": {"neighbours": 0.05}},
        {"losses": {"relaxed-emd": 1, "self-similarity": 4, "palette": 0.25}},
        {"balanced": True},
        {"pooling": "max"},
        {"padding": "zero"},
        {"noise": {"normal": 30}},
        {"noise_ratio": 0.5},
        {"init": "content"},
        {"optimizer": "adam"},
        {"optimizer": {"lbfgs": {"fixed_step": 1.0}}},
        {"running_mean": 0.5},
        {"style_layers": ["conv1_1"]},
        {"content_layers": []},
        {"statistic": "gram"},
        {"scales": [(32, 2)]},
        {"seamless": True},
        {"style_size": 32},
    ]
    results = [painted(**options) for options in [{}, *changed]]
    assert len(set(results)) == len(results)


def test_a_tolerance_ends_a_session_early(session):
    early = session(iterations=60, scales=[], tolerance=0.5)
    early.run()
    assert early.progress.iteration == 20 and early.progress.converged


def test_options_are_none_by_default(session):
    options = set(style_transfer.Options.__annotations__) - {"size", "iterations"}
    assert (session(**{name: None for name in options}).run() == session().run()).all()


def test_coarse_to_fine_is_the_default(photo, painting):
    def scales(**options):
        return [s["size"] for s in style_transfer.Session(photo, painting, size=256, **options).settings["scales"]]

    assert scales() == [128, 181] and scales(scales=[]) == [] and scales(preset="gatys") == []
    assert scales(preset="gatys", scales="auto") == [128, 181]
    assert scales(preset="crowson") == [128, 181]


@pytest.mark.parametrize(
    "arguments, options",
    [
        ([], {}),
        (["--style-strength", "2", "--seed", "7"], {"style_strength": 2, "seed": 7}),
        (["--preset", "johnson", "--tv-weight", "0.01"], {"preset": "johnson", "tv_weight": 0.01}),
        (["--colours", "luminance", "--laplacian", "0.02"], {"colours": "luminance", "laplacian": 0.02}),
        (["--loss", "turned-neighbours=0.1", "--balance"], {"losses": {"turned-neighbours": 0.1}, "balanced": True}),
        (["--scales", "32=3", "--optimizer", "adam"], {"scales": [(32, 3)], "optimizer": "adam"}),
        (["--init", "noise", "--pooling", "max"], {"init": "noise", "pooling": "max"}),
    ],
)
def test_the_command_paints_the_same_picture(photo, painting, tmp_path, arguments, options):
    command = os.environ.get("STYLIZE") or shutil.which("stylize")
    if not command:
        pytest.skip("STYLIZE does not name the command")
    files = [tmp_path / name for name in ("photo.png", "painting.png", "painted.png")]
    style_transfer.save(files[0], photo)
    style_transfer.save(files[1], painting)
    size = ["--size", "45", "--iterations", "5"]
    subprocess.run([command, *files[:2], "-o", files[2], *size, *arguments], check=True, capture_output=True)
    painted = style_transfer.stylize(files[0], files[1], size=45, iterations=5, **options)
    assert (painted == style_transfer.load(files[2])).all()
