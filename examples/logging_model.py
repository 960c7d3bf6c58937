# logging_model.py
import logging

import numpy as np
from pytriton_plugins import Tensor, infer_func

LOG = logging.getLogger(__name__)


@infer_func(inputs=[Tensor("x", np.float32, (-1,))], outputs=[Tensor("y", np.float32, (-1,))])
def counted_rows(x):
    LOG.info("%d rows", len(x))
    return x / np.float32(2)
