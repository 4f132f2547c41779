"""Neural style transfer by optimisation: repaint one picture in the style of another.

>>> import style_transfer
>>> painted = style_transfer.stylize("photo.jpg", "painting.jpg", size=512)
>>> style_transfer.save("painted.png", painted)

Pictures are NumPy arrays, Pillow's images, paths or the bytes of files; `stylize` describes them and the result. A `Session`
shows its progress, its picture so far, and continues from a checkpoint. `Options` lists the settings. Errors are
`StyleTransferError`s. The library prints nothing, and results have the same bits for any number of threads.
"""

from ._errors import (
    DeviceError,
    FileError,
    FileMissingError,
    InputError,
    OutOfMemoryError,
    StyleTransferError,
)
from ._native import Network, devices, presets
from ._options import Options, settings
from ._pictures import Picture, Style, load, save, to_pil
from ._progress import Losses, Progress, TermLoss
from ._session import Session, stylize

__all__ = [
    "DeviceError",
    "FileError",
    "FileMissingError",
    "InputError",
    "Losses",
    "Network",
    "Options",
    "OutOfMemoryError",
    "Picture",
    "Progress",
    "Session",
    "Style",
    "StyleTransferError",
    "TermLoss",
    "devices",
    "load",
    "presets",
    "save",
    "settings",
    "stylize",
    "to_pil",
]
