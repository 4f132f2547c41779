"""Golden values of every loss, preset and back-propagation rule, from each author's formula, by PyTorch in f64.

    pip install torch==2.15.0 numpy safetensors
    python3 make_losses.py --embedded vgg16-q8.safetensors.gz    # of style-models/weights

writes losses.json next to itself. With the pictures of make_golden.py and the embedded weights, it holds for each case the
losses as the library reports them at the start picture, the total, and a summary of the gradient with respect to the
pixels (planar RGB, 8-bit units); the losses along a few steps of torch.optim's LBFGS and Adam; and the signals propagated
back from neurons by the three rules. A preset's total follows the peer's own formula; only its parts are in the library's
units.
"""
import argparse, json, math, os

import torch
import torch.nn.functional as F

from make_golden import MEAN, STYLE, network_of_embedded, picture, summary

CONTENT = "conv4_2"
POOLS = {"1": 0, "2": 1, "3": 2, "4": 3, "5": 4}  # before a block


def features(layers, pool, rgb, relu=F.relu, replicate=False):
    x, out = rgb.flip(1) - MEAN, {}
    for i, (name, weight, bias) in enumerate(layers):
        if i and name.endswith("_1"):
            x = pool(x, 2)
        if i == 0 and replicate:
            x = out[name] = relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias))
        else:
            x = out[name] = relu(F.conv2d(x, weight, bias, padding=1))
    return out


def flat(f):
    return f.flatten(2)[0]


def mse(a, b):
    return ((a - b) ** 2).mean()


# Statistics: values of features with weights over positions that sum to 1, and the loss on them.
def gram(f, t):
    return ((flat(f) * t) @ flat(f).t(),)


def covariance(f, t):
    centred = flat(f) - (flat(f) * t).sum(1, keepdim=True)
    return ((centred * t) @ centred.t(),)


def moments(f, t):
    mean = (flat(f) * t).sum(1)
    return mean, ((flat(f) - mean[:, None]) ** 2 * t).sum(1).sqrt()


# Losses with a distance of their own, of features f from a painting's a.
def newton_schulz(a, steps=12):
    """The root of crowsonkb/style-transfer-pytorch, and its inverse."""
    norm, eye = a.norm(), torch.eye(len(a), dtype=a.dtype)
    y, z = a / norm, eye
    for _ in range(steps):
        t = (3 * eye - z @ y) / 2
        y, z = y @ t, t @ z
    return y * norm.sqrt(), z / norm.sqrt()


class Covariances(torch.autograd.Function):
    """The trace of s + t - 2 root(root(t) s root(t)). The gradient is that of a root that has converged; the author's, by as
    many steps for a Lyapunov equation, is further from it where the root has not."""

    @staticmethod
    def forward(ctx, s, t):
        root, _ = newton_schulz(t)
        under, inverse = newton_schulz(root @ s @ root)
        ctx.save_for_backward(torch.eye(len(s), dtype=s.dtype) - root @ inverse @ root)
        return (s + t - 2 * under).trace()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None


def wasserstein(f, a):
    n = f.shape[1]
    (s,), (t,) = covariance(f, uniform(f)), covariance(a, uniform(a))
    m, k, eye = flat(f).mean(1), flat(a).mean(1), torch.eye(n, dtype=torch.float64)
    epsilon = 1e-4 * t.diagonal().mean()  # theirs: 1e-4, for variances near 1, and no allowance for rounding
    allowed = lambda mean: (epsilon + 5e-6 * (mean.detach() ** 2).sum()) * eye
    return ((m - k) ** 2).mean() + Covariances.apply(s + allowed(m), t + allowed(k)) / n


def quantiles(t, count):
    """The means of equal parts of sorted values."""
    edges = torch.arange(count + 1, dtype=torch.float64) * t.shape[1] / count
    whole = F.pad(t.cumsum(1), (1, 0))  # the integral at whole numbers
    at = edges.floor().long().clamp(max=t.shape[1] - 1)
    integral = whole[:, at] + (edges - at) * t[:, at]
    return integral.diff(dim=1) * count / t.shape[1]


def in_order(v, t):
    return ((v.sort(dim=1, stable=True).values - quantiles(t.sort(1).values, v.shape[1])) ** 2).mean()


