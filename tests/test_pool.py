"""Work in processes: in order, and one that dies costs its item only."""

import os
from functools import partial

import pytest

from vsr.pool import in_processes


def half(number):
    """3 kills its process, as a fault in a C library does."""
    if number == 3:
        os._exit(1)
    return number // 2


def test_a_process_that_dies_costs_its_item_only():
    found = list(in_processes(half, [0, 2, 3, 4, 6], 2, lambda item: ("lost", item)))
    assert found == [0, 1, ("lost", 3), 2, 3]


def test_errors_of_the_work_travel():
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(partial(int, base=8), ["7", "9"], 1, str))
