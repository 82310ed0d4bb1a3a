"""A real process of its own, since the setting holds for a whole process."""

import ctypes
import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes
from bibwatch.service.memory import give_back_large_blocks

class Info(ctypes.Structure):  # mallinfo(3)
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usm fsm used free top".split()]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Info
{call}
largest = bytes(8 * 2**20)
del largest  # from now on glibc would keep smaller blocks in its heap
before = mallinfo().hblks
block = bytes(2**20)
print(mallinfo().hblks - before)
"""


pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc 2.33 or newer counts them")


def blocks_outside_the_heap(call: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", PROGRAM.format(call=call)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def test_a_large_block_goes_back_to_the_kernel_whatever_was_freed_before() -> None:
    assert blocks_outside_the_heap("") == 0
    assert blocks_outside_the_heap("give_back_large_blocks()") == 1
