"""Painting."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, Union, overload

from . import _native, _pictures
from ._errors import InputError
from ._options import STARTS, Options, signed, to_json
from ._pictures import Kind, Picture, Style
from ._progress import Progress, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self, Unpack

Callback = Callable[[Progress], Optional[bool]]

LONG_SIDE = 512

SEAMLESS_UNIT = 16
"""The sides of a seamless picture are multiples of this: a position of block 5, in pixels."""


@overload
def stylize(
    content: Union[str, os.PathLike[str], bytes, NDArray[Any], None],
    style: Any,
    *,
    callback: Optional[Callback] = None,
    **options: Unpack[Options],
) -> NDArray[np.uint8]: ...


@overload
def stylize(
    content: Any, style: Any, *, callback: Optional[Callback] = None, **options: Unpack[Options]
) -> Any: ...


@signed
def stylize(
    content: Optional[Picture],
    style: Union[Picture, Style, List[Union[Picture, Style]], None],
    *,
    callback: Optional[Callback] = None,
    **options: Unpack[Options],
) -> Any:
    """Repaints `content` in the style of `style`.

    The result is a uint8 array of shape (H, W, 3), or a Pillow image if the content is one. It has a fourth channel, the
    content's opacity, if the content is an array or a Pillow image with one, or a file that is transparent somewhere.

    `content` is a picture: a path, an array, a Pillow image (see `Picture`). None paints a texture. `style` is a picture, a
    `Style`, or a list of them; None reconstructs the content from its features. `Options` describes the settings: `size`,
    `style_strength`, `iterations`, `preset`, `seed` and others.

    `callback` is called with the `Progress` after each iteration; if it returns True, the picture so far is the result. An
    exception, and so Ctrl-C, ends the work within an iteration and loses the picture: use a `Session` to keep it.

    With the same settings, this is the picture that the command `stylize` paints.
    """
    return Session(content, style, **options).run(callback)


class Session:
    """A picture being painted: an iterator over its progress.

    >>> session = Session("photo.jpg", "painting.jpg", iterations=100)
    >>> try:
    ...     for progress in session:
    ...         print(progress.iteration, progress.losses.total)
    ... except KeyboardInterrupt:
    ...     pass  # Ctrl-C ends the loop within an iteration
    >>> painted = session.image()  # whatever ended the loop

    An iteration is an evaluation of loss and gradient; `image` is the last one that was accepted, which with L-BFGS is the
    best so far. A loop that was left, or ended by an exception, can be entered again and continues where it was, with the
    same result. The GIL is released while an iteration runs; other threads may use the session, and wait for the iteration
    in progress (`cancel` does not).

    The arguments are those of `stylize`. `resume` is a checkpoint of a session with the same pictures and settings.
    """

    @signed
    def __init__(
        self,
        content: Optional[Picture],
        style: Union[Picture, Style, List[Union[Picture, Style]], None],
        *,
        resume: Optional[bytes] = None,
        **options: Unpack[Options],
    ) -> None:
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"there is no option {unknown[0]!r}; the options are {', '.join(Options.__annotations__)}")
        given: Dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        if "size" in options:
            size = options["size"]
        else:
            size = _native.long_side(given["preset"]) if "preset" in given else LONG_SIDE
        exact = _exact(size)

        painted, self._kind = None, Kind()
        if content is not None:
            painted, self._kind = _pictures.read(content, "the content picture")
            painted = painted.stretched(*exact) if exact else _pictures.sized(painted, size)
            if given.get("seamless", given.get("settings", {}).get("seamless")):
                painted = painted.stretched(_whole(painted.width), _whole(painted.height))
        styles = [_style(one, i, given.get("style_size", size)) for i, one in enumerate(_listed(style))]
        init = given.get("init")
        start = None
        if init is not None and not (isinstance(init, str) and init in STARTS):
            start = _pictures.read(init, "the start picture")[0]
            to = (painted.width, painted.height) if painted else exact
            start = start.stretched(*to) if to else _pictures.sized(start, size)
        network = given.get("network") or _networks.default()
        content_mask = _pictures.mask(given.get("content_mask"), "the content mask")
        colours = given.get("colours", "painting")
        self._session = _native.Session(
            network, to_json(given), painted, styles, content_mask, exact, start, colours, resume
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Progress:
        """One iteration."""
        told = self._session.step()
        if told is None:
            raise StopIteration
        return progress(told)

    def run(self, callback: Optional[Callback] = None) -> Any:
        """Paints to the end, and returns the picture. `callback` is called with the `Progress` after each iteration; if it
        returns True, painting ends there."""
        for told in self:
            if callback is not None and callback(told):
                break
        return self.image()

    def image(self) -> Any:
        """The picture so far, at the size of the result: of the kind that `stylize` returns."""
        return self._kind.give(self._session.image())

    def array(self) -> NDArray[np.float32]:
        """The picture so far as floats from 0 to 1, of shape (H, W, 3), or (H, W, 4) with the content's transparency."""
        picture = self._session.image()
        return picture.floats(picture.has_alpha)

    def cancel(self) -> None:
        """Ends the loop that paints, on another thread, say, within an iteration; or else the next one. The loop ends as if
        the picture were finished."""
        self._session.cancel()

    def set_style_weight(self, weight: float) -> None:
        """Changes the style's strength (or weight, if losses are absolute) from the next iteration on."""
        self._session.set_style_weight(weight)

    def checkpoint(self, *, light: bool = False) -> bytes:
        """The state of the session. A session of the same pictures and settings continues from it, by `resume`, with the same
        bits. A light checkpoint has no state of the optimiser, is about as large as the picture, and changes the bits."""
        return self._session.checkpoint(light)

    @property
    def progress(self) -> Optional[Progress]:
        """The result of the last iteration; None before the first."""
        told = self._session.progress()
        return None if told is None else progress(told)

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return self._session.iterations()[0]

    @property
    def iterations(self) -> int:
        """Iterations at all scales, if none converges early."""
        return self._session.iterations()[1]

    @property
    def is_finished(self) -> bool:
        """Whether a loop would do nothing."""
        return self._session.is_finished()

    @property
    def size(self) -> Tuple[int, int]:
        """Width and height of the result."""
        return self._session.full_size()

    @property
    def settings(self) -> Dict[str, Any]:
        """The settings, as `settings=` takes them."""
        loaded: Dict[str, Any] = json.loads(self._session.settings())
        return loaded


