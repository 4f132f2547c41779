"""The settings, and how they reach the library: as JSON, under the names that they have there."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, TypedDict, TypeVar, Union

from . import _native
from ._errors import InputError

if TYPE_CHECKING:
    from ._native import Network
    from ._pictures import Picture

Layers = Union[str, Sequence[Any], Mapping[str, float]]

STARTS = ("content", "noise", "style")

PLAIN = (
    "iterations", "seed", "statistic", "balanced", "tv", "tv_weight", "pooling", "padding", "seamless", "noise", "running_mean",
    "tolerance",
)
"""The options that are fields of the library's settings."""

SET = ("preset", "style_strength", "content_weight", "content_mean_weight", "style_weight", "noise_ratio", "memory_limit", "tiles")
"""The options that the library has a function for, which does more than to set a field."""


class Options(TypedDict, total=False):
    """The keyword arguments of `stylize` and `Session`. Each has the meaning of the setting of the same name in the Rust
    library, and None stands for its default (but see `size`)."""

    size: Union[None, int, Tuple[int, int]]
    """Long side of the result in pixels; None keeps the content picture's size; (width, height) stretches it, or is the
    size of a texture. Default: 512, or the preset's."""
    style_size: Optional[int]
    """Long side of the style pictures. Default: `size`."""
    preset: Optional[str]
    """Settings of the paper ("gatys") or of a well-known implementation; `presets()` lists them."""
    settings: Optional[Mapping[str, Any]]
    """Any of the settings that `settings()` returns, which replace those of the preset."""
    style_strength: Optional[float]
    """The strength of the style. Default: 1. Doubling or halving it makes a visible difference, at any size and for any
    painting."""
    iterations: Optional[int]
    """Evaluations of loss and gradient. Default: 80, or the preset's. With the default `scales` it is a budget of time:
    small scales are cheaper, so more are done in all."""
    scales: Union[None, str, Sequence[Any]]
    """Sizes to paint first: "auto" (the default without a preset), or a list of (size, iterations), coarsest first; [] paints
    at the final size alone."""
    seed: Optional[int]
    """Seed of the noise in the start image. Default: 0."""
    statistic: Optional[str]
    """The statistic of all style layers: "gram", "gram of elements", "covariance", "moments", "wasserstein", "sliced
    wasserstein", "histogram" or "patches of 3"."""
    content_layers: Optional[Layers]
    """The layers of the content loss: names, (name, weight) pairs, or a dict of weights. Default: conv4_2."""
    style_layers: Optional[Layers]
    """The layers of the style loss, the same; a triple also has the statistic of its layer."""
    content_weight: Optional[float]
    """The paper's alpha: absolute losses in place of `style_strength`."""
    content_mean_weight: Optional[float]
    """The same for the mean of squares, as most implementations have it."""
    style_weight: Optional[float]
    """The paper's beta."""
    tv: Union[None, str, Mapping[str, float]]
    """The form of the total variation: "squared", "absolute", "means", "nine_point" or {"power": 2.5}."""
    tv_weight: Optional[float]
    """The weight of the total variation. Default: 0."""
    laplacian: Union[None, float, Sequence[Tuple[float, int]]]
    """A weight that holds edges where they are, or a list of (weight, side of the squares in pixels). 0.02 is visible."""
    losses: Optional[Mapping[str, float]]
    """Further losses by name, with their weights, in place of the preset's: "neighbours", "turned-neighbours",
    "relaxed-emd", "self-similarity" and "palette". {"neighbours": 0.05} with `content_layers=[]` has the painting's own colours and strokes."""
    balanced: Optional[bool]
    """Whether to give each loss a gradient as large as its weight, measured at the photograph with some noise."""
    pooling: Optional[str]
    """"average" or "max"."""
    padding: Optional[str]
    """"replicate" or "zero"."""
    seamless: Optional[bool]
    """Whether the result repeats without seams."""
    init: Optional[Picture]
    """The start image: "content", "noise", "style", or a picture, which is stretched to the size of the result."""
    noise: Optional[Mapping[str, float]]
    """The distribution of the noise: {"uniform": 64} or {"normal": 10}."""
    noise_ratio: Optional[float]
    """The share of noise in the start image, 0 to 1."""
    optimizer: Union[None, str, Mapping[str, Any]]
    """"lbfgs", "adam", or one with options: {"adam": {"learning_rate": 10}}."""
    running_mean: Optional[float]
    """The decay of a running mean of the images, 0.99, say."""
    tolerance: Optional[float]
    """The fraction by which ten iterations must lower the loss for a scale to go on: 0.05, say. `iterations` stays the limit."""
    content_mask: Optional[Picture]
    """A mask for the content loss."""
    colours: Optional[str]
    """Colours of the result. "painting" (the default); "luminance": the photograph's, only brightness is painted; "cholesky",
    "pca", "symmetric": the photograph's, to which the painting's are matched first."""
    memory_limit: Optional[int]
    """In bytes. A picture that needs more is painted in tiles, without seams."""
    tiles: Optional[Tuple[int, int]]
    """The least number of rows and columns of tiles."""
    network: Optional[Network]
    """The network, which several sessions can share. Default: the VGG-16 inside the package, on the best device."""


