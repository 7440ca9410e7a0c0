"""So much at once, and so much per second after that."""

from server.allowance import Allowance


def test_so_much_at_once_and_no_more() -> None:
    allowance = Allowance(1, 10, now=0.0)
    assert allowance.spend(10, now=0.0)
    assert not allowance.spend(1, now=0.0)


def test_it_comes_back_with_time_up_to_the_most() -> None:
    allowance = Allowance(2, 10, now=0.0)
    assert allowance.spend(10, now=0.0)
    assert allowance.spend(4, now=2.0)
    assert not allowance.spend(1, now=2.0)
    assert allowance.spend(10, now=1_000.0)
    assert not allowance.spend(1, now=1_000.0)