def xoshiro(seed):
    """Numbers of 0 to 1, by xoshiro256++ seeded by SplitMix64."""
    mask = 2**64 - 1
    s, x = [], seed
    for _ in range(4):
        x = (x + 0x9E3779B97F4A7C15) & mask
        z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        s.append(z ^ (z >> 31))
    rotate = lambda v, k: ((v << k) | (v >> (64 - k))) & mask

    def unit():
        out = (rotate((s[0] + s[3]) & mask, 23) + s[0]) & mask
        t = (s[1] << 17) & mask
        s[2] ^= s[0]; s[3] ^= s[1]; s[1] ^= s[2]; s[0] ^= s[3]; s[2] ^= t
        s[3] = rotate(s[3], 45)
        return (out >> 11) / 2**53

    return unit


def directions(n):
    """n directions in n dimensions, as from the seed 0 of the library, by the Box-Muller transform."""
    unit = xoshiro(0)

    def normal():
        u = unit()
        return math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * unit())

    rows = torch.tensor([[normal() for _ in range(n)] for _ in range(n)], dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True)


def sliced(f, a):
    u = directions(f.shape[1])
    return in_order(u @ flat(f), u @ flat(a))


def histogram(f, a):
    return in_order(flat(f), flat(a))


def patches(f, a, side=3):
    p, q = (F.unfold(x, side)[0] for x in (f, a))
    nearest = (p.t() @ (q / q.norm(dim=0).clamp(min=1e-30))).argmax(1)
    return ((p - q[:, nearest]) ** 2).sum() / (side**2 * f.numel())


def paper(v, t, n):
    return ((v[0] - t[0]) ** 2).sum() / (4 * n**2)


def batch_norm(v, t, n):
    return (((v[0] - t[0]) ** 2).sum() + ((v[1] - t[1]) ** 2).sum()) / n


DISTANCES = {"wasserstein": wasserstein, "sliced wasserstein": sliced, "histogram": histogram, "patches": patches}


def uniform(f):
    return torch.full((f.shape[2] * f.shape[3],), 1.0 / (f.shape[2] * f.shape[3]), dtype=torch.float64)


def mask_picture(which, width, height):
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    p = (7 * x + 3 * y) % 32 if which == "soft" else 31 * ((x + y) % 5 < 3)  # 31 is white
    return p.double() / 31


def spread(mask, width, height):
    """Area average to another size."""

    def matrix(n, to):
        m = torch.zeros(to, n, dtype=torch.float64)
        for i in range(to):
            for j in range(n):
                m[i, j] = max(0.0, min((i + 1) * n / to, j + 1) - max(i * n / to, j)) * to / n
        return m

    return matrix(mask.shape[0], height) @ mask @ matrix(mask.shape[1], width).t()


def at_layer(mask, name, rgb):
    m = spread(mask, rgb.shape[3], rgb.shape[2])[None, None]
    for _ in range(POOLS[name[4]]):
        m = F.avg_pool2d(m, 2)
    return m.flatten()


def nine_point(x):
    """crowsonkb/style-transfer-pytorch's, in 8-bit units."""
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    straight = ((p[..., 1:-1, 2:] - x) ** 2).mean() + ((p[..., 2:, 1:-1] - x) ** 2).mean()
    diagonal = ((p[..., 1:, 1:] - p[..., :-1, :-1]) ** 2).mean() + ((p[..., 1:, :-1] - p[..., :-1, 1:]) ** 2).mean()
    return 2 * (straight / 3 + diagonal / 12)


def tvs(x):
    v, h = x.diff(dim=2), x.diff(dim=3)
    return {
        "squared": 0.5 * ((v**2).sum() + (h**2).sum()),
        "absolute": v.abs().sum() + h.abs().sum(),
        "means": (v**2).mean() + (h**2).mean(),
        "nine-point": nine_point(x),
        "power": ((v[..., :-1] ** 2 + h[:, :, :-1] ** 2) ** 1.25).sum(),  # Keras' example
    }


class Case:
    """One objective at the start picture."""

    def __init__(self, layers, pool, replicate=False):
        self.layers, self.pool, self.replicate = layers, pool, replicate
        self.content_rgb, self.style_rgb = picture("content", 53, 37), picture("style", 43, 50)
        with torch.no_grad():
            self.p, self.a = self.at(self.content_rgb), self.at(self.style_rgb)

    def at(self, x):
        return features(self.layers, self.pool, x, replicate=self.replicate)

    def half(self, f, layer=CONTENT):
        return 0.5 * ((f[layer] - self.p[layer]) ** 2).sum()


