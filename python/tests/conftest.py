"""Pictures small enough for an iteration to take milliseconds."""

import numpy as np
import pytest

import style_transfer


def picture(width, height, seed):
    """Waves of all colours, with noise."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (3 + seed) + c) * np.cos(y / 5 + c * seed) for c in range(3)]
    noise = np.random.default_rng(seed).normal(0, 0.1, (height, width, 3))
    return np.clip(128 + 100 * (np.stack(waves, -1) + noise), 0, 255).astype(np.uint8)


@pytest.fixture
def photo():
    return picture(48, 32, 1)


@pytest.fixture
def painting():
    return picture(40, 40, 2)


@pytest.fixture
def paint(painting):
    """Paints a picture in a few iterations."""

    def paint(content, style=painting, **options):
        return style_transfer.stylize(content, style, **{"size": 48, "iterations": 3, **options})

    return paint


@pytest.fixture
def session(photo, painting):
    """Describes a session of a few iterations."""

    def session(**options):
        return style_transfer.Session(photo, painting, **{"size": 48, "iterations": 6, **options})

    return session
