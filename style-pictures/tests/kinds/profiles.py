"""Checks results: LittleCMS must accept their profile as sRGB, and pngcheck must accept PNG files.

Usage: profiles.py FOLDER
"""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms

CUBE = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).reshape(-1, 18, 3).astype(np.uint8)

for path in sorted(Path(sys.argv[1]).iterdir()):
    picture = Image.open(path) if path.name != "f.tif" else None
    if picture:
        picture.load()
        icc = picture.info["icc_profile"]
    else:
        # 16 bits, which Pillow does not read.
        with tifffile.TiffFile(path) as file:
            icc = file.pages[0].tags[34675].value
    profile = ImageCms.getOpenProfile(io.BytesIO(icc))
    found = profile.profile
    assert (found.version, found.xcolor_space.strip(), found.connection_space.strip()) == (4.3, "RGB", "XYZ"), path
    same = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB", renderingIntent=1)
    back = np.asarray(ImageCms.applyTransform(Image.fromarray(CUBE), same)).astype(int)
    far = np.abs(back - CUBE).max()
    assert far <= 1, f"{path.name}: {far} levels from sRGB"
    if path.suffix == ".png":
        said = subprocess.run(["pngcheck", "-v", path], capture_output=True, text=True)
        assert said.returncode == 0 and "No errors" in said.stdout, said.stdout
    print(f"{path.name}: {len(icc)} bytes of profile, at most {far} levels from sRGB")
