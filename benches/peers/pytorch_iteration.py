"""Time and memory of a style transfer iteration in PyTorch, for `cargo xtask peers`.

An iteration is that of Gatys, Ecker and Bethge (2015): VGG-19 up to conv5_1 with average pooling,
Gram matrices at conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1, features at conv4_2, the loss, its gradient with
respect to the image, and the optimiser's step. Weights are random (He), because speed does not depend on their values.

Prints one line of JSON per configuration. Peak memory is that of the process, so measure one configuration per process.

    python pytorch_iteration.py --size 512 --threads 2 --variant channels_last --repeat 5

Variants: `channels_last` and `contiguous` are PyTorch's own convolution (oneDNN) in the two memory formats;
`nnpack` calls the Winograd convolutions of PyTorch's bundled NNPACK, in both directions. PyTorch does not choose them by
itself, but they are its fastest for large pictures. `bfloat16` is `channels_last` with autocast.
"""

import argparse
import json
import resource
import statistics
import time

import torch
from torch.nn import functional

# Channels of each block's convolutions; pools separate blocks.
BLOCKS = [[64, 64], [128, 128], [256] * 4, [512] * 4, [512]]
STYLE_LAYERS = {"conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"}
CONTENT_LAYER = "conv4_2"
VARIANTS = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
    "nnpack": torch.contiguous_format,
    "bfloat16": torch.channels_last,
}


class Winograd(torch.autograd.Function):
    """A 3x3 convolution by NNPACK; its gradient is a convolution with the filters rotated by 180 degrees."""

    @staticmethod
    def forward(context, features, filters, turned, bias):
        context.turned = turned
        return torch._nnpack_spatial_convolution(features, filters, bias, padding=1)

    @staticmethod
    def backward(context, gradient):
        return torch._nnpack_spatial_convolution(gradient.contiguous(), context.turned, None, padding=1), None, None, None


class Convolution:
    """3x3, padding 1, then ReLU; the filters are constants."""

    def __init__(self, inputs, outputs, variant, device):
        deviation = (2 / (9 * inputs)) ** 0.5
        filters = torch.randn(outputs, inputs, 3, 3) * deviation
        self.filters = filters.to(device).contiguous(memory_format=VARIANTS[variant])
        self.bias = torch.zeros(outputs, device=device)
        # NNPACK is not designed for three channels, so the first convolution uses oneDNN
        winograd = variant == "nnpack" and inputs > 3
        self.turned = self.filters.flip(2, 3).transpose(0, 1).contiguous() if winograd else None

    def __call__(self, features):
        if self.turned is None:
            features = functional.conv2d(features, self.filters, self.bias, padding=1)
        else:
            features = Winograd.apply(features, self.filters, self.turned, self.bias)
        return functional.relu_(features)


class Network:
    def __init__(self, variant, device):
        inputs, self.blocks = 3, []
        for block in BLOCKS:
            self.blocks.append([])
            for outputs in block:
                self.blocks[-1].append(Convolution(inputs, outputs, variant, device))
                inputs = outputs

    def __call__(self, image):
        """The features at the layers that the loss reads."""
        features, taps = image, {}
        for i, block in enumerate(self.blocks, start=1):
            if i > 1:
                features = functional.avg_pool2d(features, 2)
            for j, convolution in enumerate(block, start=1):
                features = convolution(features)
                if (name := f"conv{i}_{j}") in STYLE_LAYERS or name == CONTENT_LAYER:
                    taps[name] = features
        return taps


def gram(features):
    rows = features.flatten(2).squeeze(0)
    return rows @ rows.T / rows.shape[1]


class Job:
    def __init__(self, size, variant, optimizer, device):
        torch.manual_seed(0)
        self.format = VARIANTS[variant]
        self.autocast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=variant == "bfloat16")
        self.network = Network(variant, device)
        content, style, start = (torch.randn(1, 3, size, size).to(device) for _ in range(3))
        with torch.no_grad():
            self.content = self.features(content)[CONTENT_LAYER].clone()
            self.grams = {name: gram(tap) for name, tap in self.features(style).items() if name in STYLE_LAYERS}
        self.image = start.requires_grad_()
        if optimizer == "adam":
            self.optimizer = torch.optim.Adam([self.image], lr=0.02)
        else:  # like neural-style: no line search, one evaluation per step
            exact = dict(tolerance_grad=0, tolerance_change=0)
            self.optimizer = torch.optim.LBFGS([self.image], lr=1, max_iter=1, history_size=100, **exact)

    def features(self, image):
        with self.autocast:
            taps = self.network(image.contiguous(memory_format=self.format))
        return {name: features.float() for name, features in taps.items()}

    def evaluate(self):
        self.optimizer.zero_grad(set_to_none=True)
        taps = self.features(self.image)
        loss = functional.mse_loss(taps[CONTENT_LAYER], self.content)
        for name, target in self.grams.items():
            loss = loss + 1e3 * functional.mse_loss(gram(taps[name]), target)
        loss.backward()
        return loss

    def step(self):
        self.optimizer.step(self.evaluate)


def peak_memory():
    """The peak memory of this process in bytes.

    Linux also reports it through getrusage, but there a process inherits its parent's peak.
    """
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--size", type=int, default=512, help="side of the square picture")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--repeat", type=int, default=5, help="iterations measured, after one that is not")
    options.add_argument("--variant", choices=VARIANTS, default="channels_last")
    options.add_argument("--optimizer", choices=["adam", "lbfgs"], default="adam")
    options.add_argument("--device", default="cpu")
    options = options.parse_args()

    torch.set_num_threads(options.threads)
    # the query also initialises NNPACK
    if options.variant == "nnpack" and not torch.backends.nnpack.is_available():
        raise SystemExit("this PyTorch has no NNPACK")
    job = Job(options.size, options.variant, options.optimizer, options.device)
    wall, cpu = [], []
    for _ in range(options.repeat + 1):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        job.step()
        if options.device.startswith("cuda"):
            torch.cuda.synchronize()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    result = {
        "program": f"PyTorch {torch.__version__.split('+')[0]} {options.variant}",
        "size": options.size,
        "threads": options.threads,
        "optimizer": options.optimizer,
        "device": options.device,
        "wall_seconds": statistics.median(wall[1:]),
        "wall_seconds_min": min(wall[1:]),
        "cpu_seconds": statistics.median(cpu[1:]),
        "peak_bytes": peak_memory(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