def settings(preset: Optional[str] = None) -> Dict[str, Any]:
    """The settings of a preset, or the defaults, as the library names them; for `settings=` of `stylize` and `Session`."""
    loaded: Dict[str, Any] = json.loads(_native.settings(preset))
    return loaded


Signed = TypeVar("Signed", bound=Callable[..., Any])


def signed(function: Signed) -> Signed:
    """A function of `**options`, for which `help` lists them."""
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    defaults = {"size": 512}
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults.get(name)) for name in Options.__annotations__
    ]
    setattr(function, "__signature__", signature.replace(parameters=[*own, *options]))
    return function


def to_json(options: Mapping[str, Any]) -> str:
    """All that is neither a picture nor a size, for the native module."""
    given: Dict[str, Any] = {name: options[name] for name in SET if name in options}
    fields: Dict[str, Any] = dict(options.get("settings", {}))
    fields.update((name, options[name]) for name in PLAIN if name in options)
    given["settings"] = fields
    for name in ("content_layers", "style_layers"):
        if name in options:
            fields[name] = _layers(options[name])
    if "optimizer" in options:
        fields["optimizer"] = _optimizer(options["optimizer"])
    scales = options.get("scales")
    if isinstance(scales, str):
        if scales != "auto":
            raise InputError.of("argument", f'scales: "auto" or a list is wanted; "{scales}" was given')
        given["coarse_to_fine"] = True
    elif scales is not None:
        fields["scales"] = [_scale(scale) for scale in scales]
    laplacian = options.get("laplacian")
    if laplacian is not None:
        given["laplacian"] = list(laplacian) if isinstance(laplacian, Iterable) else [(laplacian, 4)]
    losses = options.get("losses")
    if losses is not None:
        fields["losses"] = list(losses.items()) if isinstance(losses, Mapping) else losses
    init = options.get("init")
    if isinstance(init, str) and init in STARTS:
        given["init"] = init
    try:
        return json.dumps(given, allow_nan=False, default=_plain)
    except ValueError as e:
        raise InputError.of("non-finite value", "settings: a number is not finite") from e


def _layers(given: Layers) -> List[Dict[str, Any]]:
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping):
        given = list(given.items())
    return [_layer(layer) for layer in given]


def _layer(given: Any) -> Dict[str, Any]:
    if isinstance(given, str):
        return {"layer": given, "weight": 1.0}
    if isinstance(given, Mapping):
        return dict(given)
    return dict(zip(("layer", "weight", "statistic"), given))


def _scale(given: Any) -> Dict[str, Any]:
    return dict(given) if isinstance(given, Mapping) else dict(zip(("size", "iterations"), given))


def _optimizer(given: Any) -> Any:
    return {given: {}} if isinstance(given, str) else given


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"settings: {type(value).__name__} is not a plain value")
