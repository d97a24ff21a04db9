"""Keeps the C library from holding on to memory that updates have left."""

import ctypes

__all__ = ["bound_allocator"]

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8  # M_MMAP_THRESHOLD and M_ARENA_MAX of malloc.h
_LARGE_BYTES = 2_000_000
_ARENAS = 2


def bound_allocator() -> bool:
    """Give large buffers back to the system as soon as they are free, and share small ones among threads.

    By default glibc keeps an arena for each thread, and after the first few updates takes further ones from these
    arenas instead of mapping them: a round's process then grows by several times what it holds. Call this once, before
    threads begin. It costs some milliseconds of processor time for each update of a few megabytes.

    Returns:
        Whether it took effect; False where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)) and bool(mallopt(_ARENA_MAX, _ARENAS))