def _exact(size: Any) -> Optional[Tuple[int, int]]:
    """Width and height, if they are given."""
    if size is None or not hasattr(size, "__len__"):
        return None
    if len(size) != 2:
        raise InputError.of("argument", f"size: a long side or (width, height) is wanted; {size!r} was given")
    return int(size[0]), int(size[1])


def _whole(side: int) -> int:
    return max((side + SEAMLESS_UNIT // 2) // SEAMLESS_UNIT, 1) * SEAMLESS_UNIT


def _listed(style: Any) -> List[Any]:
    if style is None:
        return []
    return list(style) if isinstance(style, (list, tuple)) else [style]


def _style(given: Any, i: int, size: Any) -> Tuple[_native.Picture, float, Any, Any]:
    style = given if isinstance(given, Style) else Style(given)
    what = f"style picture {i + 1}"
    picture = _pictures.sized(_pictures.read(style.picture, what)[0], size, style.scale)
    mask, region = _pictures.mask(style.mask, f"the mask of {what}"), _pictures.mask(style.region, f"the region of {what}")
    return picture, style.share, mask, region


class _Networks:
    """The default network, made once. A forked process has none of the threads that the parent's network works on, so it
    makes its own."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._abandoned = getattr(self, "_network", None)  # not dropped: that would wait for its threads
        self._network: Optional[_native.Network] = None
        self._lock = threading.Lock()

    def default(self) -> _native.Network:
        with self._lock:
            if self._network is None:
                self._network = _native.Network()
            return self._network


_networks = _Networks()
