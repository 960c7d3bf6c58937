/* Metrics of our own on Triton's metrics port. */
#ifndef PYTRITON_TRITON_METRICS_H
#define PYTRITON_TRITON_METRICS_H

#include <stdint.h>

#include "triton_abi.h"

typedef struct {
  const char *name, *value;
} MetricLabel;

/* Why this server shows no metric of the kind, or NULL. */
const char *metric_unsupported(int kind);

/* NULL, and a line in the log, when Triton refuses it. The name of a family is never given back. */
TritonMetricFamily *metric_family_new(int kind, const char *name, const char *help);
void metric_family_free(TritonMetricFamily *family);

/* A histogram has buckets, the others none. NULL, and a line in the log, when Triton refuses it. */
TritonMetric *metric_new(TritonMetricFamily *family, const MetricLabel *labels, uint32_t count, const double *buckets,
                         uint32_t bucket_count);
void metric_free(TritonMetric *metric);

/* `pytriton_queued_requests` on the metrics port, one for each model and version that is loaded. Without metrics, or on
 * a server that has none of our own, everything here does nothing. */
void queue_gauges_open(void);
void queue_gauges_close(void);

TritonMetric *queue_gauge_new(const char *model, uint64_t version);
void queue_gauge_set(TritonMetric *gauge, uint32_t requests);
void queue_gauge_free(TritonMetric *gauge);

#endif
