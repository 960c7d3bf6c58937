# suggest.py
import numpy as np
from pytriton_plugins import Context, Tensor, infer_func

WORDS = ["apple", "banana", "cherry", "grape"]


@infer_func(
    inputs=[Tensor("text", str, ())],
    outputs=[Tensor("word", str, ()), Tensor("scores", np.float32, (4,), labels=WORDS)],
    max_batch_size=32,
    calls=["embed", "rank"],
)
def suggest(text, ctx: Context):
    embed, rank = ctx.models["embed"], ctx.models["rank"]
    texts = np.array([*text, *WORDS], object).reshape(-1, 1)
    vectors = embed(text=texts)["vector"]
    query, words = vectors[: len(text)], vectors[len(text) :]
    choices = np.broadcast_to(words, (len(text), *words.shape))
    scores = rank(query=query, choices=choices)["scores"]
    return {"word": np.array(WORDS, object)[scores.argmax(axis=1)], "scores": scores}
