"""Writes JPEG files of every kind, and their pixels from Pillow (libjpeg). Requires numpy, Pillow and jpegtran.

Usage: jpeg.py FOLDER. For each file NAME.jpg there is a NAME.png, or none if libjpeg rejects the file.
"""

import io
import itertools
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ZIGZAG = sorted(((y, x) for y in range(8) for x in range(8)),
                key=lambda p: (p[0] + p[1], p[1] if (p[0] + p[1]) % 2 == 0 else p[0]))
COSINES = np.array([[(np.sqrt(1 / 8) if u == 0 else 0.5) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)]
                    for u in range(8)])
QUANTISERS = np.array([[16 + 3 * (u + v) for u in range(8)] for v in range(8)])
# Codes of 4 bits for sizes of DC, and of 8 and 9 bits for runs and sizes of AC; no code is all ones.
DC_COUNTS = [0, 0, 0, 12] + [0] * 12
DC_SYMBOLS = list(range(12))
AC_COUNTS = [0] * 7 + [160, 2] + [0] * 7
AC_SYMBOLS = [0x00, 0xF0] + [run << 4 | size for size in range(1, 11) for run in range(16)]


def codes(counts, symbols):
    code, found, rest = 0, {}, iter(symbols)
    for length, count in enumerate(counts, 1):
        for _ in range(count):
            found[next(rest)] = (code, length)
            code += 1
        code <<= 1
    return found


DC_CODES = codes(DC_COUNTS, DC_SYMBOLS)
AC_CODES = codes(AC_COUNTS, AC_SYMBOLS)


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


class Bits:
    def __init__(self):
        self.text = []

    def put(self, value, length):
        if length:
            self.text.append(format(value & ((1 << length) - 1), f"0{length}b"))

    def number(self, value, code_table, run=None):
        size = int(abs(value)).bit_length()
        self.put(*code_table[size if run is None else run << 4 | size])
        self.put(int(value) if value >= 0 else int(value) - 1, size)

    def bytes(self):
        text = "".join(self.text)
        text += "1" * (-len(text) % 8)
        return bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")


def blocks_of(plane, quantisers):
    """Quantised coefficients in zigzag order: rows of blocks, blocks, 64."""
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    blocks = plane.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3) - 128.0
    found = np.rint(COSINES @ blocks @ COSINES.T / quantisers).astype(int)
    return np.stack([found[:, :, y, x] for y, x in ZIGZAG], axis=-1)


