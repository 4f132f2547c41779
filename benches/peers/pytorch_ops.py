"""Times 3x3 convolutions with padding 1 in PyTorch, forward and backward-data, for `cargo xtask peers-ops`. Prints one line
of JSON per shape and direction.

Forward is the convolution with its bias; backward-data is the gradient of the input alone. The variants are those of
pytorch_iteration.py: oneDNN's convolutions in both memory formats, with oneDNN's own backward-data; and NNPACK's, whose
backward-data is a convolution with the filters rotated by 180 degrees, which happens once, before the measurement.

    python pytorch_ops.py --threads 2 --repeat 5 --variant channels_last --shapes 64x64x512x512,128x128x256x256
    python pytorch_ops.py --check    # checks all variants against PyTorch's autograd in f64
"""

import argparse
import json
import statistics
import time

import torch
from torch.nn import functional

from pytorch_iteration import VARIANTS


class Convolution:
    """Random operands, and the op in both directions."""

    def __init__(self, shape, variant):
        inputs, outputs, height, width = shape
        self.variant = variant
        tensor = lambda *sides: torch.randn(*sides).contiguous(memory_format=VARIANTS[variant])
        self.x, self.gradient = tensor(1, inputs, height, width), tensor(1, outputs, height, width)
        self.filters, self.bias = tensor(outputs, inputs, 3, 3), torch.randn(outputs)
        self.turned = self.filters.flip(2, 3).transpose(0, 1).contiguous()

    def forward(self):
        if self.variant == "nnpack":
            return torch._nnpack_spatial_convolution(self.x, self.filters, self.bias, padding=1)
        return functional.conv2d(self.x, self.filters, self.bias, padding=1)

    def backward(self):
        if self.variant == "nnpack":
            return torch._nnpack_spatial_convolution(self.gradient, self.turned, None, padding=1)
        # bias, stride, padding, dilation, transposed, output padding, groups, which of the three gradients
        options = None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, False, False]
        return torch.ops.aten.convolution_backward(self.gradient, self.x, self.filters, *options)[0]

    def expected(self):
        x, filters, bias, gradient = (t.double() for t in (self.x, self.filters, self.bias, self.gradient))
        y = functional.conv2d(x.requires_grad_(), filters, bias, padding=1)
        return y.detach(), torch.autograd.grad(y, x, gradient)[0]


def measure(call, repeat):
    """Medians of wall and CPU seconds; the first call is not counted."""
    wall, cpu = [], []
    for _ in range(repeat + 1):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    return statistics.median(wall[1:]), statistics.median(cpu[1:])


def check():
    for variant in VARIANTS:
        convolution = Convolution([40, 72, 27, 37], variant)
        results = convolution.forward(), convolution.backward()
        for direction, expected, found in zip(["fwd", "bwd"], convolution.expected(), results):
            error = ((found - expected).norm() / expected.norm()).item()
            print(f"{variant} {direction}: relative error {error:.1e}")
            if not error < 1e-5:  # Winograd has larger errors than a direct sum
                raise SystemExit(f"{variant} {direction} computes another result")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--repeat", type=int, default=5, help="calls measured, after one that is not")
    options.add_argument("--variant", choices=VARIANTS, default="channels_last")
    options.add_argument("--shapes", default="64x64x512x512", help="INxOUTxHEIGHTxWIDTH, several with commas")
    options.add_argument("--check", action="store_true", help="only compares all variants with f64, on a small shape")
    options = options.parse_args()

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    # the query also initialises NNPACK
    if (options.check or options.variant == "nnpack") and not torch.backends.nnpack.is_available():
        raise SystemExit("this PyTorch has no NNPACK")
    if options.check:
        return check()
    for shape in options.shapes.split(","):
        convolution = Convolution([int(side) for side in shape.split("x")], options.variant)
        for direction, call in [("fwd", convolution.forward), ("bwd", convolution.backward)]:
            wall, cpu = measure(call, options.repeat)
            result = {
                "program": f"PyTorch {torch.__version__.split('+')[0]} {options.variant}",
                "op": "conv2d",
                "direction": direction,
                "shape": shape,
                "threads": options.threads,
                "wall_seconds": wall,
                "cpu_seconds": cpu,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
