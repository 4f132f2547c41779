"""Golden values of colour matching and luminance transfer, by numpy in float64.

    pip install numpy==2.4.6
    python make_colours.py

writes colours.json next to itself. Pictures are [H, W, 3] bytes, so they are integers here and in the test. The formulas
are those of arXiv 1606.05897, with the matrices of YIQ written out; additions (a minimum of one 8-bit step for the style
picture's deviations, the symmetric map, clamping) are documented in ../../src/colour.rs.
"""
import json, os

import numpy as np

YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def root(m, power=0.5):
    values, vectors = np.linalg.eigh(m)
    return vectors @ np.diag(np.maximum(values, 0) ** power) @ vectors.T


def statistics(p):
    x = p.reshape(-1, 3).astype(float)
    return x.mean(0), np.cov(x.T, bias=True)


def matched(style, photo, how):
    (mu_s, s), (mu_c, c) = statistics(style), statistics(photo)
    values, vectors = np.linalg.eigh(s)
    s = vectors @ np.diag(np.maximum(values, 1)) @ vectors.T
    if how == "cholesky":
        try:
            lower = np.linalg.cholesky(c)
        except np.linalg.LinAlgError:  # a grey photograph: the limit of vanishing colour
            lower = np.linalg.cholesky(c + 1e-12 * np.eye(3))
        a = lower @ np.linalg.inv(np.linalg.cholesky(s))
    elif how == "pca":
        a = root(c) @ root(s, -0.5)
    else:
        a = root(s, -0.5) @ root(root(s) @ c @ root(s)) @ root(s, -0.5)
    return np.clip((style - mu_s) @ a.T + mu_c, 0, 255)


def matched_luminance(style, photo):
    s, c = style @ YIQ[0], photo @ YIQ[0]
    return np.clip(c.std() / max(s.std(), 1) * (s - s.mean()) + c.mean(), 0, 255)


def kept(result, photo):
    yiq = photo @ YIQ.T
    yiq[..., 0] = (result @ YIQ.T)[..., 0]
    return np.clip(yiq @ np.linalg.inv(YIQ).T, 0, 255)


def picture(p):
    return {"width": p.shape[1], "height": p.shape[0], "bytes": p.astype(int).ravel().tolist()}


rng = np.random.default_rng(1606)
mix = np.array([[1.0, 0.6, 0.2], [0.1, 1.0, 0.5], [0.3, -0.4, 0.8]])
muted = np.clip(rng.normal(0, 12, (5, 6, 3)) @ mix + [120, 105, 90], 0, 255).round()
vivid = rng.integers(0, 256, (4, 7, 3)).astype(float)
dusk = np.clip(rng.normal(0, 45, (5, 6, 3)) @ mix.T + [60, 80, 140], 0, 255).round()
grey = np.repeat(rng.integers(0, 256, (5, 5, 1)), 3, 2).astype(float)
grain = np.clip(grey + (rng.random((5, 5, 3)) < 0.05), 0, 255)  # a grey picture with a few odd pixels
flat = np.full((3, 3, 3), 77.0)
pairs = [(vivid, muted), (vivid, dusk), (dusk, muted), (grey, muted), (grain, dusk), (flat, muted), (vivid, grey),
         (vivid, flat), (flat, flat)]

golden = {"pairs": [], "kept": [], "matrices": []}
for style, photo in pairs:
    golden["pairs"].append({
        "style": picture(style),
        "photograph": picture(photo),
        **{how: matched(style, photo, how).ravel().round(6).tolist() for how in ["cholesky", "pca", "symmetric"]},
        "luminance": matched_luminance(style, photo).ravel().round(6).tolist(),
    })
for result, photo in [(dusk, muted), (muted, dusk)]:
    golden["kept"].append({"result": picture(result), "photograph": picture(photo),
                           "kept": kept(result, photo).ravel().round(6).tolist()})
matrices = [statistics(p)[1] for p in [muted, vivid, dusk, grey, grain, flat]]
matrices += [np.diag([3.0, 1.0, 2.0]), np.array([[2.0, 1, 0], [1, 2, 0], [0, 0, 3]])]  # equal eigenvalues
for m in matrices:
    try:
        lower = np.linalg.cholesky(m).tolist() if np.linalg.cond(m) < 1e10 else None
    except np.linalg.LinAlgError:
        lower = None
    golden["matrices"].append({"matrix": m.tolist(), "eigenvalues": np.linalg.eigvalsh(m).tolist(),
                               "cholesky": lower, "root": root(m).tolist()})
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "colours.json"), "w") as file:
    json.dump(golden, file)
    file.write("\n")
