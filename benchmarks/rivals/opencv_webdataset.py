"""The OpenCV script, writing one tar archive of samples under keys, for the library webdataset."""

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.rivals.opencv_tar import Packer, pack
else:
    from opencv_tar import Packer, pack


class Samples(Packer):
    """Names members by sample: `<key>.<part>`, where a key has no dots."""

    def member(self, dataset: str, folder: str, name: str) -> str:
        """The key is the data set and the image's stem."""
        image = name.removesuffix(".json") if folder == "ann" else name
        part = {"ann": "json", "masks_machine": "machine.png", "masks_human": "human.png"}
        key = f"{dataset}/{PurePath(image).stem}".replace(".", "%2E")
        return f"{key}.{part.get(folder) or PurePath(name).suffix[1:].lower()}"


if __name__ == "__main__":
    pack(Samples)
