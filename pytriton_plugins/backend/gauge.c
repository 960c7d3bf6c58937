/* Our gauges on Triton's metrics port. */
#include "gauge.h"

#include <stdio.h>

#include "failure.h"
#include "triton_metrics.h"

static TritonMetricFamily *family; /* one for the process; the server deletes nothing that it was given */

void gauges_open(void) {
  family = metric_family_new(TRITON_METRIC_GAUGE, "pytriton_queued_requests",
                             "Number of requests that Triton handed over and that wait for a worker, per-model");
}

void gauges_close(void) {
  metric_family_free(family);
  family = NULL;
}

TritonMetric *gauge_new(const char *model, uint64_t version) {
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)version);
  const MetricLabel labels[] = {{"model", model}, {"version", number}};
  return metric_new(family, labels, 2, NULL, 0);
}

void gauge_set(TritonMetric *gauge, uint32_t requests) {
  if (gauge != NULL) failure_log(TRITONSERVER_MetricSet(gauge, requests), "setting the gauge of queued requests");
}

void gauge_free(TritonMetric *gauge) {
  metric_free(gauge);
}
