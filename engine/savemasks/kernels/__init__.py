"""All Numba code, by station.

Rules of this package, which keep it fast and safe:

* Every kernel is a module-level function under `jit.kernel`, which also sees to it that a change
  in any file of this package makes Numba compile all of it anew.
* A kernel writes to arrays that its caller sized, allocates nothing per shape, and never raises:
  whatever could go wrong is checked before it is called.
"""
