"""Pictures of every kind, in and out."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from . import _native
from ._errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Picture = Union[str, "os.PathLike[str]", bytes, "NDArray[Any]", Any]
"""A picture that the functions of this package take:

- a path. PNG, JPEG, WebP, TIFF, GIF and BMP files are read, upright according to their EXIF orientation, with colours
  converted to sRGB from their profile. What cannot be used of a file is told by `warnings.warn`;
- the bytes of such a file;
- an array of shape (H, W), (H, W, 3) or (H, W, 4): uint8, uint16, or floats from 0 (black) to 1 (white);
- a Pillow image, whose pixels are taken as they are (`ImageOps.exif_transpose` turns a photograph upright);
- whatever else NumPy makes such an array of, a tensor on the CPU, say.

Colours are sRGB. A fourth channel is opacity, not premultiplied.
"""


@dataclass(frozen=True)
class Style:
    """A picture to take the style from, and how it is applied."""

    picture: Picture
    """The picture."""
    share: float = 1.0
    """Without a mask, the share in the mean of all styles, relative to the others; with a mask, a factor of its loss."""
    mask: Optional[Picture] = None
    """The part of the result that the style applies to: an array of shape (H, W) with values from 0 to 1 (or uint8, or
    bool), a grey picture or its path. It is spread over the result."""
    region: Optional[Picture] = None
    """The part of the picture that the style is taken from, as a mask. Transparent parts never count."""
    scale: float = 1.0
    """The size of the picture relative to `style_size`: smaller pictures give finer strokes."""


class Kind(NamedTuple):
    """The kind of picture to give back for one that was given."""

    pillow: bool = False
    """A Pillow image, rather than an array."""
    alpha: Optional[bool] = None
    """With a fourth channel; None stands for pictures that are transparent somewhere."""

    def give(self, picture: _native.Picture) -> Any:
        """The picture as this kind."""
        array = picture.array(picture.has_alpha if self.alpha is None else self.alpha)
        return _pillow(array) if self.pillow else array


def load(path: Union[str, os.PathLike[str]], *, size: Optional[int] = None) -> NDArray[np.uint8]:
    """Reads a picture file, as all functions of this package do: an array of shape (H, W, 3), or (H, W, 4) if the picture is
    transparent somewhere. `size` is the long side in pixels to resize it to."""
    picture = read(os.fspath(path), "the picture")[0]
    if size is not None:
        picture = sized(picture, size)
    return picture.array(picture.has_alpha)


def save(path: Union[str, os.PathLike[str]], picture: Picture) -> None:
    """Writes a picture as PNG, JPEG, WebP or TIFF, according to the name; completely or not at all."""
    read(picture, "the picture")[0].save(os.fsdecode(path))


def to_pil(picture: Picture) -> Any:
    """The picture as a Pillow image. Needs Pillow."""
    given = read(picture, "the picture")[0]
    return _pillow(given.array(given.has_alpha))


def _pillow(array: NDArray[np.uint8]) -> Any:
    from PIL import Image

    return Image.fromarray(array)


def read(given: Picture, what: str) -> Tuple[_native.Picture, Kind]:
    """The picture, and the kind to give back for it; messages call it `what`."""
    if isinstance(given, (str, os.PathLike)):
        picture = _native.Picture.open(os.fsdecode(given))
        tell(given, picture.notes)
        return picture, Kind()
    if isinstance(given, (bytes, bytearray, memoryview)):
        picture = _native.Picture.from_bytes(bytes(given))
        tell(what, picture.notes)
        return picture, Kind()
    if _is_pillow(given):
        array = _of_pillow(given, what)
        return _of_array(array, what), Kind(pillow=True, alpha=array.shape[-1] == 4)
    array = _as_array(given, what)
    return _of_array(array, what), Kind(alpha=array.shape[-1] == 4)


def mask(given: Optional[Picture], what: str) -> Optional[_native.Mask]:
    """The mask, if there is one."""
    if given is None:
        return None
    if isinstance(given, (str, os.PathLike)):
        opened = _native.Mask.open(os.fsdecode(given))
        tell(given, opened.notes)
        return opened
    image: Any = given
    array = np.asarray(image.convert("L") if _is_pillow(image) else image)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2:
        raise InputError.of("shape", f"{what}: an array of shape (H, W) is wanted; {array.shape} was given")
    values = array.astype(np.float32) if array.dtype == np.bool_ else _floats(array, what)
    return _native.Mask.from_array(np.ascontiguousarray(values))


def sized(picture: _native.Picture, size: Union[None, int, Sequence[int]], scale: float = 1.0) -> _native.Picture:
    """The picture with this long side, or its own, times a scale."""
    if size is None:
        return picture.scaled(scale)
    long_side = size if isinstance(size, (int, np.integer)) else max(size)
    return picture.scaled(scale * long_side / max(picture.width, picture.height))


def tell(source: Any, notes: Sequence[str]) -> None:
    """Warns of what could not be used of a file."""
    for note in notes:
        warnings.warn(f"{source}: {note}", stacklevel=2)


def _is_pillow(given: Any) -> bool:
    return hasattr(given, "convert") and hasattr(given, "getbands")


def _of_pillow(image: Any, what: str) -> NDArray[Any]:
    if image.mode.startswith("I;16"):
        return _shaped(np.asarray(image), what)
    if image.mode in ("I", "F"):
        raise TypeError(
            f"{what}: a Pillow image of mode {image.mode!r} has no known scale; give an array of floats from 0 to 1"
        )
    transparent = "transparency" in image.info or "A" in image.getbands() or "a" in image.getbands()
    return np.asarray(image.convert("RGBA" if transparent else "RGB"))


def _as_array(given: Any, what: str) -> NDArray[Any]:
    array = np.asarray(given)
    if array.dtype == object or array.dtype.kind in "US" or array.ndim == 0:
        raise TypeError(
            f"{what}: a path, the bytes of a file, an array or a Pillow image is wanted; {type(given).__name__} was given"
        )
    return _shaped(array, what)


def _shaped(array: NDArray[Any], what: str) -> NDArray[Any]:
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim == 3 and array.shape[-1] in (1, 3, 4):
        return array
    hint = ""
    if array.ndim == 3 and array.shape[0] in (1, 3, 4):
        hint = "; array.transpose(1, 2, 0) has the channels last"
    elif array.ndim == 4:
        hint = "; array[0] is the first of several pictures"
    raise InputError.of(
        "shape",
        f"{what}: an array of shape (H, W), (H, W, 3) or (H, W, 4) is wanted; {array.shape} was given{hint}",
    )


def _of_array(array: NDArray[Any], what: str) -> _native.Picture:
    if array.dtype == np.uint8:
        return _native.Picture.from_array(np.ascontiguousarray(array))
    return _native.Picture.from_floats(np.ascontiguousarray(_floats(array, what)))


def _floats(array: NDArray[Any], what: str) -> NDArray[np.float32]:
    """Values of 0 to 1."""
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255)
    if array.dtype == np.uint16:
        return array.astype(np.float32) / np.float32(65535)
    if array.dtype.kind != "f":
        raise TypeError(f"{what}: an array of uint8, uint16 or floats is wanted; {array.dtype} was given")
    if array.size and not np.isfinite(array).all():
        raise InputError.of("non-finite value", f"{what}: a value is not finite")
    least, most = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    # Filters overshoot, but hardly by so much.
    if least < -0.5 or most > 1.5:
        hint = "; divide by 255, or give uint8" if most <= 256.0 and least >= 0.0 else ""
        raise InputError.of(
            "image", f"{what}: floats from 0 (black) to 1 (white) are wanted; {least:g} to {most:g} were given{hint}"
        )
    values: NDArray[np.float32] = np.clip(array, 0.0, 1.0).astype(np.float32)
    return values
