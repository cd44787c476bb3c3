"""TIFF through libvips, as many threads write it at once."""

import subprocess
import sys
from pathlib import Path

WRITE = """
import sys, threading
from pathlib import Path
import numpy as np
from isal import isal_zlib
from savemasks.encode.png import Deflated, Layout, PngStream
from savemasks.encode.tiff import tiff_from_png

ROWS = np.zeros((64, 65), np.uint8)  # of filter 0
ROWS[:, 1:] = np.arange(64)
maker = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -15)
data = maker.compress(ROWS.tobytes()) + maker.flush(isal_zlib.Z_FULL_FLUSH)
STRIP = Deflated(data, isal_zlib.adler32(ROWS.tobytes()), ROWS.size)
begin = threading.Barrier(16)

def write(number):
    layout = Layout(64, 64, 1, 8)
    begin.wait()
    for again in range(3):
        stream = PngStream(layout)
        path = f"{sys.argv[1]}/{number}-{again}.tif"
        with tiff_from_png(path, layout, RuntimeError, pyramid=False, smooth=False) as out:
            out.write(stream.begin())
            out.write(stream.strip(STRIP))
            out.write(stream.end())

threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
import pyvips
for path in Path(sys.argv[1]).iterdir():
    assert (pyvips.Image.new_from_file(str(path)).numpy() == ROWS[:, 1:]).all()
print(len([*Path(sys.argv[1]).iterdir()]))
"""


def test_threads_may_write_the_first_tiffs_of_a_process_at_once(tmp_path: Path) -> None:
    """In a process of its own: a fault there ends it."""
    command = [sys.executable, "-W", "error", "-c", WRITE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "48\n", "")
