"""Picture files written by Pillow and tifffile with their contents; colours converted by LittleCMS.

    pip install pillow==13.0.0 numpy==2.4.6 tifffile==2026.3.3
    python make_pictures.py

writes pictures.json next to itself; all bytes are in hexadecimal. This script assembles profiles byte by byte following
ICC.1:2010, so that no library reads only its own output. "lcms" holds the bytes after LittleCMS's conversion, "exact" the
values of the formulas in float64, in 8-bit units. Pictures are big-endian RGBA with 16 bits. Rotated pictures come from
Pillow's exif_transpose.
"""
import io, json, os, struct

import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps

rng = np.random.default_rng(2015)
D50, D65 = np.array([0.9642, 1.0, 0.8249]), (0.3127, 0.3290)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
P3 = [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]
ADOBE = [(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)]
SRGB = [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]


def hexed(b):
    return bytes(b).hex()


# Profiles.


def xyz(xy):
    return np.array([xy[0] / xy[1], 1, (1 - xy[0] - xy[1]) / xy[1]])


def colorants(primaries):
    m = np.array([xyz(p) for p in primaries]).T
    m = m * np.linalg.solve(m, xyz(D65))
    cone = BRADFORD @ xyz(D65)
    adapt = np.linalg.inv(BRADFORD) @ np.diag(BRADFORD @ D50 / cone) @ BRADFORD
    return adapt @ m


def fixed(*values):
    return b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def xyz_tag(v):
    return b"XYZ \0\0\0\0" + fixed(*v)


def text(s):
    return b"text\0\0\0\0" + s + b"\0"


def description(s):
    return b"desc\0\0\0\0" + struct.pack(">I", len(s) + 1) + s + b"\0" + bytes(78)


def gamma_curve(g):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(g * 256))


def table_curve(values):
    return b"curv\0\0\0\0" + struct.pack(">I", len(values)) + b"".join(struct.pack(">H", v) for v in values)


def parametric():  # that of sRGB
    return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(space, tags, pcs=b"XYZ ", kind=b"mntr", version=0x02400000):
    tags = {b"desc": description(b"test"), b"cprt": text(b"none"), b"wtpt": xyz_tag(D50), **tags}
    table, data, at = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s6H4s", at + len(data), b"\0" * 4, version, kind, space, pcs, 2015, 8, 26, 0, 0, 0, b"acsp")
    head += bytes(28) + fixed(*D50)
    head += bytes(128 - len(head))
    return head + struct.pack(">I", len(tags)) + table + data


def matrix_profile(primaries, curve, version):
    m = colorants(primaries)
    tags = {n: xyz_tag(m[:, i]) for i, n in enumerate([b"rXYZ", b"gXYZ", b"bXYZ"])}
    return profile(b"RGB ", {**tags, **{n: curve for n in [b"rTRC", b"gTRC", b"bTRC"]}}, version=version)