def encode(planes, factors, quality, interleaved=True, restart=0, ids=None, adobe=None, jfif=False, end=True):
    """A baseline JPEG of planes of values, each of the full size."""
    height, width = planes[0].shape
    ids = ids or range(1, len(planes) + 1)
    most = [max(f[i] for f in factors) for i in (0, 1)]
    # MCUs across and down.
    across, down = -(-width // (8 * most[0])), -(-height // (8 * most[1]))
    quantisers = np.clip(np.rint(QUANTISERS * (100 - quality) / 100), 1, 255).astype(int)
    out = b"\xff\xd8"
    if jfif:
        out += segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if adobe is not None:
        out += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    out += segment(0xDB, b"\0" + bytes(int(quantisers[y, x]) for y, x in ZIGZAG))
    frame = b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(ids, factors))
    out += segment(0xC0, struct.pack(">BHHB", 8, height, width, len(planes)) + frame)
    out += segment(0xC4, b"\0" + bytes(DC_COUNTS) + bytes(DC_SYMBOLS))
    out += segment(0xC4, b"\x10" + bytes(AC_COUNTS) + bytes(AC_SYMBOLS))
    if restart:
        out += segment(0xDD, struct.pack(">H", restart))

    stored = []
    for plane, (h, v) in zip(planes, factors):
        full = np.pad(plane, ((0, down * most[1] * 8 - height), (0, across * most[0] * 8 - width)), "edge")
        # Sampled by the mean over a whole number of pixels, otherwise by the nearest pixel.
        rows = np.arange(down * v * 8) * most[1] // v
        columns = np.arange(across * h * 8) * most[0] // h
        if most[0] % h == 0 and most[1] % v == 0:
            small = full.reshape(down * v * 8, most[1] // v, across * h * 8, most[0] // h).mean(axis=(1, 3))
        else:
            small = full[rows][:, columns]
        stored.append(blocks_of(small, quantisers))

    for scan in [list(range(len(planes)))] if interleaved else [[c] for c in range(len(planes))]:
        names = b"".join(bytes([ids[c], 0]) for c in scan)
        out += segment(0xDA, bytes([len(scan)]) + names + b"\0\x3f\0")
        if len(scan) == 1:
            (c,) = scan
            h, v = factors[c]
            # Only blocks with pixels, without padding to whole MCUs.
            w, t = -(-(-(-width * h // most[0])) // 8), -(-(-(-height * v // most[1])) // 8)
            units = [[(c, y, x)] for y in range(t) for x in range(w)]
        else:
            units = [[(c, y * factors[c][1] + j, x * factors[c][0] + i) for c in scan
                      for j in range(factors[c][1]) for i in range(factors[c][0])]
                     for y in range(down) for x in range(across)]
        pieces = [units[i:i + restart] for i in range(0, len(units), restart)] if restart else [units]
        for n, piece in enumerate(pieces):
            if n:
                out += bytes([0xFF, 0xD0 + (n - 1) % 8])
            bits, before = Bits(), [0] * len(planes)
            for c, y, x in itertools.chain(*piece):
                block = stored[c][y, x]
                bits.number(block[0] - before[c], DC_CODES)
                before[c] = block[0]
                run = 0
                for i in np.flatnonzero(block[1:]):
                    skipped = i - run
                    while skipped > 15:
                        bits.put(*AC_CODES[0xF0])
                        skipped -= 16
                    bits.number(block[1 + i], AC_CODES, skipped)
                    run = i + 1
                if run < 63:
                    bits.put(*AC_CODES[0])
            out += bits.bytes()
    return out + (b"\xff\xd9" if end else b"")


def picture(width, height, channels, seed):
    """Waves, an edge of full contrast in each channel, and noise."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed)
    planes = []
    for c in range(channels):
        plane = 128 + 70 * np.sin(x / (5.0 + c) + y / 9.0 + c) + noise.normal(0, 12, (height, width))
        plane[(x + c * 3) // 7 % 5 == 0] += 60
        planes.append(np.clip(plane, 0, 255))
    return planes


def transformed(file, *options):
    return subprocess.run(["jpegtran", "-copy", "all", *options], input=file, capture_output=True, check=True).stdout


FACTORS = {
    "444": [(1, 1)] * 3, "422": [(2, 1), (1, 1), (1, 1)], "440": [(1, 2), (1, 1), (1, 1)],
    "420": [(2, 2), (1, 1), (1, 1)], "411": [(4, 1), (1, 1), (1, 1)], "1x4": [(1, 4), (1, 1), (1, 1)],
    "410": [(4, 2), (1, 1), (1, 1)], "2x4": [(2, 4), (1, 1), (1, 1)], "3x1": [(3, 1), (1, 1), (1, 1)],
    "1x3": [(1, 3), (1, 1), (1, 1)], "3x3": [(3, 3), (1, 1), (1, 1)],
    "all 2x1": [(2, 1)] * 3, "all 2x2": [(2, 2)] * 3, "all 1x2": [(1, 2)] * 3,
    "2x2 2x1 2x1": [(2, 2), (2, 1), (2, 1)], "2x2 1x2 1x2": [(2, 2), (1, 2), (1, 2)],
    "2x2 2x1 1x2": [(2, 2), (2, 1), (1, 2)], "2x1 2x1 1x1": [(2, 1), (2, 1), (1, 1)],
    "1x1 2x1 1x1": [(1, 1), (2, 1), (1, 1)], "1x1 2x2 2x2": [(1, 1), (2, 2), (2, 2)],
    "1x1 1x1 2x2": [(1, 1), (1, 1), (2, 2)], "2x1 1x2 1x1": [(2, 1), (1, 2), (1, 1)],
    "3x1 2x1 1x1": [(3, 1), (2, 1), (1, 1)], "4x1 2x1 1x1": [(4, 1), (2, 1), (1, 1)],
}
SIZES = [(64, 48), (61, 43), (33, 17), (19, 70), (16, 16)]


def kinds():
    """Names and files."""
    seed = 0
    for (name, factors), (w, h) in itertools.product(FACTORS.items(), SIZES):
        seed += 1
        quality = [30, 75, 95][seed % 3]
        planes = picture(w, h, 3, seed)
        # An MCU has at most ten blocks.
        ways = [True, False] if sum(h * v for h, v in factors) <= 10 else [False]
        for interleaved, restart in itertools.product(ways, [0, 1, 5]):
            file = encode(planes, factors, quality, interleaved, restart, jfif=True)
            how = f"{name}, {w}x{h}, {'one scan' if interleaved else 'a scan a component'}, restart {restart}"
            yield how, file
            if restart == 0 and interleaved:
                yield f"{name}, {w}x{h}, progressive", transformed(file, "-progressive")
                yield f"{name}, {w}x{h}, progressive, restart 2", transformed(file, "-progressive", "-restart", "2B")
                yield f"{name}, {w}x{h}, optimised", transformed(file, "-optimize")
    for factor, (w, h) in itertools.product([(1, 1), (2, 1), (1, 2), (2, 2), (4, 2), (3, 3)], SIZES):
        seed += 1
        file = encode(picture(w, h, 1, seed), [factor], 80, restart=seed % 3, jfif=seed % 2 == 0)
        yield f"grey {factor}, {w}x{h}", file
        yield f"grey {factor}, {w}x{h}, progressive", transformed(file, "-progressive")
    four = {"1x1": [(1, 1)] * 4, "2x2 K full": [(2, 2), (1, 1), (1, 1), (2, 2)], "2x1 K full": [(2, 1), (1, 1), (1, 1), (2, 1)],
            "2x2 K small": [(2, 2), (1, 1), (1, 1), (1, 1)], "1x2 K full": [(1, 2), (1, 1), (1, 1), (1, 2)]}
    for (name, factors), adobe, (w, h) in itertools.product(four.items(), [None, 0, 2], SIZES):
        seed += 1
        for interleaved in [True, False] if sum(h * v for h, v in factors) <= 10 else [False]:
            file = encode(picture(w, h, 4, seed), factors, 85, interleaved, seed % 4, adobe=adobe)
            kind = {None: "CMYK, no marker", 0: "CMYK", 2: "YCCK"}[adobe]
            how = f"{kind} {name}, {w}x{h}, {'one scan' if interleaved else 'a scan a component'}"
            yield how, file
            if interleaved:
                yield f"{how}, progressive", transformed(file, "-progressive")
    for ids, adobe, jfif in itertools.product([[1, 2, 3], [0, 1, 2], [82, 71, 66], [5, 6, 7], [1, 1, 1]], [None, 0, 1], [False, True]):
        for name in ["444", "420"]:
            seed += 1
            file = encode(picture(40, 31, 3, seed), FACTORS[name], 85, ids=ids, adobe=adobe, jfif=jfif)
            yield f"{name}, ids {ids}, Adobe {adobe}, JFIF {jfif}", file


def main(folder):
    for n, (name, file) in enumerate(kinds()):
        stem = f"{n:04} {name}"
        (folder / f"{stem}.jpg").write_bytes(file)
        try:
            read = Image.open(io.BytesIO(file))
            read.load()
        except OSError:
            continue
        read.convert("RGB").save(folder / f"{stem}.png")


main(Path(sys.argv[1]))
