"""All Numba code, one self-contained file per station.

Rules of this package, which keep it fast and safe:

* Every kernel is a module-level function under `jit.kernel`, and calls only kernels of its own
  file: Numba's cache does not notice a change in a callee that lives in another file.
* A kernel writes to arrays that its caller sized, allocates nothing per shape, and never raises:
  whatever could go wrong is checked before it is called.
"""
