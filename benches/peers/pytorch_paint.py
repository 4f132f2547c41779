"""A picture by the settings of a PyTorch peer, for `cargo xtask peers-paint`.

`neural-style`, jcjohnson/neural-style and its PyTorch port, at one size:

    5 mean (F - P)^2 at conv4_2  +  100 sum over conv1_1 ... conv5_1 of mean (G/(N M) - A/(N M))^2  +  TV

for features F of N channels at M positions, G their Gram matrix, P and A those of the pictures, and a total variation of 1e-3 by
1/2 sum d^2 with d the differences of neighbours. Noise of 0.001 at the start, L-BFGS without line search, 100 pairs, 1000
evaluations.

`style-transfer-pytorch`, crowsonkb's, at sizes from 128 pixels up, each with twice the area of the last:

    0.015 mean (F - P)^2 at conv4_2  +  sum of w_l W_l, w = (256, 64, 16, 4, 1)/341, at conv1_1 ... conv5_1  +  TV
    W = mean (m - m*)^2 + tr(S* + S - 2 (S*^1/2 S S*^1/2)^1/2) / N, for means m and covariances S, and TV over nine points

From the photograph, Adam with a learning rate of 0.02 of the range and betas 0.9 and 0.99, moments carried over, the image clamped
after each step, 1000 evaluations at the first size and 500 at each other, and the bias-corrected mean of the iterates with decay 0.99.
Its author's features are 1/58 of those of the weights here: epsilon and total variation are scaled to match. The root's trace is
from eigenvalues, where the author's program iterates.

Both: VGG with max pooling, the image BGR in 0..255 minus the mean colour. Weights are a safetensors file with `conv1_1.weight`,
`conv1_1.bias` and so on. Prints a line of JSON for each snapshot, the last of the finished picture: its file, evaluations, wall seconds
since the start of the process (without the time to save snapshots), CPU seconds.

    python pytorch_paint.py neural-style photo.png painting.png out --weights vgg.safetensors --size 256
"""

import argparse
import json
import pathlib
import time

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
STYLE_LAYERS = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
CONTENT_LAYER = "conv4_2"
LAST_LAYER = "conv5_1"
SCALE = 58.0  # of the features, relative to those that the author of style-transfer-pytorch chose its weights for


def age():
    """Seconds since the start of this process, imports included."""
    with open("/proc/self/stat") as f:
        begun = float(f.read().rsplit(")", 1)[1].split()[19]) / 100.0
    with open("/proc/uptime") as f:
        return float(f.read().split()[0]) - begun


def read_picture(path, long_side):
    picture = Image.open(path).convert("RGB")
    factor = long_side / max(picture.size)
    picture = picture.resize([max(1, round(side * factor)) for side in picture.size], Image.Resampling.LANCZOS)
    bgr = numpy.asarray(picture, dtype=numpy.float32)[:, :, ::-1].transpose(2, 0, 1)
    return torch.from_numpy(bgr.copy()).unsqueeze(0) - MEAN_BGR


def save_picture(image, path):
    bgr = (image.detach() + MEAN_BGR).clamp(0, 255).round().byte().squeeze(0)
    Image.fromarray(bgr.numpy()[::-1].transpose(1, 2, 0).copy()).save(path)


class Network:
    def __init__(self, path, padding):
        tensors = load_file(path)
        names = sorted(name.removesuffix(".weight") for name in tensors if name.endswith(".weight"))
        filters = lambda n: tensors[f"{n}.weight"].contiguous(memory_format=torch.channels_last)
        self.layers = [(n, filters(n), tensors[f"{n}.bias"]) for n in names if n <= LAST_LAYER]
        self.padding = padding

    def __call__(self, image):
        maps, taps = image.contiguous(memory_format=torch.channels_last), {}
        for name, filters, bias in self.layers:
            padding = 1
            if name == "conv1_1" and self.padding == "replicate":
                maps, padding = functional.pad(maps, (1, 1, 1, 1), mode="replicate"), 0
            elif name.endswith("_1") and name != "conv1_1":
                maps = functional.max_pool2d(maps, 2)
            maps = taps[name] = functional.relu(functional.conv2d(maps, filters, bias, padding=padding))
        return taps


class Snapshots:
    """Saves a picture every so many evaluations, and tells when it was there."""

    def __init__(self, folder, every):
        self.folder, self.every, self.evaluations, self.saving = pathlib.Path(folder), every, 0, [0.0, 0.0]

    def evaluated(self, picture, last=False):
        """`picture` is a function: it is called for snapshots only."""
        self.evaluations += not last
        if not last and self.evaluations % self.every:
            return
        wall, cpu = time.perf_counter(), time.process_time()
        result = {
            "file": str(self.folder / f"{'last' if last else self.evaluations}.png"),
            "evaluations": self.evaluations,
            "wall": age() - self.saving[0],
            "cpu": cpu - self.saving[1],
        }
        save_picture(picture(), result["file"])
        print(json.dumps(result), flush=True)
        self.saving[0] += time.perf_counter() - wall
        self.saving[1] += time.process_time() - cpu


def gram(maps):
    rows = maps.flatten(2).squeeze(0)
    return rows @ rows.T / rows.numel()