def preset(layers, name):
    """The peer's total by the peer's formula, and its parts in the library's units."""
    case = Case(layers, F.avg_pool2d if name in ("gatys", "stanford") else F.max_pool2d, replicate=name == "crowson")

    def total(x):
        f = case.at(x)
        grams = [(flat(f[n]) @ flat(f[n]).t(), flat(case.a[n]) @ flat(case.a[n]).t()) for n in STYLE]
        sizes = [(f[n].shape[1], f[n][0, 0].numel(), case.a[n][0, 0].numel()) for n in STYLE]
        e = [((g / m - a / ms) ** 2).sum() / (4 * n**2) for (g, a), (n, m, ms) in zip(grams, sizes)]
        per_element = [mse(g / (n * m), a / (n * ms)) for (g, a), (n, m, ms) in zip(grams, sizes)]
        content, tv = mse(f[CONTENT], case.p[CONTENT]), tvs(x)
        if name == "gatys":
            return case.half(f) + 1e3 * sum(e) / 5, sum(e) / 5, tv["squared"]
        if name == "stanford":
            w = [0.5, 1.0, 1.5, 3.0, 4.0]
            diff = ((f[CONTENT] - case.p[CONTENT]) ** 2).sum()
            style = sum(wl * el for wl, el in zip(w, e))
            return 0.01 * diff / (4 * f[CONTENT].numel()) + style, style, tv["squared"]
        if name == "johnson":
            style = sum(1e2 * p for p in per_element)
            return 5 * content + style + 1e-3 * tv["squared"], sum(per_element), tv["squared"]
        if name == "anishathalye":
            loss = lambda d: 2 * (0.5 * (d**2).sum()) / d.numel()
            style = sum(5e2 / 5 * loss(g / (n * m) - a / (n * ms)) for (g, a), (n, m, ms) in zip(grams, sizes))
            smooth = 1e2 * 2 * (0.5 * (x.diff(dim=2) ** 2).sum() / x.diff(dim=2).numel()
                                + 0.5 * (x.diff(dim=3) ** 2).sum() / x.diff(dim=3).numel())
            return 5 * loss(f[CONTENT] - case.p[CONTENT]) + style + smooth, sum(per_element) / 5, tv["means"]
        if name == "crowson":  # its total variation is of an image in 0..1, in its weights' units: see the library's preset
            weights = [w / 341 for w in (256, 64, 16, 4, 1)]
            style = sum(w * wasserstein(f[n], case.a[n]) for w, n in zip(weights, STYLE))
            return 0.015 * content + style + 0.1 * tv["nine-point"], style, tv["nine-point"]
        if name == "cnnmrf":  # the paper's equation 2, with weights that give the authors' gradients at 96 x 96
            sides = {"conv3_1": (256, 24), "conv4_1": (512, 12)}
            style = sum(1e-4 * n * side**2 / 2 * patches(f[l], case.a[l]) for l, (n, side) in sides.items())
            return 20 * mse(f["conv4_1"], case.p["conv4_1"]) + style + 1e-3 * tv["squared"], style, tv["squared"]
        if name == "gatys-pytorch":
            style = sum(1e3 / n**2 * mse(g / m, a / ms) for (g, a), (n, m, ms) in zip(grams, sizes))
            return content + style, sum(per_element), tv["squared"]
        style = 1e3 * sum(mse(g / m, a / ms) for (g, a), (n, m, ms) in zip(grams, sizes)) / 5  # pystiche
        return content + style, sum(e) / 5, tv["squared"]

    x = picture("start", 53, 37).requires_grad_()
    value, style, tv = total(x)
    return record(name, x, value, case.half(case.at(x), "conv4_1" if name == "cnnmrf" else CONTENT), style, tv)


def record(name, x, total, content, style, tv):
    total.backward()
    return {"name": name, "total": total.item(), "content": content.item(), "style": style.item(), "tv": tv.item(),
            "gradient": summary("image", x.grad)}


