"""Sine rules for weights, inputs and targets. Values depend on shape and constants only (float64, then float32)."""

import numpy as np

X = {"ah": 0.05, "aw": 0.07, "ph": 0.0, "pw": 0.0, "bh": 0.9, "bw": 0.4}  # public input image constants
Y = {"ah": 0.04, "aw": 0.06, "ph": 0.3, "pw": 0.2, "bh": 0.7, "bw": 0.5}  # public target image constants


def fill(shape, scale=0.05, freq=0.37, mult=0.11, phase=0.0, chirp=0.0, add=0.0):
    """Parameter tensor: add + scale*sin(freq*i + mult*sum(shape) + phase + chirp*(i*i mod 9973)), i in C order.
    add = 1 for norm weights, 0 for everything else. Layouts: conv (out,in,kh,kw); transposed conv (in,out,kh,kw);
    linear (out,in). chirp = 0 is the plain rule; chirp > 0 gives weights of full rank."""
    shape = tuple(int(s) for s in shape)
    i = np.arange(int(np.prod(shape)), dtype=np.int64)
    arg = freq * i.astype(np.float64) + mult * sum(shape) + phase + chirp * ((i * i) % 9973).astype(np.float64)
    return (add + scale * np.sin(arg)).reshape(shape).astype(np.float32)


def image(shape, ah=0.05, aw=0.07, ph=0.0, pw=0.0, bh=0.9, bw=0.4):
    """(N,C,H,W): sin(ah*h*(c+1) + ph + bh*n) * cos(aw*w + pw + bw*n), all counted from 0."""
    n, c, h, w = np.meshgrid(*[np.arange(s, dtype=np.float64) for s in shape], indexing="ij")
    return (np.sin(ah * h * (c + 1) + ph + bh * n) * np.cos(aw * w + pw + bw * n)).astype(np.float32)


def vector(shape, freq=0.37, mult=0.11, scale=1.0):
    """Noise vector z: the plain weight rule with scale 1."""
    return fill(shape, scale, freq, mult)


def positions(n, k=12):
    """Flat C-order positions of the recorded sample values."""
    return [(j * (n // k) + 101 * j + 7) % n for j in range(k)]


def fill_module(module, **const):
    """Fill a torch module in place. A norm weight is a 1-D parameter called weight of a module that has eps."""
    import torch

    for m in module.modules():
        for name, p in m.named_parameters(recurse=False):
            norm_w = name == "weight" and p.dim() == 1 and hasattr(m, "eps")
            with torch.no_grad():
                p.copy_(torch.from_numpy(fill(p.shape, add=1.0 if norm_w else 0.0, **const)).to(p.dtype))
