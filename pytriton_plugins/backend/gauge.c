/* Our gauges on Triton's metrics port. */
#include "gauge.h"

#include <pthread.h>
#include <stdio.h>

#include "failure.h"

/* Triton looks a metric of equal labels up before it counts it as used: none may be deleted in between. */
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static TritonMetricFamily *family; /* one for the process; the server deletes nothing that it was given */

void gauges_open(void) {
  TritonError *error =
      TRITONSERVER_MetricFamilyNew(&family, TRITON_METRIC_GAUGE, "pytriton_queued_requests",
                                   "Number of requests that Triton handed over and that wait for a worker, per-model");
  if (error == NULL) return;
  family = NULL;
  failure_log(error, "declaring the gauge of queued requests");
}

void gauges_close(void) {
  if (family != NULL) failure_log(TRITONSERVER_MetricFamilyDelete(family), "deleting the gauge of queued requests");
  family = NULL;
}

TritonMetric *gauge_new(const char *model, uint64_t version) {
  char number[24];
  TritonMetric *gauge = NULL;
  if (family == NULL) return NULL;
  snprintf(number, sizeof number, "%llu", (unsigned long long)version);
  TritonParameter *labels[] = {TRITONSERVER_ParameterNew("model", TRITON_PARAMETER_STRING, model),
                               TRITONSERVER_ParameterNew("version", TRITON_PARAMETER_STRING, number)};
  pthread_mutex_lock(&making);
  if (labels[0] != NULL && labels[1] != NULL)
    failure_log(TRITONSERVER_MetricNew(&gauge, family, (const TritonParameter **)labels, 2), "making the gauge of queued requests");
  pthread_mutex_unlock(&making);
  for (int i = 0; i < 2; i++)
    if (labels[i] != NULL) TRITONSERVER_ParameterDelete(labels[i]);
  return gauge;
}

void gauge_set(TritonMetric *gauge, uint32_t requests) {
  if (gauge != NULL) failure_log(TRITONSERVER_MetricSet(gauge, requests), "setting the gauge of queued requests");
}

void gauge_free(TritonMetric *gauge) {
  if (gauge == NULL) return;
  pthread_mutex_lock(&making);
  failure_log(TRITONSERVER_MetricDelete(gauge), "deleting a gauge of queued requests");
  pthread_mutex_unlock(&making);
}