def variants(layers):
    """Statistics, total variations, several styles and masks, one at a time."""
    case = Case(layers, F.avg_pool2d)
    second = picture("content", 31, 29)
    with torch.no_grad():
        b = features(layers, F.avg_pool2d, second)

    def run(name, style_of=None, content_of=None, tv=None, layers=STYLE):
        x = picture("start", 53, 37).requires_grad_()
        f = case.at(x)
        content = (content_of or case.half)(f)
        style = sum((style_of or simple(gram))(f, n, f[n].shape[1]) for n in layers) / len(layers)
        v = tvs(x)[tv or "squared"]
        total = (content if content_of else 0.0) + (style if style_of else 0.0) + (v if tv else 0.0)
        return record(name, x, total, content, style, v)

    def simple(statistic, loss=paper):
        return lambda f, n, c: loss(statistic(f[n], uniform(f[n])), statistic(case.a[n], uniform(case.a[n])), c)

    def blend(f, n, c):
        target = 0.25 * gram(case.a[n], uniform(case.a[n]))[0] + 0.75 * gram(b[n], uniform(b[n]))[0]
        return paper(gram(f[n], uniform(f[n])), (target,), c)

    soft, hard, small = mask_picture("soft", 53, 37), mask_picture("hard", 43, 50), mask_picture("soft", 20, 90)
    x0 = picture("start", 53, 37)

    def masked(statistic, loss):
        def style(f, n, c):
            t = at_layer(soft, n, x0) ** 2
            u = at_layer(small, n, x0) ** 2
            r = at_layer(hard, n, case.style_rgb) ** 2
            first = loss(statistic(f[n], t / t.sum()), statistic(case.a[n], r / r.sum()), c)
            second = loss(statistic(f[n], u / u.sum()), statistic(b[n], uniform(b[n])), c)
            return t.mean() * first + 2.0 * u.mean() * second
        return style

    def content_masked(f):
        m = at_layer(soft, CONTENT, x0)
        return 0.5 * (m * (flat(f[CONTENT]) - flat(case.p[CONTENT])) ** 2).sum()

    return [
        run("covariance", simple(covariance)),
        run("moments", simple(moments, batch_norm)),
        run("tv absolute", tv="absolute"),
        run("tv means", tv="means"),
        run("tv power", tv="power"),
        run("tv nine-point", tv="nine-point"),
        run("two styles", blend),
        run("masks gram", masked(gram, paper)),
        run("masks covariance", masked(covariance, paper)),
        run("masks moments", masked(moments, batch_norm)),
        run("content mask", content_of=content_masked),
        *(run(name, lambda f, n, c: of(f[n], case.a[n]), layers=STYLE[:3]) for name, of in DISTANCES.items()),
    ]


def paddings(layers):
    """The paper's objective with a repeated border in the first convolution, as in crowsonkb/style-transfer-pytorch."""
    out = []
    for name, pool in (("average", F.avg_pool2d), ("max", F.max_pool2d)):
        case = Case(layers, pool, replicate=True)
        x = picture("start", 53, 37).requires_grad_()
        f = case.at(x)
        style = sum(paper(gram(f[n], uniform(f[n])), gram(case.a[n], uniform(case.a[n])), f[n].shape[1]) for n in STYLE) / 5
        out.append(record(name, x, case.half(f) + 1e3 * style, case.half(f), style, tvs(x)["squared"]))
    return out


def strengths(layers):
    """The library's default objective at a style strength of 2: each loss relative to its target, borders repeated."""
    weights = dict(zip(STYLE, (0.37, 0.37, 0.18, 0.07, 0.01)))
    case = Case(layers, F.avg_pool2d, replicate=True)
    x = picture("start", 53, 37).requires_grad_()
    f = case.at(x)
    content = ((f[CONTENT] - case.p[CONTENT]) ** 2).sum() / (case.p[CONTENT] ** 2).sum()
    style = 0.0
    for name, weight in weights.items():
        statistic = gram if name == "conv1_1" else covariance
        v, t = statistic(f[name], uniform(f[name]))[0], statistic(case.a[name], uniform(case.a[name]))[0]
        style = style + weight * ((v - t) ** 2).sum() / (t**2).sum()
    return [record("strength 2", x, 0.037 * content + 2.0 * style, content, style, tvs(x)["squared"])]


def grid_of(height, width, count):
    """Rows and columns of about as many cells, as square as can be."""
    nearest = lambda v: math.floor(v + 0.5)
    rows = max(1, nearest(math.sqrt(min(count, height * width) * height / width)))
    return rows, max(1, nearest(min(count, height * width) / rows))


