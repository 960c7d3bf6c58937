/* Metrics of this backend on Triton's metrics port. */
#ifndef PYTRITON_TRITON_METRICS_H
#define PYTRITON_TRITON_METRICS_H

#include <stdint.h>

#include "triton_abi.h"

typedef struct {
  const char *name, *value;
} MetricLabel;

/* Why this server does not support metrics of the kind, or NULL. */
const char *metric_unsupported(int kind);

/* NULL, and a line in the log, when Triton refuses it. Triton never frees the name of a family. */
TritonMetricFamily *metric_family_new(int kind, const char *name, const char *help);
void metric_family_free(TritonMetricFamily *family);

/* Only a histogram has buckets. NULL, and a line in the log, when Triton refuses it. */
TritonMetric *metric_new(TritonMetricFamily *family, const MetricLabel *labels, uint32_t count, const double *buckets,
                         uint32_t bucket_count);
void metric_free(TritonMetric *metric);

/* Gauges of each loaded model and version. On a server without metrics of backends the functions below do nothing. */
typedef enum { GAUGE_QUEUED, GAUGE_LIVE_SEQUENCES, GAUGE_MAX_LIVE_SEQUENCES, GAUGE_COUNT } Gauge;

void gauges_open(void);
void gauges_close(void);

TritonMetric *gauge_new(Gauge gauge, const char *model, uint64_t version);
void gauge_set(TritonMetric *gauge, uint32_t value);
void gauge_free(TritonMetric *gauge);

#endif
