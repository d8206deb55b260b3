"""Pretrained features for losses and metrics: finding weights, the networks that use them, and an embedded one."""
