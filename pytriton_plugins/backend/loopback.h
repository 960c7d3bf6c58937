/* Models whose outputs are their inputs, answered inside tritonserver. */
#ifndef PYTRITON_LOOPBACK_H
#define PYTRITON_LOOPBACK_H

#include "instance.h"

/* The same without a worker: each output is the input of the same position. The floor of what Triton can do. */
void loopback_execute(Instance *instance, TritonRequest **requests, uint32_t count);

#endif
