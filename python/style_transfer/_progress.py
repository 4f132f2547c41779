"""What an iteration tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class TermLoss:
    """A term of the objective."""

    name: str
    """"content", "style", "tv", or the name of another loss."""
    weight: float
    """Its weight in the objective, at this scale."""
    loss: float
    """Its value before the weight."""
    layers: Dict[str, float]
    """The loss of each of its layers before any weight, if it is a sum over layers."""


@dataclass(frozen=True)
class Losses:
    """The losses of one iteration: relative to their targets, or absolute."""

    total: float
    """The objective: the sum of all terms, each times its weight."""
    terms: Tuple[TermLoss, ...]
    """The terms: content, style, total variation, then others."""

    def term(self, name: str) -> Optional[TermLoss]:
        """The term of this name, if there is one."""
        return next((term for term in self.terms if term.name == name), None)

    def loss(self, name: str) -> float:
        """The loss of the term of this name, before its weight; 0 without such a term."""
        term = self.term(name)
        return term.loss if term else 0.0

    @property
    def content(self) -> float:
        """The content loss."""
        return self.loss("content")

    @property
    def style(self) -> float:
        """The style loss."""
        return self.loss("style")

    @property
    def tv(self) -> float:
        """The total variation."""
        return self.loss("tv")


@dataclass(frozen=True)
class Progress:
    """The result of one iteration: an evaluation of loss and gradient."""

    iteration: int
    """Iterations done, this one included. The first is of the start image."""
    iterations: int
    """Iterations at all scales, if none converges early."""
    scale: int
    """Index of the scale, from 0."""
    scales: int
    """Number of scales; 1 if only the final size is painted."""
    width: int
    """Width of the picture at this scale."""
    height: int
    """Height of the picture at this scale."""
    losses: Losses
    """The losses at the evaluated point."""
    accepted: bool
    """Whether this point became the picture; a line search also evaluates points that it rejects."""
    accepted_losses: Losses
    """The losses of the picture so far."""
    diverged: bool
    """Whether the picture is worse, by its loss, than the one that the descent began with."""
    gradient_norm: float
    """Euclidean norm of the gradient, per 8-bit unit."""
    step_length: float
    """Euclidean length of the last L-BFGS step, in 8-bit units; 0 for Adam."""
    converged: bool
    """Whether no further progress is possible at this scale."""


def losses(told: Tuple[float, Any]) -> Losses:
    """From what the native module tells."""
    total, terms = told
    return Losses(total, tuple(TermLoss(name, weight, loss, dict(layers)) for name, weight, loss, layers in terms))


def progress(told: Mapping[str, Any]) -> Progress:
    """From what the native module tells."""
    return Progress(
        **{**told, "losses": losses(told["losses"]), "accepted_losses": losses(told["accepted_losses"])}
    )
