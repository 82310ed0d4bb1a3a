"""Keeps the service's memory even through a long race."""

import ctypes

LARGE = 256 * 2**10  # bytes
M_MMAP_THRESHOLD = -3  # source: mallopt(3)


def give_back_large_blocks() -> None:
    """Let each large block of memory go back to the kernel as soon as it is free, here, not in the children.

    glibc does so only with blocks larger than any that was freed before. The tables of names grow to megabytes and move
    now and then, and each move would leave a hole in the heap: some ten percent more memory after 20,000 photos.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
