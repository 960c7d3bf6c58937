# embed.py
import numpy as np
from pytriton_plugins import Tensor, infer_func

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@infer_func(inputs=[Tensor("text", str, ())], outputs=[Tensor("vector", np.float32, (26,))])
def embed(text):
    counts = np.array([[item.lower().count(letter) for letter in LETTERS] for item in text], np.float32)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)
