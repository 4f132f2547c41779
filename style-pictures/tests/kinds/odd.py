"""Writes files of odd kinds and their pixels. Requires numpy, Pillow, and tifffile with imagecodecs.

Usage: odd.py FOLDER. `index.tsv` has a line for each file: its name, the expected outcome (`read`, `note WORDS` or `refused
WORDS`) and the tolerance against NAME.rgba, in 8-bit levels. NAME.rgba holds the width and the height with 32 bits each, then
red, green, blue and alpha with 16 bits each, all big-endian. For lossless files, the values are those of the source, and Pillow
must agree if it reads the file; otherwise, they are Pillow's.
"""

import io
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

W, H = 37, 29
Y, X = np.mgrid[:H, :W]
LINES = []
FOLDER = Path(sys.argv[1])


def waves(channels, top):
    """Values from 0 to `top`, all of them if there are few."""
    planes = [(X * (7 + 2 * c) + Y * (11 - c) + X * Y * (c + 1)) * 2654435761 % 65521 for c in range(channels)]
    return np.stack(planes, -1) * (top + 1) // 65521


def rgba16(values, top=255):
    """Values of 1 to 4 channels as 16 bits of RGBA."""
    values = values.reshape(*values.shape[:2], -1).astype(float) * 65535 / top
    n = values.shape[-1]
    alpha = values[..., -1:] if n in (2, 4) else np.full_like(values[..., :1], 65535)
    colours = values[..., :1].repeat(3, -1) if n < 3 else values[..., :3]
    return np.rint(np.concatenate([colours, alpha], -1))


def case(name, file, wanted=None, outcome="read", far=0.01, agree=1.0):
    """A file; if pixels are given and Pillow reads the file, Pillow must agree within this many levels."""
    (FOLDER / name).write_bytes(file)
    if not outcome.startswith("refused"):
        if agree is not None or wanted is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pillow = Image.open(io.BytesIO(file))
                if pillow.mode.startswith("I;16"):
                    pillow = rgba16(np.asarray(pillow), 65535)
                else:
                    pillow = rgba16(np.asarray(pillow.convert("RGBA")))
            if wanted is None:
                wanted = pillow
            else:
                visible = wanted[..., 3:] > 0
                apart = np.abs(np.where(visible, pillow - wanted, 0))
                assert apart.max() <= agree * 257, f"{name}: Pillow is {apart.max() / 257} away"
        height, width = wanted.shape[:2]
        data = struct.pack(">II", width, height) + wanted.astype(">u2").tobytes()
        (FOLDER / f"{name}.rgba").write_bytes(data)
    LINES.append(f"{name}\t{outcome}\t{far}\n")


def saved(values, kind, **options):
    out = io.BytesIO()
    (values if isinstance(values, Image.Image) else Image.fromarray(values)).save(out, kind, **options)
    return out.getvalue()


# PNG, by hand, because Pillow writes few of its kinds.

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def rows(values, depth):
    out = b""
    for row in values:
        flat = row.reshape(-1)
        if depth == 16:
            packed = flat.astype(">u2").tobytes()
        elif depth == 8:
            packed = flat.astype(np.uint8).tobytes()
        else:
            bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            packed = np.packbits(bits.reshape(-1)).tobytes()
        out += b"\0" + packed
    return out


def png(values, depth, kind, chunks=b"", interlaced=False):
    header = struct.pack(">IIBBBBB", W, H, depth, kind, 0, 0, interlaced)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    if interlaced:
        data = b"".join(rows(values[y::dy, x::dx], depth) for x, y, dx, dy in passes)
    else:
        data = rows(values, depth)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))


