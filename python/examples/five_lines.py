"""Paints a photograph in the style of a painting: python five_lines.py photo.jpg painting.jpg painted.png"""

import sys

import style_transfer

photo, painting, out = sys.argv[1:]
painted = style_transfer.stylize(photo, painting, size=512)
style_transfer.save(out, painted)
