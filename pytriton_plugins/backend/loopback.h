/* Loopback models, for measurements: their outputs are their inputs, without a worker. */
#ifndef PYTRITON_LOOPBACK_H
#define PYTRITON_LOOPBACK_H

#include "instance.h"

/* Takes ownership of the requests and answers them. Each output is the input with the same index: the lower bound of
 * the latency that Triton itself causes. */
void loopback_execute(Instance *instance, TritonRequest **requests, uint32_t count);

#endif