def pngs():
    for depth in (1, 2, 4, 8, 16):
        v = waves(1, 2**depth - 1)
        for interlaced in (False, True):
            name = f"grey{depth}{'-interlaced' if interlaced else ''}.png"
            case(name, png(v, depth, 0, interlaced=interlaced), rgba16(v, 2**depth - 1), agree=None if depth == 16 else 1)
        key = int(v[3, 5, 0])
        clear = np.concatenate([v, np.where(v == key, 0, 2**depth - 1)], -1)
        case(f"grey{depth}-key.png", png(v, depth, 0, chunk(b"tRNS", struct.pack(">H", key))),
             rgba16(clear, 2**depth - 1), agree=None)
    for depth in (1, 2, 4, 8):
        n = 2**depth
        map = waves(3, 255).reshape(-1, 3)[:n].astype(np.uint8)
        alpha = (np.arange(n) * 251 % 256).astype(np.uint8)
        v = waves(1, n - 1)
        plte, trns = chunk(b"PLTE", map.tobytes()), chunk(b"tRNS", alpha.tobytes())
        case(f"palette{depth}.png", png(v, depth, 3, plte), rgba16(map[v[..., 0]]))
        colours = np.concatenate([map, alpha[:, None]], -1)[v[..., 0]]
        case(f"palette{depth}-alpha-interlaced.png", png(v, depth, 3, plte + trns, True), rgba16(colours))
        short = chunk(b"tRNS", alpha[: n // 2].tobytes())
        alpha[n // 2 :] = 255
        colours = np.concatenate([map, alpha[:, None]], -1)[v[..., 0]]
        case(f"palette{depth}-short-alpha.png", png(v, depth, 3, plte + short), rgba16(colours))
    for depth in (8, 16):
        for channels, kind in ((2, 4), (3, 2), (4, 6)):
            v = waves(channels, 2**depth - 1)
            for interlaced in (False, True):
                name = f"{channels}x{depth}{'-interlaced' if interlaced else ''}.png"
                case(name, png(v, depth, kind, interlaced=interlaced), rgba16(v, 2**depth - 1))
        v = waves(3, 2**depth - 1)
        key = v[3, 5]
        clear = (v == key).all(-1, keepdims=True)
        case(f"rgb{depth}-key.png", png(v, depth, 2, chunk(b"tRNS", key.astype(">u2").tobytes())),
             rgba16(np.concatenate([v, np.where(clear, 0, 2**depth - 1)], -1), 2**depth - 1), agree=None)
    v = waves(1, 1)
    case("grey1-gamma.png", png(v, 1, 0, chunk(b"gAMA", struct.pack(">I", 100000))), rgba16(v, 1), "note gAMA")
    v = waves(3, 255)
    case("junk.png", png(v, 8, 2) + b"junk" * 50, rgba16(v))
    frames = [Image.fromarray(waves(3, top).astype(np.uint8)) for top in (255, 100)]
    case("animated.png", saved(frames[0], "PNG", save_all=True, append_images=frames[1:]), rgba16(v), "note animated")


# BMP, by hand as well.

def bmp(bits, data, packing=0, masks=b"", palette=b"", height=H, header=40, tail=b""):
    info = struct.pack("<IiiHHIIiiII", header, W, height, 1, bits, packing, len(data), 0, 0, len(palette) // 4, 0)
    info += masks if header == 40 else masks.ljust(header - 40, b"\0")
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data + tail


def lines(values, up=True):
    """Rows of bytes, padded to four, the last first."""
    out = [row.tobytes() for row in (values[::-1] if up else values)]
    return b"".join(row + b"\0" * (-len(row) % 4) for row in out)


def bmps():
    for bits in (1, 4, 8):
        n = 2**bits
        map = waves(3, 255).reshape(-1, 3)[:n].astype(np.uint8)
        palette = np.concatenate([map[:, ::-1], np.zeros((n, 1), np.uint8)], -1).tobytes()
        v = waves(1, n - 1)[..., 0]
        packed = (v[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(H, -1)
        case(f"palette{bits}.bmp", bmp(bits, lines(np.packbits(packed, axis=1)), palette=palette), rgba16(map[v]))
    # Runs and literal pieces, each of whole words.
    v = np.repeat(waves(1, 15)[:, ::4, 0], 4, axis=1)[:, :W]
    v[:, 20:31] = waves(1, 15)[:, 20:31, 0]
    map = waves(3, 255).reshape(-1, 3)[:16].astype(np.uint8)
    palette = np.concatenate([map[:, ::-1], np.zeros((16, 1), np.uint8)], -1).tobytes()
    for bits in (4, 8):
        data = b""
        for row in v[::-1]:
            for x in [*range(0, 20, 4), 20, *range(31, W, 1)]:
                if x == 20:
                    piece = row[20:31].astype(np.uint8)
                    if bits == 4:
                        piece = np.append(piece, 0).astype(np.uint8)
                        piece = piece[::2] << 4 | piece[1::2]
                    data += bytes([0, 11]) + piece.tobytes() + b"\0" * (len(piece) % 2)
                else:
                    n = 4 if x < 20 else 1
                    data += bytes([n, int(row[x]) * (17 if bits == 4 else 1)])
            data += b"\0\0"
        data += b"\0\1"
        case(f"runs{bits}.bmp", bmp(bits, data, 3 - bits // 4 if bits == 8 else 2, palette=palette), rgba16(map[v]))
    v = waves(3, 255)
    case("rgb24.bmp", bmp(24, lines(v[..., ::-1].astype(np.uint8))), rgba16(v))
    case("rgb24-from-top.bmp", bmp(24, lines(v[..., ::-1].astype(np.uint8), False), height=-H), rgba16(v))
    case("rgb24-junk.bmp", bmp(24, lines(v[..., ::-1].astype(np.uint8)), tail=b"junk" * 20), rgba16(v))
    core = struct.pack("<IHHHH", 12, W, H, 1, 24)
    data = lines(v[..., ::-1].astype(np.uint8))
    case("core.bmp", b"BM" + struct.pack("<IHHI", 26 + len(data), 0, 0, 26) + core + data, rgba16(v))
    filled = np.concatenate([v[..., ::-1], np.zeros((H, W, 1), int)], -1).astype(np.uint8)
    case("rgb32.bmp", bmp(32, lines(filled)), rgba16(v))
    v = waves(3, 31)
    word = (v[..., 0] << 10 | v[..., 1] << 5 | v[..., 2]).astype("<u2")
    case("rgb555.bmp", bmp(16, lines(word)), rgba16(v, 31), far=1.01)
    v[..., 1] = waves(1, 63)[..., 0]
    word = (v[..., 0] << 11 | v[..., 1] << 5 | v[..., 2]).astype("<u2")
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    case("rgb565.bmp", bmp(16, lines(word), 3, masks), rgba16(v / [31, 63, 31] * 255), far=1.01)
    v = waves(4, 255)
    word = (v[..., 0] << 16 | v[..., 1] << 8 | v[..., 2] | v[..., 3] << 24).astype("<u4")
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    for header in (108, 124):
        case(f"rgba32-{header}.bmp", bmp(32, lines(word), 3, masks, header=header), rgba16(v))
    word = (v[..., 0] << 24 | v[..., 1] << 16 | v[..., 2] << 8).astype("<u4")
    case("xbgr32.bmp", bmp(32, lines(word), 3, struct.pack("<III", 0xFF000000, 0xFF0000, 0xFF00)), rgba16(v[..., :3]))
    case("png-within.bmp", bmp(32, png(waves(3, 255), 8, 2), 5), outcome="refused PNG")


def gifs():
    v = waves(1, 255)[..., 0].astype(np.uint8)
    map = waves(3, 255).reshape(-1, 3)[:256].astype(np.uint8)
    still = Image.fromarray(v, "P")
    still.putpalette(map.tobytes())
    file = saved(still, "GIF", optimize=False, interlace=0)
    case("palette.gif", file, rgba16(map[v]))
    case("junk.gif", file + b"junk", rgba16(map[v]))
    case("interlaced.gif", saved(still, "GIF", interlace=1), rgba16(map[v]))
    clear = np.concatenate([map[v], np.where(v == 7, 0, 255)[..., None]], -1)
    case("clear.gif", saved(still, "GIF", transparency=7, optimize=False), rgba16(clear))
    other = Image.fromarray(255 - v, "P")
    other.putpalette(map.tobytes())
    file = saved(still, "GIF", save_all=True, append_images=[other], duration=50, optimize=False)
    case("animated.gif", file, rgba16(map[v]), "note animated")
    # One colour and its complement in a palette of two.
    two = Image.fromarray(waves(1, 1)[..., 0].astype(np.uint8), "P")
    two.putpalette([250, 3, 7, 4, 200, 90])
    case("two.gif", saved(two, "GIF"))
    # With a local palette, on a larger screen, away from the corner and surrounded by nothing.
    file = saved(still, "GIF", optimize=False, interlace=0)
    at = file.index(b",\0\0\0\0")
    frame = b"," + struct.pack("<HHHHB", 5, 3, W, H, 0x87) + file[13:13 + 768] + file[at + 10:]
    wanted = np.zeros((H + 9, W + 11, 4))
    wanted[3:3 + H, 5:5 + W] = rgba16(map[v])
    case("offset-local.gif", b"GIF89a" + struct.pack("<HHBBB", W + 11, H + 9, 0, 0, 0) + frame, wanted, agree=None)
    case("first-larger.gif", b"GIF89a" + struct.pack("<HHBBB", 20, 20, 0, 0, 0) + frame, outcome="refused larger")


def webps():
    v = waves(4, 255).astype(np.uint8)
    case("lossless.webp", saved(v, "WEBP", lossless=True, exact=True), rgba16(v))
    case("lossless-junk.webp", saved(v, "WEBP", lossless=True, exact=True) + b"junk" * 9, rgba16(v))
    smooth = np.stack([128 + 90 * np.sin(X / (6 + c) + Y / 9 + c) for c in range(3)], -1)
    edges = np.where((X // 6 + Y // 5)[..., None] % 2 > 0, smooth, 255 - smooth).astype(np.uint8)
    for quality in (20, 80, 100):
        case(f"lossy{quality}.webp", saved(edges, "WEBP", quality=quality), far=4)
        clear = np.dstack([edges, (X * 6).astype(np.uint8)])
        case(f"lossy{quality}-alpha.webp", saved(clear, "WEBP", quality=quality, exact=True), far=4)
    frames = [Image.fromarray(a) for a in (v, 255 - v)]
    case("animated.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True),
         outcome="note animated", far=1.1)


def tiff(values, **options):
    out = io.BytesIO()
    with tifffile.TiffWriter(out, bigtiff=options.pop("bigtiff", False), byteorder=options.pop("byteorder", "<")) as writer:
        writer.write(values, metadata=None, software="", **options)
    return out.getvalue()


def bits1(file):
    return rgba16(np.asarray(Image.open(io.BytesIO(file)).convert("L")))


def tiffs():
    for order in "<>":
        end = "big" if order == ">" else "little"
        for depth in (8, 16, 32):
            kind = np.dtype(f"{order}u{depth // 8}")
            top = 2**depth - 1
            for channels, photometric in ((1, "minisblack"), (1, "miniswhite"), (3, "rgb"), (4, "rgb")):
                v = waves(channels, 65535) * (top // 65535) if depth == 32 else waves(channels, top)
                wanted = rgba16(top - v if photometric == "miniswhite" else v, top)
                extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
                v = v.astype(kind).squeeze()
                name = f"{end}-{depth}-{photometric}{channels}"
                for how, more in (("raw", {}), ("big", {"bigtiff": True}), ("lzw", {"compression": "lzw"}),
                                  ("predictor", {"compression": "zlib", "predictor": 2}), ("tiles", {"tile": (16, 16)}),
                                  ("strips", {"rowsperstrip": 7, "compression": "packbits"})):
                    case(f"{name}-{how}.tif", tiff(v, byteorder=order, photometric=photometric, **extra, **more), wanted,
                         far=0.51 / 257 + 0.01, agree=None)
        v = waves(3, 255).astype(np.uint8)
        planes = tiff(v.transpose(2, 0, 1), byteorder=order, photometric="rgb", planarconfig="separate")
        case(f"{end}-planes.tif", planes, rgba16(v), agree=None)
        for kind, far in (("f2", 0.08), ("f4", 0.01), ("f8", 0.01)):
            v = (waves(3, 65535) / 65535).astype(order + kind)
            for how, more in (("raw", {}), ("predictor", {"compression": "zlib", "predictor": 3})):
                if how == "raw" or (order == "<" and kind == "f4"):
                    case(f"{end}-{kind}-{how}.tif", tiff(v, byteorder=order, photometric="rgb", **more), rgba16(v, 1),
                         far=far, agree=None)
    v = (waves(1, 65535)[..., 0] / 65535).astype("f4")
    case("float-grey.tif", tiff(v, photometric="minisblack"), rgba16(v, 1), agree=None)
    over = v.copy()
    over[0, :3] = [1.25, -0.5, 3]
    case("float-over.tif", tiff(over, photometric="minisblack"), rgba16(over.clip(0, 1), 1), "note clamped", agree=None)
    case("float-255.tif", tiff(v * 255, photometric="minisblack"), outcome="refused floating-point")
    over[4, 4] = np.nan
    case("float-nan.tif", tiff(over, photometric="minisblack"), outcome="refused finite")
    v = waves(1, 255)[..., 0]
    case("signed.tif", tiff((v - 128).astype(np.int8), photometric="minisblack"), outcome="refused signed")
    case("complex.tif", tiff(v.astype(np.complex64), photometric="minisblack"), outcome="refused complex")
    map = waves(3, 255).reshape(-1, 3)[:256].astype(np.uint8)
    still = Image.fromarray(v.astype(np.uint8), "P")
    still.putpalette(map.tobytes())
    for how in (None, "tiff_lzw", "tiff_adobe_deflate"):
        case(f"palette-{how}.tif", saved(still, "TIFF", compression=how), rgba16(map[v]))
    wide = (map.T.astype(int) * 257).astype(np.uint16)
    case("palette-tiles.tif", tiff(v.astype(np.uint8), photometric="palette", colormap=wide, tile=(16, 16)), rgba16(map[v]))
    two = Image.fromarray((waves(1, 1)[..., 0] * 255).astype(np.uint8)).convert("1")
    for how in (None, "tiff_lzw", "packbits", "group4"):
        for white in (False, True):
            file = saved(two, "TIFF", compression=how, **({"tiffinfo": {262: 0}} if white else {}))
            case(f"bits1-{how}-{'white' if white else 'black'}.tif", file, bits1(file))
    for how, word in (("group3", "fax"), ("tiff_ccitt", "run-length")):
        case(f"bits1-{how}.tif", saved(two, "TIFF", compression=how), outcome=f"refused {word}")
    for depth in (2, 4):
        v4 = waves(1, 2**depth - 1)
        packed = np.frombuffer(rows(v4, depth), np.uint8).reshape(H, -1)[:, 1:]
        entries = [(256, 3, 1, W), (257, 3, 1, H), (258, 3, 1, depth), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 200),
                   (277, 3, 1, 1), (278, 3, 1, H), (279, 4, 1, packed.size)]
        file = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
        file = (file + bytes(4)).ljust(200, b"\0") + packed.tobytes()
        case(f"bits{depth}.tif", file, rgba16(v4, 2**depth - 1))
        order = file.replace(struct.pack("<HHII", 278, 3, 1, H), struct.pack("<HHII", 266, 3, 1, 2))
        case(f"bits{depth}-reversed.tif", order, outcome="refused reverse")
    colours = waves(4, 255).astype(np.uint8)
    smooth = np.stack([128 + 90 * np.sin(X / (6 + c) + Y / 9 + c) for c in range(4)], -1).astype(np.uint8)
    inks = Image.fromarray(colours, "CMYK")
    case("cmyk.tif", saved(inks, "TIFF"), outcome="note CMYK", far=1.01)
    case("cmyk-lzw.tif", saved(inks, "TIFF", compression="tiff_lzw"), outcome="note CMYK", far=1.01)
    case("cmyk16.tif", tiff((colours.astype(np.uint16) * 257), photometric="separated"),
         rgba16(np.asarray(inks.convert("RGB"))), "note CMYK", far=1.01, agree=None)
    case("cmyk-jpeg.tif", saved(Image.fromarray(smooth, "CMYK"), "TIFF", compression="jpeg"), outcome="note CMYK", far=1.01)
    for name, v in (("rgb", smooth[..., :3]), ("grey", smooth[..., 0])):
        case(f"jpeg-{name}.tif", saved(v, "TIFF", compression="jpeg"), far=0)
        plain = "rgb" if name == "rgb" else "minisblack"
        for how, more in (("tiles", {"tile": (16, 32)}), ("strips", {"rowsperstrip": 16}), ("whole", {})):
            file = tiff(v, photometric=plain, compression="jpeg", **more)
            case(f"jpeg-{name}-{how}.tif", file, rgba16(tifffile.imread(io.BytesIO(file))), far=1.01, agree=None)
    for sampling in ((1, 1), (2, 1), (2, 2)):
        v = np.tile(smooth[..., :3], (3, 3, 1))[:64, :64]
        for how, more in (("tiles", {"tile": (32, 32)}), ("strips", {"rowsperstrip": 32})):
            case(f"jpeg-ycc-{sampling}-{how}.tif", tiff(v, photometric="ycbcr", compression="jpeg", subsampling=sampling, **more),
                 far=0)
    for how, word in (("zstd", "Zstandard"), ("lzma", "LZMA"), ("webp", "WebP"), ("jpeg2000", "JPEG 2000")):
        case(f"{how}.tif", tiff(colours[..., :3], photometric="rgb", compression=how), outcome=f"refused {word}")
    case("lab.tif", saved(Image.fromarray(colours[..., :3]).convert("LAB"), "TIFF"), outcome="refused L*a*b*")
    case("preview.tif", tiff(colours[..., :3], photometric="rgb", subfiletype=1), outcome="refused preview")
    nikon = tiff(colours[..., :3], photometric="rgb", subfiletype=1, extratags=[(271, 2, 18, "NIKON CORPORATION", True)])
    case("nikon.nef", nikon, outcome="refused NEF")
    dng = tiff(colours[..., :3], photometric="rgb", extratags=[(50706, 1, 4, b"\1\4\0\0", True)])
    case("adobe.dng", dng, outcome="refused DNG")
    case("mosaic.tif", tiff(colours[..., 0], photometric="cfa", extratags=[(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)]),
         outcome="refused raw file")
    several = io.BytesIO()
    Image.fromarray(colours).save(several, "TIFF", save_all=True, append_images=[Image.fromarray(255 - colours)])
    case("several.tif", several.getvalue(), rgba16(colours), "note several pictures")


def jpegs():
    smooth = np.stack([128 + 90 * np.sin(X / (6 + c) + Y / 9 + c) for c in range(3)], -1).astype(np.uint8)
    file = saved(smooth, "JPEG", quality=90)
    case("junk.jpg", file + b"junk" * 99, far=0)
    case("thumbnail.jpg", file[:2] + struct.pack(">BBH", 0xFF, 0xEF, len(file) + 2) + file + file[2:], far=0)
    case("arithmetic.jpg", file.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11"), outcome="refused arithmetic")
    case("lossless.jpg", file.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"), outcome="refused lossless")
    case("hierarchical.jpg", file.replace(b"\xff\xc0\0\x11", b"\xff\xc5\0\x11"), outcome="refused hierarchical")
    case("twelve.jpg", file.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), outcome="refused 12 bits")
    at = file.index(b"\xff\xc0")
    case("height-at-end.jpg", file[:at + 5] + b"\0\0" + file[at + 7:], outcome="refused DNL")
    wanted = rgba16(np.asarray(Image.open(io.BytesIO(file))))
    case("no-end.jpg", file[:-2], wanted, "note end mark", far=0, agree=None)


for make in (pngs, bmps, gifs, webps, tiffs, jpegs):
    make()
(FOLDER / "index.tsv").write_text("".join(LINES))
