"""The progress of PyTorch's L-BFGS by evaluation, for `cargo xtask peers-lbfgs`.

The job: VGG to conv5_1 with average pooling, from the content picture, and the loss

    1/2 mean (F - P)^2 at conv4_2  +  1/5 sum over conv1_1 ... conv5_1 of 1/(4 N^2) sum (G/M - A/M)^2

for features F of N channels at M positions, G their Gram matrix, P and A those of the pictures; the image is BGR in 0..255
minus the mean colour. Weights are a safetensors file with `conv1_1.weight`, `conv1_1.bias` and so on; pictures are
not resized. Prints one line of JSON with the loss at every evaluation.

    python pytorch_lbfgs.py content.png style.png --weights vgg.safetensors --evaluations 400 --line-search strong_wolfe
"""

import argparse
import json
import time

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

MEAN_BGR = (103.939, 116.779, 123.68)
STYLE_LAYERS = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
CONTENT_LAYER = "conv4_2"
LAST_LAYER = "conv5_1"


def read_picture(path):
    rgb = numpy.asarray(Image.open(path).convert("RGB"), dtype=numpy.float32)
    bgr = rgb[:, :, ::-1] - numpy.float32(MEAN_BGR)
    return torch.from_numpy(bgr.transpose(2, 0, 1).copy()).unsqueeze(0)


def read_network(path):
    """Names, filters and biases, input first."""
    tensors = load_file(path)
    names = sorted(name.removesuffix(".weight") for name in tensors if name.endswith(".weight"))
    names = [name for name in names if name <= LAST_LAYER]
    last_format = torch.channels_last
    return [(n, tensors[f"{n}.weight"].contiguous(memory_format=last_format), tensors[f"{n}.bias"]) for n in names]


def features(network, image):
    maps, taps = image.contiguous(memory_format=torch.channels_last), {}
    for name, filters, bias in network:
        if name.endswith("_1") and name != "conv1_1":
            maps = functional.avg_pool2d(maps, 2)
        maps = taps[name] = functional.relu(functional.conv2d(maps, filters, bias, padding=1))
    return taps


def gram(maps):
    rows = maps.flatten(2).squeeze(0)
    return rows @ rows.T / rows.shape[1]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("content")
    options.add_argument("style")
    options.add_argument("--weights", required=True)
    options.add_argument("--evaluations", type=int, default=400)
    options.add_argument("--history", type=int, default=50)
    options.add_argument("--line-search", choices=["none", "strong_wolfe"], default="none")
    options.add_argument("--threads", type=int, default=2)
    options = options.parse_args()

    torch.set_num_threads(options.threads)
    network = read_network(options.weights)
    content, style = read_picture(options.content), read_picture(options.style)
    with torch.no_grad():
        wanted = features(network, content)[CONTENT_LAYER]
        seen = features(network, style)
        grams = {name: gram(seen[name]) for name in STYLE_LAYERS}
        del seen

    image = content.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image],
        lr=1,
        max_iter=options.evaluations,
        max_eval=options.evaluations,
        history_size=options.history,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn=None if options.line_search == "none" else options.line_search,
    )
    losses = []

    def evaluate():
        optimizer.zero_grad()
        taps = features(network, image)
        loss = (taps[CONTENT_LAYER] - wanted).square().mean() / 2
        for name, target in grams.items():
            loss = loss + (gram(taps[name]) - target).square().sum() / (4 * len(target) ** 2 * len(grams))
        loss.backward()
        losses.append(loss.item())
        return loss

    start, cpu_start = time.perf_counter(), time.process_time()
    optimizer.step(evaluate)
    result = {
        "program": f"PyTorch {torch.__version__.split('+')[0]} {options.line_search}",
        "history": options.history,
        "wall_seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu_start,
        "losses": losses,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
