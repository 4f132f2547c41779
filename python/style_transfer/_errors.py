"""The exceptions. The native module makes them by these names."""

from __future__ import annotations

from typing import Optional, Tuple


class StyleTransferError(Exception):
    """Every error of the library. The message says what was wanted, what was found, and what to do."""

    kind: str = ""
    """The library's kind of error, such as "too small", "argument", "image" or "memory exceeded"."""


class InputError(StyleTransferError, ValueError):
    """A picture, a setting, a weight file or a checkpoint that cannot be used."""

    least: Optional[int] = None
    """Kind "too small": the least side in pixels."""

    @classmethod
    def of(cls, kind: str, message: str) -> InputError:
        """An error of this kind."""
        error = cls(message)
        error.kind = kind
        return error


class DeviceError(StyleTransferError, RuntimeError):
    """A device that is not there, cannot do what was asked, or failed."""


class OutOfMemoryError(StyleTransferError, MemoryError):
    """There is not enough memory, or not within the `memory_limit`."""

    needed: Optional[int] = None
    """Kind "memory exceeded": the least number of bytes needed."""

    fits: Optional[Tuple[int, int]] = None
    """Kind "memory exceeded": width and height of the largest picture that fits; zeros if none does."""


class FileError(StyleTransferError, OSError):
    """A file that cannot be read or written."""


class FileMissingError(FileError, FileNotFoundError):
    """A file that is not there."""
