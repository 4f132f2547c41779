"""Writes seeds. Weight files hold only VGG's first convolution at full width, so that they are accepted as networks.

    python -m venv venv
    venv/bin/pip install numpy==2.4.6 h5py==3.16.0 scipy==1.17.1 pillow==13.0.0
    venv/bin/python make_seeds.py

Seeds found by the fuzzer are not regenerated. `tests/seeds.rs` also runs the fixtures of style-models.
"""
import gzip, io, json, os, struct, unittest.mock, zipfile, zlib
import h5py, numpy as np, scipy.io
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
W = ((np.arange(64 * 27) % 9 - 4) / 8).astype(np.float32).reshape(64, 3, 3, 3)
B = (np.arange(64) % 5).astype(np.float32)
HWIO = np.ascontiguousarray(W.transpose(2, 3, 1, 0))


def write(target, name, data):
    folder = os.path.join(HERE, "seeds", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def safetensors():
    def file(tensors, meta=None):
        header, data = ({"__metadata__": meta} if meta else {}), b""
        for name, (kind, shape, values) in tensors.items():
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
            data += values
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data

    half = file({"conv1_1.weight": ("F16", W.shape, W.astype("<f2").tobytes()), "conv1_1.bias": ("F32", B.shape, B.tobytes())},
                {"input_space": "bgr;255;103.939,116.779,123.68;1,1,1"})
    write("safetensors", "f16", half)
    brain = (W.view(np.uint32) >> 16).astype("<u2").tobytes()
    write("safetensors", "bf16", file({"features.0.weight": ("BF16", W.shape, brain), "features.0.bias": ("F64", B.shape, B.astype("<f8").tobytes())}))
    scaled = file({"conv1_1.weight": ("I8", W.shape, (W * 8).astype(np.int8).tobytes()), "conv1_1.weight_scale": ("F32", B.shape, (B + 1).tobytes()),
                   "conv1_1.bias": ("F32", B.shape, B.tobytes())}, {"input_space": "torchvision"})
    write("safetensors", "i8", scaled)
    write("safetensors", "gzip", gzip.compress(scaled, mtime=0))
    blocks = b""
    for part in [scaled[:1000], scaled[1000:], b""]:
        stream = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = stream.compress(part) + stream.flush()
        blocks += b"\x1f\x8b\x08\x04" + bytes(6) + b"\x06\0BC\x02\0" + struct.pack("<H", len(body) + 25) + body + struct.pack("<II", zlib.crc32(part), len(part))
    write("safetensors", "blocks", blocks)


def arrays(target, name, entries, how):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as z:
        for entry, data in entries.items():
            z.writestr(zipfile.ZipInfo(entry), data, how)
    write(target, name, out.getvalue())


def npy(values, fortran=False):
    out = io.BytesIO()
    np.save(out, np.asfortranarray(values) if fortran else values)
    return out.getvalue()


def npz():
    arrays("npz", "stored", {"conv1_1_W.npy": npy(HWIO.astype("<f2")), "conv1_1_b.npy": npy(B.astype("<f2"))}, zipfile.ZIP_STORED)
    arrays("npz", "deflated", {"features.0.weight.npy": npy(W.astype(">f8"), True), "features.0.bias.npy": npy(B), "steps.npy": npy(np.arange(3))},
           zipfile.ZIP_DEFLATED)


def pickles():
    text = lambda s: b"X" + struct.pack("<I", len(s)) + s.encode()
    number = lambda n: b"J" + struct.pack("<i", n)
    row = lambda v: b"(" + b"".join(map(number, v)) + b"t"

    def tensor(key, kind, values, part, parameter, strides=None):
        count = values.size
        reference = b"(" + text("storage") + b"ctorch\n" + kind + b"Storage\n" + text(key) + text("cpu") + number(count) + part + b"tQ"
        strides = strides or [s // values.itemsize for s in values.strides]
        made = b"ctorch._utils\n_rebuild_tensor_v2\n(" + reference + number(0) + row(values.shape) + row(strides) + b"\x89ccollections\nOrderedDict\n)RtR"
        return b"ctorch._utils\n_rebuild_parameter\n(" + made + b"\x88ccollections\nOrderedDict\n)RtR" if parameter else made

    half = W.astype("<f2")
    state = lambda part, strides=None: (b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(" + text("features.0.weight")
        + tensor("0", b"Half", half, part, False, strides) + text("features.0.bias") + tensor("1", b"Float", B, part, True) + b"u}"
        + text("_metadata") + b"}sb.")
    nested = lambda part: b"\x80\x04}(" + text("epoch") + b"K\x03" + text("state_dict") + state(part)[2:-1] + b"u."
    for name, pickle, how in (("plain", state(b""), zipfile.ZIP_STORED), ("nested", nested(b""), zipfile.ZIP_DEFLATED),
                              ("strides", state(b"", [9, 576, 3, 1]), zipfile.ZIP_STORED)):
        arrays("pth", name, {"a/data.pkl": pickle, "a/byteorder": b"little", "a/data/0": half.tobytes(), "a/data/1": B.tobytes(), "a/version": b"3\n"}, how)
    head = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}q\x01(" + text("little_endian") + b"\x88" + text("protocol_version") + b"M\xe9\x03u."
    tail = b"\x80\x02]q\x00(" + text("0") + text("1") + b"e." + struct.pack("<q", half.size) + half.tobytes() + struct.pack("<q", 64) + B.tobytes()
    for name, pickle in (("plain", state(b"N")), ("nested", nested(b"N")), ("parts", state(b"(" + text("view") + number(0) + number(64) + b"t"))):
        write("pth_legacy", name, head + pickle + tail)


def keras():
    def file(**options):
        out = io.BytesIO()
        f = h5py.File(out, "w", **options)
        return out, f

    for name, make in (
        ("plain", lambda g: (g.create_dataset("kernel:0", data=HWIO.astype("<f2")), g.create_dataset("bias:0", data=B.astype(">f8")))),
        ("chunks", lambda g: (g.create_dataset("kernel:0", data=HWIO, chunks=(3, 3, 3, 32), compression="gzip", shuffle=True, fletcher32=True),
                              g.create_dataset("bias:0", data=B, chunks=(64,), compression="lzf"))),
        ("fill", lambda g: (g.create_dataset("kernel:0", shape=HWIO.shape, dtype="<f4", fillvalue=0.5), g.create_dataset("bias:0", shape=B.shape, dtype="<f4", chunks=(16,)))),
    ):
        for latest in (False, True):
            out, f = file(libver="latest" if latest else "earliest")
            f.attrs["layer_names"] = [b"input_1", b"block1_conv1"]
            make(f.create_group("block1_conv1/block1_conv1"))
            f.close()
            write("h5", name + ("_latest" if latest else ""), out.getvalue())
    out, f = file()
    f["layers/conv2d/vars/0"], f["layers/conv2d/vars/1"] = HWIO.astype("<f2"), B
    f["again"] = h5py.SoftLink("/layers")
    f["loop"] = f["/"]
    f.close()
    write("h5", "links", out.getvalue())


def matlab():
    def cells(values):
        row = np.empty((1, len(values)), object)
        row[0, :] = values
        return row

    whole = (HWIO * 8).astype(np.float32)
    layer = {"name": "conv1_1", "type": "conv", "weights": cells([whole, B[None]])}
    image = np.full((2, 2, 3), 120, np.float32)
    for name, packed in (("plain", False), ("packed", True)):
        out = io.BytesIO()
        with unittest.mock.patch("time.asctime", lambda: "Thu Jan  1 00:00:00 1970"):
            scipy.io.savemat(out, {"layers": cells([layer, {"name": "relu1_1", "type": "relu"}]), "meta": {"normalization": {"averageImage": image}}},
                             do_compression=packed)
        data = out.getvalue()
        if not packed:
            # integers of one byte each, as MATLAB writes them
            old = struct.pack("<II", 7, 4 * whole.size) + whole.tobytes("F")
            assert data.count(old) == 1
            new = struct.pack("<II", 1, whole.size) + whole.astype(np.int8).tobytes("F")
            at = data.index(old)
            cut = len(old) - len(new)
            # all enclosing elements become shorter by this
            data = bytearray(data.replace(old, new))
            for place in range(128, at, 4):
                kind, size = struct.unpack_from("<II", data, place)
                if kind == 14 and place + 8 + size >= at + len(old):
                    struct.pack_into("<I", data, place + 4, size - cut)
        write("mat", name, bytes(data))


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def caffe():
    legacy = lambda v, shape: b"".join(varint(n << 3) + varint(d) for n, d in enumerate(shape, 1)) + field(5, v.astype("<f4").tobytes())
    shaped = lambda v, shape: field(7, field(1, b"".join(map(varint, shape)))) + field(5, v.astype("<f4").tobytes())
    single = lambda v, shape: field(7, b"".join(b"\x08" + varint(d) for d in shape)) + b"".join(b"\x2d" + struct.pack("<f", x) for x in v.ravel())
    for name, blob, layers, called, blobs, flat in (("v1", legacy, 2, 4, 6, (1, 1, 1, 64)), ("shapes", shaped, 100, 1, 7, (64,)), ("unpacked", single, 100, 1, 7, (64,))):
        layer = field(called, b"conv1_1") + field(blobs, blob(W, W.shape)) + field(blobs, blob(B, flat))
        write("caffemodel", name, field(1, b"VGG") + field(3, b"data") + b"\x20\x0a" + field(layers, layer) + field(layers, field(called, b"relu1_1")))


def onnx():
    text = lambda number, value: field(number, value.encode())
    whole = lambda number, value: varint(number << 3) + varint(value)
    ints = lambda name, *values: field(5, text(1, name) + b"".join(whole(8, v) for v in values) + whole(20, 7))
    packed = lambda name, *values: field(5, text(1, name) + field(8, bytes(values)) + whole(20, 7))
    info = lambda name: text(1, name) + field(2, field(1, whole(1, 1)))
    tensor = lambda name, kind, v, values: b"".join(whole(1, d) for d in v.shape) + whole(2, kind) + text(8, name) + values
    raw = lambda name, v, dtype="<f4", kind=1: tensor(name, kind, v, field(9, v.astype(dtype).tobytes()))

    def node(op, inputs, output, *attributes):
        ends = b"".join(text(1, i) for i in inputs) + text(2, output)
        return field(1, ends + text(3, "/features/features.0/" + op) + text(4, op) + b"".join(attributes))

    def model(name, producer, nodes, tensors, inputs=("x",)):
        graph = b"".join(nodes) + text(2, "g") + b"".join(field(5, t) for t in tensors) + b"".join(field(11, info(i)) for i in inputs) + field(12, info("z"))
        write("onnx", name, whole(1, 8) + text(2, producer) + field(7, graph) + field(8, text(1, "") + whole(2, 13)))

    pads, relu = packed("pads", 1, 1, 1, 1), node("Relu", ["y"], "z")
    conv = node("Conv", ["x", "w", "b"], "y", packed("dilations", 1, 1), field(5, text(1, "group") + whole(3, 1)), packed("kernel_shape", 3, 3), pads, packed("strides", 1, 1))
    model("plain", "pytorch", [conv, relu, node("MaxPool", ["z"], "p", packed("kernel_shape", 2, 2), packed("strides", 2, 2))], [raw("w", W), raw("b", B)])
    constant = lambda name, t: node("Constant", [], name, field(5, text(1, "value") + field(5, t) + whole(20, 4)))
    model("constants", "", [constant("w0", raw("", W, "<f2", 10)), node("Identity", ["w0"], "w"), constant("b", raw("", B, "<f8", 11)),
          node("Transpose", ["x"], "t", packed("perm", 0, 3, 1, 2)), node("Conv", ["t", "w", "b"], "y", ints("pads", 1, 1, 1, 1)), relu], [])
    floats = [tensor("w", 1, W, field(4, W.tobytes())), tensor("b", 1, B, b"".join(b"\x25" + struct.pack("<f", v) for v in B))]
    same = field(5, text(1, "auto_pad") + text(4, "SAME_UPPER") + whole(20, 3))
    model("floats", "tf2onnx", [node("Conv", ["x", "w", "b"], "y", same), relu, node("Dropout", ["z"], "d"), node("Shape", ["z"], "s")], floats, ("w", "b", "x"))
    external = tensor("w", 1, W, field(13, text(1, "location") + text(2, "weights.bin")) + whole(14, 1))
    model("external", "pytorch", [conv, relu], [external, raw("b", B)])


def pictures():
    with open(os.path.join(HERE, "../style-pictures/tests/golden/pictures.json")) as f:
        golden = json.load(f)
    for file in golden["files"]:
        write("tiff", file["name"].replace(" ", "_").replace(",", ""), bytes.fromhex(file["file"]))
    for file in golden["turned"]:
        if file["orientation"] == 6:
            write(file["kind"].lower(), "turned", bytes.fromhex(file["file"]))
    for profile in golden["profiles"]:
        png, name = bytes.fromhex(profile["png"]), profile["name"].replace(" ", "_")
        at = png.index(b"iCCP")
        size = struct.unpack_from(">I", png, at - 4)[0]
        icc = zlib.decompress(png[png.index(b"\0", at + 4) + 2 : at + 4 + size])
        write("icc", name, bytes([icc[16:20] == b"GRAY"]) + icc)
        if len(png) < 2000:
            write("png", name, png)
    y, x = np.mgrid[:17, :19]
    rgb = np.stack([x * 13, y * 15, (x * y) % 256], -1).astype(np.uint8)
    alpha = np.concatenate([rgb, (x * 9 + y * 5)[..., None].astype(np.uint8)], -1)

    def save(target, name, values, kind, mode=None, **options):
        image = values if isinstance(values, Image.Image) else Image.fromarray(values)
        out = io.BytesIO()
        (image.convert(mode) if mode else image).save(out, kind, **options)
        write(target, name, out.getvalue())

    for mode in ("1", "L", "LA", "P"):
        save("png", mode, rgb, "PNG", mode)
    save("png", "alpha", alpha, "PNG")
    save("png", "grey16", (x * 3001 + y * 7).astype(np.uint16), "PNG")
    save("png", "key", rgb, "PNG", transparency=(0, 0, 0))
    save("png", "frames", rgb, "PNG", save_all=True, append_images=[Image.fromarray(rgb[::-1].copy())])
    for name, mode, options in (("progressive", "RGB", {"progressive": True}), ("grey", "L", {}), ("cmyk", "CMYK", {}), ("full", "RGB", {"subsampling": 0}),
                                ("restarts", "RGB", {"restart_marker_rows": 1, "quality": 30}), ("narrow", "RGB", {"subsampling": 1, "optimize": True})):
        save("jpeg", name, rgb, "JPEG", mode, **options)
    for name, values, options in (("lossy", rgb, {}), ("alpha", alpha, {"quality": 40}), ("lossless", alpha, {"lossless": True, "exact": True}),
                                  ("frames", rgb, {"save_all": True, "append_images": [Image.fromarray(rgb[::-1].copy())]})):
        save("webp", name, values, "WEBP", **options)
    for name, options in (("plain", {}), ("straight", {"interlace": 0}), ("clear", {"transparency": 3}),
                          ("frames", {"save_all": True, "append_images": [Image.fromarray(rgb[::-1].copy()).convert("P")]})):
        save("gif", name, rgb, "GIF", "P", **options)
    for mode in ("1", "P", "RGB", "RGBA"):
        save("bmp", mode, alpha, "BMP", mode)
    for name in ("group4", "jpeg"):
        save("tiff", name, rgb, "TIFF", "1" if name == "group4" else None, compression=name)


if __name__ == "__main__":
    for make in (safetensors, npz, pickles, keras, matlab, caffe, onnx, pictures):
        make()
