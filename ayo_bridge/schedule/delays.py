"""What tokens cost at a set of replicas, learned from their replies."""

from __future__ import annotations

from typing import Final

_Row = tuple[float, float, float]

PREFILL: Final = 1e-4
"""Seconds of a prompt token, before any reply has come. Only the ratios of these three matter then,
and they are those of a 7B model on one GPU."""
DECODE: Final = 0.02
BESIDE: Final = 2e-4
OUTPUT: Final = 128.0
"""Tokens of an answer, before any has come."""
_KEPT: Final = 0.98
"""Weight that earlier replies keep with each further one: some fifty count."""
_PRIOR: Final = 0.5
"""Weight of what was believed before, in replies: what these cannot tell apart stays as it was."""
_LEAST: Final = 0.05
"""Share of what is believed at first that nothing falls below."""
_FEW: Final = 8


class Delays:
    """Seconds that a replica takes for the tokens of a request. Not thread-safe.

    A reply that comes in one piece takes ``prefill * fresh + output * (decode + beside * others)``
    seconds: ``fresh`` tokens of its prompt are not in the cache, ``others`` are decoded beside it.
    The three are fitted to what replies took, by relative error.
    """

    def __init__(self) -> None:
        self.prefill = PREFILL
        self.decode = DECODE
        self.beside = BESIDE
        self.output = OUTPUT
        self._products = [0.0] * 6
        self._sums = [0.0] * 3
        self._count = 0

    def began(self, fresh: float, seconds: float) -> None:
        """The first tokens of a stream came after so long, with ``fresh`` tokens before them."""
        self._observe((fresh, 0.0, 0.0), seconds)

    def decoded(self, output: int, others: float, seconds: float) -> None:
        """The rest of a stream has come, so long after its beginning."""
        self._observe((0.0, output, output * others), seconds)

    def whole(self, fresh: float, output: int, others: float, seconds: float) -> None:
        """A reply has come in one piece."""
        self._observe((fresh, output, output * others), seconds)

    def wrote(self, output: int) -> None:
        """An answer had so many tokens."""
        self.output += 0.1 * (output - self.output)

    def _observe(self, row: _Row, seconds: float) -> None:
        if seconds <= 0 or not any(row):
            return
        a, b, c = (part / seconds for part in row)
        new = (a * a, a * b, a * c, b * b, b * c, c * c)
        self._products = [_KEPT * old + each for old, each in zip(self._products, new, strict=True)]
        self._sums = [_KEPT * old + each for old, each in zip(self._sums, (a, b, c), strict=True)]
        self._count += 1
        if self._count % _FEW == 0:
            self._fit()

    def _fit(self) -> None:
        aa, ab, ac, bb, bc, cc = self._products
        x, y, z = self._sums
        aa, x = aa + _PRIOR / self.prefill**2, x + _PRIOR / self.prefill
        bb, y = bb + _PRIOR / self.decode**2, y + _PRIOR / self.decode
        cc, z = cc + _PRIOR / self.beside**2, z + _PRIOR / self.beside
        determinant = aa * (bb * cc - bc * bc) - ab * (ab * cc - bc * ac) + ac * (ab * bc - bb * ac)
        if determinant <= 0:
            return
        first = x * (bb * cc - bc * bc) - ab * (y * cc - bc * z) + ac * (y * bc - bb * z)
        second = aa * (y * cc - bc * z) - x * (ab * cc - bc * ac) + ac * (ab * z - y * ac)
        third = aa * (bb * z - y * bc) - ab * (ab * z - y * ac) + x * (ab * bc - bb * ac)
        self.prefill = max(first / determinant, _LEAST * PREFILL)
        self.decode = max(second / determinant, _LEAST * DECODE)
        self.beside = max(third / determinant, _LEAST * BESIDE)


__all__ = ["Delays"]
