"""All Numba code, by station.

Rules of this package, which keep it fast and safe:

* Every kernel is a module-level function decorated with `jit.kernel`. After a change in any file of
  this package, Numba compiles all of it anew.
* A kernel writes to arrays of its caller, allocates nothing per shape, and never raises. The caller
  checks everything that could go wrong beforehand.
"""