def places(height, width, count):
    """A random place, as fractions of the height and the width, in each cell of a grid; as from the seed 0 of the library."""
    (rows, columns), unit = grid_of(height, width, count), xoshiro(0)
    return [((r + unit()) / rows, (c + unit()) / columns) for r in range(rows) for c in range(columns)]


def interpolated(f, at):
    """The features at places, [K, N]; beyond the last position, that position."""
    height, width = f.shape[2:]
    row, column = (torch.tensor([p[i] * size for p in at], dtype=torch.float64) for i, size in ((0, height), (1, width)))
    total = 0.0
    for r, of_row in ((row.floor(), 1 - row.frac()), (row.floor() + 1, row.frac())):
        for c, of_column in ((column.floor(), 1 - column.frac()), (column.floor() + 1, column.frac())):
            index = r.long().clamp(0, height - 1) * width + c.long().clamp(0, width - 1)
            total = total + flat(f)[:, index] * (of_row * of_column)
    return total


def cells(f, size):
    """The features on a grid of cells, coarser ones interpolated, finer ones averaged, each axis by itself."""
    for axis in (2, 3):
        to = [f.shape[2], f.shape[3]]
        finer = to[axis - 2] > size[axis - 2]
        to[axis - 2] = size[axis - 2]
        f = F.adaptive_avg_pool2d(f, to) if finer else F.interpolate(f, to, mode="bilinear", align_corners=True)
    return f


def pairs(x, y):
    """Cosine distances of the columns of two matrices; 1 from a column of zeros."""

    def unit(x):
        norm = x.norm(dim=0)
        return x / torch.where(norm > 0, norm, 1)

    return 1 - unit(x).t() @ unit(y)


NNST = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3"]
STROTSS = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_3", "conv5_1"]
YUV = torch.tensor([[0.577350, 0.577350, 0.577350], [-0.577350, 0.788675, -0.211325], [-0.577350, -0.211325, 0.788675]],
                   dtype=torch.float64)


def hypercolumns(layers):
    """nkolkin13/NeuralNeighborStyleTransfer's and nkolkin13/STROTSS's losses; the library's modules tell the departures."""
    case = Case(layers, F.avg_pool2d)

    def grid(f, rgb):
        size = rgb.shape[2] // 4, rgb.shape[3] // 4
        return torch.cat([flat(cells(f[n] / f[n].shape[1], size)) for n in NNST])

    def neighbours(turns):
        c = grid(case.p, case.content_rgb)
        s = torch.cat([grid(case.at(case.style_rgb.rot90(k, (2, 3))), case.style_rgb.rot90(k, (2, 3))) for k in range(turns)], 1)
        mean = grid(case.a, case.style_rgb).mean(1, keepdim=True)
        target = s[:, pairs(c - c.mean(1, keepdim=True), s - mean).argmin(1)]
        return lambda x, f: (1 - F.cosine_similarity(grid(f, x), target, dim=0)).mean()

    def columns(f, at):
        return torch.cat([interpolated(f[n], at) for n in STROTSS])

    here, there = places(37, 53, 1024), places(50, 43, 1024)

    def relaxed(distances):
        return torch.maximum(distances.min(1).values.mean(), distances.min(0).values.mean())

    def transport(x, f):
        u, v = columns(f, here), columns(case.a, there)
        mean, other = u.mean(1, keepdim=True), v.mean(1, keepdim=True)
        covariances = [(w - m) @ (w - m).t() / w.shape[1] for w, m in ((u, mean), (v, other))]
        relative = lambda a, b: (a - b).abs().sum() / b.abs().sum()
        return relaxed(pairs(u, v)) + relative(mean, other) + relative(*covariances)

    def similarity(x, f):
        size = grid_of(37, 53, 1024)
        columns = [torch.cat([flat(cells(g[n], size)) for n in STROTSS]) for g in (f, case.p)]
        d = [m / m.sum(0, keepdim=True) for m in (pairs(u, u) for u in columns)]
        return (d[0] - d[1]).abs().sum() / (size[0] * size[1])

    def palette(x, f):
        def colours(rgb, at):
            index = [math.floor(r * rgb.shape[2]) * rgb.shape[3] + math.floor(c * rgb.shape[3]) for r, c in at]
            return YUV @ flat(rgb / 255)[:, index]

        u, v = colours(x, here), colours(case.style_rgb, there)
        squares = (u**2).sum(0)[:, None] + (v**2).sum(0)[None] - 2 * u.t() @ v
        return relaxed(pairs(u, v) + (squares.clamp(1e-5, 1e5) / 3).sqrt())

    def run(name, of):
        x = picture("start", 53, 37).requires_grad_()
        value = of(x, case.at(x))
        value.backward()
        return {"name": name, "loss": value.item(), "gradient": summary("image", x.grad)}

    with torch.no_grad():
        matched = {"neighbours": neighbours(1), "neighbours turned": neighbours(4)}
    all = {**matched, "relaxed emd": transport, "self-similarity": similarity, "palette": palette}
    return [run(name, of) for name, of in all.items()]


