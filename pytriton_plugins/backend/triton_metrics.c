/* Creates and deletes metrics with Triton's calls, which older servers do not have. */
#include "triton_metrics.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "failure.h"

/* Triton looks for a metric with equal labels before it counts a new user of it. None may be deleted in between. */
static pthread_mutex_t creation_lock = PTHREAD_MUTEX_INITIALIZER;

const char *metric_unsupported(int kind) {
  if (TRITONSERVER_MetricFamilyNew == NULL || TRITONSERVER_MetricNew == NULL || TRITONSERVER_MetricIncrement == NULL)
    return "this tritonserver does not support metrics of backends";
  if (kind == TRITON_METRIC_HISTOGRAM && (TRITONSERVER_MetricNewWithArgs == NULL || TRITONSERVER_MetricObserve == NULL))
    return "this tritonserver does not support histograms of backends";
  return NULL;
}

/* Logs a failure. */
static bool succeeded(TritonError *error, const char *action) {
  bool good = error == NULL;
  failure_log(error, action);
  return good;
}

TritonMetricFamily *metric_family_new(int kind, const char *name, const char *help) {
  TritonMetricFamily *family = NULL;
  char action[256];
  if (metric_unsupported(kind) != NULL) return NULL;
  snprintf(action, sizeof action, "declaring the metric %s", name);
  return succeeded(TRITONSERVER_MetricFamilyNew(&family, kind, name, help), action) ? family : NULL;
}

void metric_family_free(TritonMetricFamily *family) {
  if (family != NULL) failure_log(TRITONSERVER_MetricFamilyDelete(family), "deleting a family of metrics");
}

static TritonMetric *new_metric(TritonMetricFamily *family, const TritonParameter **labels, uint32_t count) {
  TritonMetric *metric = NULL;
  return succeeded(TRITONSERVER_MetricNew(&metric, family, labels, count), "creating a metric") ? metric : NULL;
}

static TritonMetric *new_histogram(TritonMetricFamily *family, const TritonParameter **labels, uint32_t count, const double *buckets,
                                   uint32_t bucket_count) {
  TritonMetricArguments *arguments = NULL;
  TritonMetric *metric = NULL;
  if (!succeeded(TRITONSERVER_MetricArgsNew(&arguments), "describing a histogram")) return NULL;
  bool created = succeeded(TRITONSERVER_MetricArgsSetHistogram(arguments, buckets, bucket_count), "describing a histogram") &&
                 succeeded(TRITONSERVER_MetricNewWithArgs(&metric, family, labels, count, arguments), "creating a histogram");
  failure_log(TRITONSERVER_MetricArgsDelete(arguments), "describing a histogram");
  return created ? metric : NULL;
}

TritonMetric *metric_new(TritonMetricFamily *family, const MetricLabel *labels, uint32_t count, const double *buckets,
                         uint32_t bucket_count) {
  TritonParameter *parameters[WIRE_MAX_LABELS];
  const TritonParameter **labels_of_triton = (const TritonParameter **)parameters;
  TritonMetric *metric = NULL;
  uint32_t created = 0;
  if (family == NULL || count > WIRE_MAX_LABELS) return NULL;
  for (; created < count; created++) {
    parameters[created] = TRITONSERVER_ParameterNew(labels[created].name, TRITON_PARAMETER_STRING, labels[created].value);
    if (parameters[created] == NULL) break;
  }
  pthread_mutex_lock(&creation_lock);
  if (created == count)
    metric = bucket_count > 0 ? new_histogram(family, labels_of_triton, count, buckets, bucket_count)
                              : new_metric(family, labels_of_triton, count);
  pthread_mutex_unlock(&creation_lock);
  while (created > 0) TRITONSERVER_ParameterDelete(parameters[--created]);
  return metric;
}

void metric_free(TritonMetric *metric) {
  if (metric == NULL) return;
  pthread_mutex_lock(&creation_lock);
  failure_log(TRITONSERVER_MetricDelete(metric), "deleting a metric");
  pthread_mutex_unlock(&creation_lock);
}

static const struct {
  const char *name, *help;
} GAUGES[GAUGE_COUNT] = {
    [GAUGE_QUEUED] = {"pytriton_queued_requests", "Number of requests that Triton handed over and that wait for a worker, per-model"},
    [GAUGE_LIVE_SEQUENCES] = {"pytriton_live_sequences", "Number of sequences that have started and not ended, per-model"},
    [GAUGE_MAX_LIVE_SEQUENCES] = {"pytriton_max_live_sequences", "Number of sequences that may be live, per-model"},
};

static TritonMetricFamily *families[GAUGE_COUNT]; /* one for the process; the server does not delete it */

void gauges_open(void) {
  for (int i = 0; i < GAUGE_COUNT; i++) families[i] = metric_family_new(TRITON_METRIC_GAUGE, GAUGES[i].name, GAUGES[i].help);
}

void gauges_close(void) {
  for (int i = 0; i < GAUGE_COUNT; i++) {
    metric_family_free(families[i]);
    families[i] = NULL;
  }
}

TritonMetric *gauge_new(Gauge gauge, const char *model, uint64_t version) {
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)version);
  const MetricLabel labels[] = {{"model", model}, {"version", number}};
  return metric_new(families[gauge], labels, 2, NULL, 0);
}

void gauge_set(TritonMetric *gauge, uint32_t value) {
  if (gauge != NULL) failure_log(TRITONSERVER_MetricSet(gauge, value), "setting a gauge");
}

void gauge_free(TritonMetric *gauge) {
  metric_free(gauge);
}