def lab(values):
    t = values / D50
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def table_profile(n):  # like a scanner's: RGB to Lab by a table
    g = np.stack(np.meshgrid(*[np.linspace(0, 1, n)] * 3, indexing="ij"), -1)
    v = lab((g**2.4) @ colorants(SRGB).T)
    encoded = np.stack([v[..., 0] * 652.8, (v[..., 1] + 128) * 256, (v[..., 2] + 128) * 256], -1)
    ramp = struct.pack(">HH", 0, 65535) * 3
    lut = b"mft2\0\0\0\0" + bytes([3, 3, n, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    lut += ramp + encoded.round().clip(0, 65535).astype(">u2").tobytes() + ramp
    return profile(b"RGB ", {b"A2B0": lut}, pcs=b"Lab ", kind=b"scnr")


def srgb_encoded(v):
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055) * 255


def srgb_linear(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def exact(pixels, primaries, curve):
    return srgb_encoded(curve(pixels / 255) @ (np.linalg.inv(colorants(SRGB)) @ colorants(primaries)).T)


grey_table = (np.linspace(0, 1, 64) ** 1.6 * 65535).round().astype(int).tolist()
profiles = {
    "p3": (matrix_profile(P3, parametric(), 0x04300000), lambda p: exact(p, P3, srgb_linear)),
    "adobe": (matrix_profile(ADOBE, gamma_curve(2.19921875), 0x02400000), lambda p: exact(p, ADOBE, lambda v: v**2.19921875)),
    "table": (table_profile(17), None),
    "grey": (profile(b"GRAY", {b"kTRC": gamma_curve(1.8)}), lambda p: np.repeat(srgb_encoded((p / 255) ** (461 / 256)), 3, -1)),
    "grey table": (profile(b"GRAY", {b"kTRC": table_curve(grey_table)}), None),
    "srgb": (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), None),
    "srgb table": (matrix_profile(SRGB, table_curve((srgb_linear(np.linspace(0, 1, 1024)) * 65535).round().astype(int)), 0x02100000), None),
}
golden = {"profiles": [], "pictures": [], "files": [], "turned": []}


def picture(rgba):  # returns its index in the list
    if rgba.dtype == np.uint8:
        rgba = rgba.astype(np.uint16) * 257
    entry = {"width": rgba.shape[1], "height": rgba.shape[0], "rgba": hexed(rgba.astype(">u2").tobytes())}
    if entry not in golden["pictures"]:
        golden["pictures"].append(entry)
    return golden["pictures"].index(entry)


def opaque(p):
    p = np.repeat(p[..., None], 3, -1) if p.ndim == 2 else p
    return np.concatenate([p[..., :3], np.full_like(p[..., :1], np.iinfo(p.dtype).max)], -1)


for name, (icc, formula) in profiles.items():
    grey = name.startswith("grey")
    pixels = rng.integers(0, 256, (16, 16, 1 if grey else 3)).astype(np.uint8)
    if not grey:
        corners = np.array([[255 * (i >> c & 1) for c in range(3)] for i in range(8)])
        pixels[0, :8], pixels[1] = corners, np.arange(0, 256, 17)[:, None]
    source = Image.fromarray(pixels[..., 0] if grey else pixels)
    png = io.BytesIO()
    source.save(png, "PNG", icc_profile=icc)
    to = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    flags = ImageCms.Flags.NOOPTIMIZE | ImageCms.Flags.HIGHRESPRECALC
    converted = ImageCms.profileToProfile(source, ImageCms.ImageCmsProfile(io.BytesIO(icc)), to, 0, "RGB", flags=flags)
    golden["profiles"].append({
        "name": name, "png": hexed(png.getvalue()), "pixels": hexed(pixels.tobytes()),
        "lcms": hexed(np.asarray(converted).tobytes()),
        "exact": formula(pixels.astype(float)).ravel().round(3).tolist() if formula else None,
    })

# TIFF files.
y, x = np.mgrid[0:16, 0:18]
deep = np.stack([x * 3500 + y, y * 4000 + 3 * x, (x * y * 211) % 65536, 65535 - 1500 * x - 900 * y], -1).astype(np.uint16)
narrow = (deep >> 8).astype(np.uint8)


def add(name, file, rgba, tolerance=0):
    golden["files"].append({"name": name, "file": hexed(file.getvalue()), "picture": picture(rgba), "tolerance": tolerance})


def grey_alpha(p):
    return np.concatenate([np.repeat(p[..., :1], 3, -1), p[..., 1:]], -1)


def by_tifffile(name, pixels, rgba, tolerance=0, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, metadata=None, **options)
    add(name, file, rgba, tolerance)


def by_pillow(name, pixels, rgba, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", **options)
    add(name, file, rgba)


for name in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
    by_pillow(f"8 bits, {name}", narrow[..., :3], opaque(narrow), compression=name)
by_pillow("8 bits with alpha, lzw", narrow, narrow, compression="tiff_lzw")
by_pillow("8 bits of grey", narrow[..., 0], opaque(narrow[..., 0]))
by_pillow("16 bits of grey", deep[..., 0], opaque(deep[..., 0]))
by_pillow("big endian", narrow[..., :3], opaque(narrow), big_tiff=False)
by_pillow("BigTIFF", narrow[..., :3], opaque(narrow), big_tiff=True)
rgb = dict(photometric="rgb")
by_tifffile("16 bits", deep[..., :3], opaque(deep), **rgb)
by_tifffile("16 bits, big endian", deep[..., :3], opaque(deep), byteorder=">", **rgb)
by_tifffile("16 bits, strips", deep[..., :3], opaque(deep), rowsperstrip=5, **rgb)
by_tifffile("16 bits, tiles", deep[..., :3], opaque(deep), tile=(16, 16), **rgb)
by_tifffile("16 bits, zlib, predictor", deep[..., :3], opaque(deep), compression="zlib", predictor=2, **rgb)
by_tifffile("16 bits with alpha", deep, deep, extrasamples=["unassalpha"], **rgb)
by_tifffile("16 bits, planes", np.moveaxis(deep, -1, 0), deep, extrasamples=["unassalpha"], planarconfig="separate", **rgb)
by_tifffile("a channel that is no alpha", deep, opaque(deep), extrasamples=["unspecified"], **rgb)
by_tifffile("grey with alpha", deep[..., [0, 3]], grey_alpha(deep[..., [0, 3]]), photometric="minisblack", extrasamples=["unassalpha"])
by_tifffile("white is zero", 65535 - deep[..., 0], opaque(deep[..., 0]), photometric="miniswhite")
times = deep.copy()
times[..., :3] = (deep[..., :3].astype(np.int64) * deep[..., 3:] + 32767) // 65535
# The loss from rounding premultiplied values to 16 bits; alpha is at least 25035.
by_tifffile("multiplied by alpha", times, deep, 2, extrasamples=["assocalpha"], **rgb)

# One picture in every orientation.
lying = np.stack([x * 14, y * 15, np.where((x < 6) & (y < 5), 220, 40)], -1).astype(np.uint8)
uprights = []
for kind, options in [("JPEG", dict(quality=100, subsampling=0)), ("PNG", {}), ("WEBP", dict(lossless=True)), ("TIFF", {})]:
    for orientation in range(1, 9):
        file, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(lying).save(file, kind, exif=exif, **options)
        golden["turned"].append({"kind": kind, "orientation": orientation, "file": hexed(file.getvalue())})
        if kind == "PNG":
            upright = np.asarray(ImageOps.exif_transpose(Image.open(file)).convert("RGB"))
            uprights.append(picture(opaque(upright)))
for turned in golden["turned"]:
    turned["picture"] = uprights[turned["orientation"] - 1]

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures.json"), "w") as file:
    json.dump(golden, file, separators=(",", ":"))
    file.write("\n")
