"""In: an app as modules (``chain``). Out: the paper's baselines of it, as arms of a bench.

``steps`` says who waits for whom, ``queues`` how engines are scheduled, ``engines`` what they are,
``clients`` how modules ask them; ``program`` starts it all at a place: in this process
(``places``) or ``on_ray``. ``virtual`` has the same schemes on the virtual clock.
"""

from benchmarks.apps.arms.schemes import arms_of

__all__ = ["arms_of"]
