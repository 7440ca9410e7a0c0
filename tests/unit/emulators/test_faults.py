"""Faults come in order, and as often as they are asked for."""

from emulators.faults import Fault, Faults


def test_a_fault_is_met_by_its_call_as_often_as_it_says() -> None:
    faults = Faults([Fault("stop", times=2), Fault("*", 429)])
    assert [each and each.status for each in map(faults.next, ["stop", "start", "stop"])] == [
        500,
        429,
        500,
    ]
    assert faults == []
    assert faults.next("stop") is None
