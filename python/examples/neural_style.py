"""The command of anishathalye/neural-style, with its options and their defaults.

    python neural_style.py --content photo.jpg --styles painting.jpg --output painted.png

The losses, the start and the optimiser are those of that program. It paints with VGG-19: give its weights by --network (the
same imagenet-vgg-verydeep-19.mat, or another file). Without, this is the VGG-16 inside the package.
"""

import argparse

import style_transfer

parser = argparse.ArgumentParser()
parser.add_argument("--content", required=True)
parser.add_argument("--styles", required=True, nargs="+")
parser.add_argument("--output", required=True)
parser.add_argument("--network")
parser.add_argument("--iterations", type=int, default=1000)
parser.add_argument("--width", type=int)
parser.add_argument("--content-weight", type=float, default=5e0)
parser.add_argument("--style-weight", type=float, default=5e2)
parser.add_argument("--tv-weight", type=float, default=1e2)
parser.add_argument("--learning-rate", type=float, default=1e1)
parser.add_argument("--style-blend-weights", type=float, nargs="+")
options = parser.parse_args()

shares = options.style_blend_weights or [1] * len(options.styles)
session = style_transfer.Session(
    options.content,
    [style_transfer.Style(file, share=share) for file, share in zip(options.styles, shares)],
    preset="anishathalye",
    network=style_transfer.Network(options.network),
    size=options.width,
    iterations=options.iterations,
    content_mean_weight=options.content_weight,
    style_weight=options.style_weight,
    tv_weight=options.tv_weight,
    optimizer={"adam": {"learning_rate": options.learning_rate}},
)
try:
    for progress in session:
        print(f"iteration {progress.iteration} of {progress.iterations}: loss {progress.losses.total:.4g}")
except KeyboardInterrupt:
    pass  # Ctrl-C saves the picture so far
style_transfer.save(options.output, session.image())
