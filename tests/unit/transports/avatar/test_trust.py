"""What is remembered of hosts, over processes that come, go and are killed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from transports.avatar.errors import CertificateRefused
from transports.avatar.trust import MOST_HOSTS, Pins

FIRST, SECOND = b"first", b"second"


def test_the_first_that_nobody_vouches_for_is_the_one_that_is_believed(tmp_path: Path) -> None:
    for _ in range(2):
        Pins(tmp_path).check("ZEGO", "1.1.1.1", FIRST)
    Pins(tmp_path).check("ZEGO", "2.2.2.2", SECOND)
    with pytest.raises(CertificateRefused) as refused:
        Pins(tmp_path).check("ZEGO", "1.1.1.1", SECOND)
    assert refused.value.changed


@pytest.mark.parametrize("remembers", [True, False])
def test_what_an_authority_vouched_for_may_be_renewed_by_one_and_by_nobody_else(
    tmp_path: Path, remembers: bool
) -> None:
    pins = Pins(tmp_path if remembers else None)
    pins.vouched("ZEGO", "3.3.3.3", FIRST)
    pins.check("ZEGO", "3.3.3.3", FIRST)
    with pytest.raises(CertificateRefused):
        pins.check("ZEGO", "3.3.3.3", SECOND)
    pins.vouched("ZEGO", "3.3.3.3", SECOND)
    pins.check("ZEGO", "3.3.3.3", SECOND)
    with pytest.raises(CertificateRefused):
        pins.check("ZEGO", "3.3.3.3", FIRST)


def test_who_is_killed_while_it_writes_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = Pins(tmp_path)
    pins.check("ZEGO", "1.1.1.1", FIRST)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            pins.check("ZEGO", "2.2.2.2", FIRST)
    with pytest.raises(CertificateRefused):
        pins.check("ZEGO", "1.1.1.1", SECOND)
    pins.check("ZEGO", "2.2.2.2", SECOND)
    assert set(json.loads((tmp_path / "certificates.json").read_text())) == {"1.1.1.1", "2.2.2.2"}
    assert not (tmp_path / "certificates.new").exists()
    assert all(each.stat().st_mode & 0o077 == 0 for each in tmp_path.iterdir())


def test_so_many_hosts_and_no_more_are_remembered(tmp_path: Path) -> None:
    known = {f"host-{number}": "x" for number in range(MOST_HOSTS)}
    (tmp_path / "certificates.json").touch(mode=0o600)
    (tmp_path / "certificates.json").write_text(json.dumps(known))
    Pins(tmp_path).check("ZEGO", "1.1.1.1", FIRST)
    left = json.loads((tmp_path / "certificates.json").read_text())
    assert len(left) == MOST_HOSTS
    assert "1.1.1.1" in left
    assert "host-0" not in left


def test_hosts_of_the_longest_names_leave_the_file_readable(tmp_path: Path) -> None:
    known = {f"{number:0>253}": 64 * "f" for number in range(MOST_HOSTS)}
    (tmp_path / "certificates.json").write_text(json.dumps(known))
    (tmp_path / "certificates.json").chmod(0o600)
    for _ in range(2):
        Pins(tmp_path).check("ZEGO", "1.1.1.1", FIRST)


def test_a_file_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    Pins(tmp_path).check("ZEGO", "1.1.1.1", FIRST)
    (tmp_path / "certificates.json").chmod(0o666)
    with pytest.raises(CertificateRefused):
        Pins(tmp_path).check("ZEGO", "1.1.1.1", FIRST)