def descents(layers):
    """Losses at each evaluation of torch.optim's optimisers on pystiche's loss, from the content picture."""
    case = Case(layers, F.max_pool2d)
    out = {}
    for name in ("lbfgs", "adam"):
        x = case.content_rgb.contiguous().clone().requires_grad_()
        if name == "lbfgs":
            optimizer = torch.optim.LBFGS([x], lr=1.0, max_iter=12, history_size=100, tolerance_grad=0, tolerance_change=0)
        else:
            optimizer = torch.optim.Adam([x], lr=2.0)
        losses = []

        def closure():
            optimizer.zero_grad()
            f = case.at(x)
            style = sum(mse(gram(f[n], uniform(f[n]))[0], gram(case.a[n], uniform(case.a[n]))[0]) for n in STYLE) / 5
            loss = mse(f[CONTENT], case.p[CONTENT]) + 1e3 * style
            loss.backward()
            losses.append(loss.item())
            return loss

        for _ in range(1 if name == "lbfgs" else 12):
            optimizer.step(closure)
        out[name] = losses
    return out


class Rule(torch.autograd.Function):
    """A ReLU with a custom backward pass."""

    which = "gradient"

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        if Rule.which == "gradient":
            return dy * (x > 0)
        return dy.clamp(min=0) if Rule.which == "deconvnet" else dy.clamp(min=0) * (x > 0)


def neurons(layers):
    out = []
    for pooling, pool in (("max", F.max_pool2d), ("average", F.avg_pool2d)):
        for layer, rank in (("conv2_2", 0), ("conv4_1", 3)):
            for rule in ("gradient", "deconvnet", "guided"):
                Rule.which = rule
                x = picture("content", 53, 37).requires_grad_()
                maps = features(layers, pool, x, Rule.apply)[layer][0]
                channel = maps.amax((1, 2)).argsort(descending=True)[rank].item()  # among the strongest
                f = maps[channel]
                at = f.flatten().argmax().item()
                f.flatten()[at].backward()
                out.append({"layer": layer, "pooling": pooling, "rule": rule, "channel": channel, "row": at // f.shape[1],
                            "column": at % f.shape[1], "activation": f.flatten()[at].item(),
                            "signal": summary("image", x.grad)})
    return out


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--embedded", required=True)
    layers = network_of_embedded(p.parse_args().embedded)
    names = ["gatys", "stanford", "johnson", "anishathalye", "gatys-pytorch", "pystiche", "crowson", "cnnmrf"]
    whole = {
        "made_by": f"make_losses.py, torch {torch.__version__.split('+')[0]}, float64",
        "presets": [preset(layers, n) for n in names],
        "variants": variants(layers),
        "paddings": paddings(layers),
        "strengths": strengths(layers),
        "hypercolumns": hypercolumns(layers),
        "descents": descents(layers),
        "neurons": neurons(layers),
    }
    for c in whole["presets"] + whole["variants"] + whole["paddings"] + whole["strengths"]:
        print(c["name"], *(f"{k} {c[k]:.6g}" for k in ("total", "content", "style", "tv")), f"|g| {c['gradient']['norm']:.4g}")
    for c in whole["hypercolumns"]:
        print(c["name"], f"{c['loss']:.6g}", f"|g| {c['gradient']['norm']:.4g}")
    print(whole["descents"])
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "losses.json")
    with open(out, "w") as f:
        json.dump(whole, f, indent=None, separators=(",", ":"))
        f.write("\n")
    print(os.path.getsize(out), "bytes")
