/* What Triton's own metrics cannot see: how many requests wait in our queue. */
#ifndef PYTRITON_GAUGE_H
#define PYTRITON_GAUGE_H

#include <stdint.h>

#include "triton_abi.h"

/* `pytriton_queued_requests` on the metrics port, one for each model and version that is loaded. Without metrics, or on
 * a server that has none of our own, everything here does nothing. */
void gauges_open(void);
void gauges_close(void);

TritonMetric *gauge_new(const char *model, uint64_t version);
void gauge_set(TritonMetric *gauge, uint32_t requests);
void gauge_free(TritonMetric *gauge);

#endif
