"""A notebook whose kernel has the switch in its environment."""

from tests.autorun.running import ON
from tests.autorun.test_servers import notebook_puts_out_the_same


def test_a_notebook_puts_out_the_same_by_its_environment() -> None:
    notebook_puts_out_the_same(env=ON)