def neural_style(options, snapshots):
    network = Network(options.weights, "zeros")
    content, style = (read_picture(path, options.size) for path in (options.content, options.style))
    with torch.no_grad():
        wanted = network(content)[CONTENT_LAYER]
        seen = network(style)
        grams = {name: gram(seen[name]) for name in STYLE_LAYERS}
        del seen
    torch.manual_seed(0)
    image = torch.randn_like(content).mul(0.001).requires_grad_()
    evaluations = options.evaluations or 1000
    optimizer = torch.optim.LBFGS(
        [image], lr=1, max_iter=evaluations, max_eval=evaluations, history_size=100, tolerance_grad=0, tolerance_change=0
    )

    def evaluate():
        optimizer.zero_grad()
        taps = network(image)
        loss = 5 * functional.mse_loss(taps[CONTENT_LAYER], wanted)
        for name, target in grams.items():
            loss = loss + 100 * functional.mse_loss(gram(taps[name]), target)
        down, right = image[:, :, 1:] - image[:, :, :-1], image[:, :, :, 1:] - image[:, :, :, :-1]
        loss = loss + 1e-3 / 2 * (down.square().sum() + right.square().sum())
        loss.backward()
        snapshots.evaluated(lambda: image)
        return loss

    optimizer.step(evaluate)
    snapshots.evaluated(lambda: image, last=True)


def moments(maps):
    rows = maps.flatten(2).squeeze(0)
    mean = rows.mean(1)
    covariance = rows @ rows.T / rows.shape[1] - torch.outer(mean, mean)
    return mean, covariance + 1e-4 * SCALE**2 * torch.eye(len(mean))


def nine_points(image):
    x = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    straight = (x[:, :, 1:-1, 2:] - x[:, :, 1:-1, 1:-1]).square().mean() + (x[:, :, 2:, 1:-1] - x[:, :, 1:-1, 1:-1]).square().mean()
    oblique = (x[:, :, 1:, 1:] - x[:, :, :-1, :-1]).square().mean() + (x[:, :, 1:, :-1] - x[:, :, :-1, 1:]).square().mean()
    return 2 * (straight / 3 + oblique / 12)


def style_transfer_pytorch(options, snapshots):
    network = Network(options.weights, "replicate")
    sizes = [options.size / 2 ** (i / 2) for i in range(32)]
    sizes = [round(size) for size in reversed(sizes) if size >= 128 or size == options.size]
    weights = dict(zip(STYLE_LAYERS, [w / 341 for w in (256, 64, 16, 4, 1)]))
    image = read_picture(options.content, sizes[0])
    first = second = None
    low, high = -MEAN_BGR, 255 - MEAN_BGR
    steps = 0
    for size in sizes:
        content, style = (read_picture(path, size) for path in (options.content, options.style))
        enlarged = lambda x: functional.interpolate(x, content.shape[2:], mode="bicubic", align_corners=False)
        image = enlarged(image.detach()).clamp(low, high).requires_grad_()
        with torch.no_grad():
            wanted = network(content)[CONTENT_LAYER]
            seen, targets = network(style), {}
            for name in STYLE_LAYERS:
                mean, covariance = moments(seen[name])
                values, vectors = torch.linalg.eigh(covariance)
                root = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
                targets[name] = mean, covariance, root
            del seen
        optimizer = torch.optim.Adam([image], lr=0.02 * 255, betas=(0.9, 0.99))
        if first is not None:
            state = {"step": torch.tensor(float(steps)), "exp_avg": enlarged(first), "exp_avg_sq": enlarged(second).relu()}
            optimizer.state[image] = state
        mean_image, total = torch.zeros_like(content), 0.0
        for _ in range(options.evaluations or (1000 if size == sizes[0] else 500)):
            optimizer.zero_grad()
            taps = network(image)
            loss = 0.015 * functional.mse_loss(taps[CONTENT_LAYER], wanted)
            for name, (mean_there, there, root) in targets.items():
                mean, here = moments(taps[name])
                roots = torch.linalg.eigvalsh(root @ here @ root).clamp(min=1e-12).sqrt().sum()
                distance = (mean - mean_there).square().mean() + (there.trace() + here.trace() - 2 * roots) / len(mean)
                loss = loss + weights[name] * distance
            loss = loss + 2 * (SCALE / 255) ** 2 * nine_points(image)
            loss.backward()
            optimizer.step()
            steps += 1
            with torch.no_grad():
                image.clamp_(low, high)
                mean_image, total = 0.99 * mean_image + 0.01 * image, 0.99 * total + 0.01
            snapshots.evaluated(lambda: mean_image / total)
        state = optimizer.state[image]
        first, second, image = state["exp_avg"], state["exp_avg_sq"], mean_image / total
    snapshots.evaluated(lambda: image, last=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("peer", choices=["neural-style", "style-transfer-pytorch"])
    options.add_argument("content")
    options.add_argument("style")
    options.add_argument("folder")
    options.add_argument("--weights", required=True)
    options.add_argument("--size", type=int, default=256, help="long side of the result and of the painting")
    options.add_argument("--evaluations", type=int, help="at each size, in place of the peer's own number")
    options.add_argument("--every", type=int, default=50, help="evaluations from one snapshot to the next")
    options.add_argument("--threads", type=int, default=2)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    pathlib.Path(options.folder).mkdir(parents=True, exist_ok=True)
    snapshots = Snapshots(options.folder, options.every)
    paint = {"neural-style": neural_style, "style-transfer-pytorch": style_transfer_pytorch}[options.peer]
    paint(options, snapshots)


if __name__ == "__main__":
    main()
