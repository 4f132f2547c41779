"""Golden values of every loss, preset and back-propagation rule, from each author's formula, by PyTorch in f64.

    pip install torch==2.15.0 numpy safetensors
    python3 make_losses.py --embedded vgg16-q8.safetensors.gz    # of style-models/weights

writes losses.json next to itself. With the pictures of make_golden.py and the embedded weights, it holds for each case the
losses as the library reports them at the start picture, the total, and a summary of the gradient with respect to the
pixels (planar RGB, 8-bit units); the losses along a few steps of torch.optim's LBFGS and Adam; and the signals propagated
back from neurons by the three rules. A preset's total follows the peer's own formula; only its parts are in the library's
units.
"""
import argparse, json, os

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


def paper(v, t, n):
    return ((v[0] - t[0]) ** 2).sum() / (4 * n**2)


def batch_norm(v, t, n):
    return (((v[0] - t[0]) ** 2).sum() + ((v[1] - t[1]) ** 2).sum()) / n


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


def tvs(x):
    v, h = x.diff(dim=2), x.diff(dim=3)
    return {
        "squared": 0.5 * ((v**2).sum() + (h**2).sum()),
        "absolute": v.abs().sum() + h.abs().sum(),
        "means": (v**2).mean() + (h**2).mean(),
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

    def half(self, f):
        return 0.5 * ((f[CONTENT] - self.p[CONTENT]) ** 2).sum()


def preset(layers, name):
    """The peer's total by the peer's formula, and its parts in the library's units."""
    case = Case(layers, F.avg_pool2d if name in ("gatys", "stanford") else F.max_pool2d)

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
        if name == "gatys-pytorch":
            style = sum(1e3 / n**2 * mse(g / m, a / ms) for (g, a), (n, m, ms) in zip(grams, sizes))
            return content + style, sum(per_element), tv["squared"]
        style = 1e3 * sum(mse(g / m, a / ms) for (g, a), (n, m, ms) in zip(grams, sizes)) / 5  # pystiche
        return content + style, sum(e) / 5, tv["squared"]

    x = picture("start", 53, 37).requires_grad_()
    value, style, tv = total(x)
    return record(name, x, value, case.half(case.at(x)), style, tv)


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

    def run(name, style_of=None, content_of=None, tv=None):
        x = picture("start", 53, 37).requires_grad_()
        f = case.at(x)
        content = (content_of or case.half)(f)
        style = sum((style_of or simple(gram))(f, n, f[n].shape[1]) for n in STYLE) / 5
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
        run("two styles", blend),
        run("masks gram", masked(gram, paper)),
        run("masks covariance", masked(covariance, paper)),
        run("masks moments", masked(moments, batch_norm)),
        run("content mask", content_of=content_masked),
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
    names = ["gatys", "stanford", "johnson", "anishathalye", "gatys-pytorch", "pystiche"]
    whole = {
        "made_by": f"make_losses.py, torch {torch.__version__.split('+')[0]}, float64",
        "presets": [preset(layers, n) for n in names],
        "variants": variants(layers),
        "paddings": paddings(layers),
        "strengths": strengths(layers),
        "descents": descents(layers),
        "neurons": neurons(layers),
    }
    for c in whole["presets"] + whole["variants"] + whole["paddings"] + whole["strengths"]:
        print(c["name"], *(f"{k} {c[k]:.6g}" for k in ("total", "content", "style", "tv")), f"|g| {c['gradient']['norm']:.4g}")
    print(whole["descents"])
    out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "losses.json")
    with open(out, "w") as f:
        json.dump(whole, f, indent=None, separators=(",", ":"))
        f.write("\n")
    print(os.path.getsize(out), "bytes")
