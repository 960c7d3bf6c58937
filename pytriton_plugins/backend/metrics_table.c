/* Applies METRIC messages to metrics: one family for each name, in it one series for each set of labels. */
#include "metrics_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "metrics_message.h"

enum { HASH_SLOTS = 1024 };
static const uint64_t FNV_OFFSET = 14695981039346656037u, FNV_PRIME = 1099511628211u;

typedef struct Family {
  struct Family *next;
  char *name;
  int kind;
  TritonMetricFamily *triton;
} Family;

/* A series that Triton refused keeps a NULL metric: it is not created again, and not logged again. */
typedef struct Series {
  struct Series *next;
  TritonMetric *triton;
  uint8_t kind;
  uint16_t name_length;
  size_t key_length;
  uint8_t key[]; /* name and labels, as in the message */
} Series;

struct MetricsTable {
  Family *families;
  Series *slots[HASH_SLOTS];
  bool warned[METRIC_HISTOGRAM + 1]; /* whether the log says that this kind is not supported */
};

MetricsTable *metrics_table_new(void) {
  return calloc(1, sizeof(MetricsTable));
}

void metrics_table_free(MetricsTable *table) {
  for (size_t i = 0; i < HASH_SLOTS; i++) {
    while (table->slots[i] != NULL) {
      Series *series = table->slots[i];
      table->slots[i] = series->next;
      metric_free(series->triton);
      free(series);
    }
  }
  while (table->families != NULL) {
    Family *family = table->families;
    table->families = family->next;
    metric_family_free(family->triton);
    free(family->name);
    free(family);
  }
  free(table);
}

static char *copy_text(const uint8_t *text, size_t length) {
  char *copy = malloc(length + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

static Family *new_family(MetricsTable *table, const MetricEntry *entry, char *name) {
  static const int KINDS[] = {
      [METRIC_COUNTER] = TRITON_METRIC_COUNTER, [METRIC_GAUGE] = TRITON_METRIC_GAUGE, [METRIC_HISTOGRAM] = TRITON_METRIC_HISTOGRAM};
  int kind = entry->head.kind;
  const char *unsupported = metric_unsupported(KINDS[kind]);
  if (unsupported != NULL && !table->warned[kind]) log_line(TRITON_LOG_WARN, "%s: %s and others are left out", unsupported, name);
  table->warned[kind] = unsupported != NULL;
  Family *family = calloc(1, sizeof *family);
  char *help = copy_text(entry->help, entry->head.help_length);
  if (family != NULL && help != NULL) {
    *family = (Family){.next = table->families, .name = name, .kind = kind, .triton = metric_family_new(KINDS[kind], name, help)};
    table->families = family;
    free(help);
    return family;
  }
  free(family);
  free(help);
  free(name);
  return NULL;
}

static Family *find_family(MetricsTable *table, const MetricEntry *entry) {
  char *name = copy_text(entry->key, entry->head.name_length);
  Family *family = table->families;
  if (name == NULL) return NULL;
  while (family != NULL && strcmp(family->name, name) != 0) family = family->next;
  if (family == NULL) return new_family(table, entry, name);
  if (family->kind != entry->head.kind) log_line(TRITON_LOG_WARN, "metric %s: declared elsewhere with another kind", name);
  free(name);
  return family;
}

static TritonMetric *create_metric(MetricsTable *table, const MetricEntry *entry) {
  MetricLabel labels[WIRE_MAX_LABELS];
  double buckets[WIRE_MAX_BUCKETS];
  TritonMetric *metric = NULL;
  Family *family = find_family(table, entry);
  char *buffer = calloc(1, entry->key_length);
  if (family != NULL && family->kind == entry->head.kind && buffer != NULL) {
    metric_entry_labels(entry, labels, buffer);
    memcpy(buckets, entry->buckets, entry->head.buckets * sizeof(double));
    metric = metric_new(family->triton, labels, entry->head.labels, buckets, entry->head.buckets);
  }
  free(buffer);
  return metric;
}

static Series **find_slot(MetricsTable *table, const MetricEntry *entry) {
  uint64_t hash = FNV_OFFSET; /* FNV-1a */
  for (size_t i = 0; i < entry->key_length; i++) hash = (hash ^ entry->key[i]) * FNV_PRIME;
  return &table->slots[hash % HASH_SLOTS];
}

static bool matches(const Series *series, const MetricEntry *entry) {
  return series->kind == entry->head.kind && series->name_length == entry->head.name_length && series->key_length == entry->key_length &&
         memcmp(series->key, entry->key, entry->key_length) == 0;
}

static Series *find_or_create(MetricsTable *table, const MetricEntry *entry) {
  Series **slot = find_slot(table, entry);
  for (Series *series = *slot; series != NULL; series = series->next)
    if (matches(series, entry)) return series;
  Series *series = malloc(sizeof *series + entry->key_length);
  if (series == NULL) return NULL;
  *series = (Series){.next = *slot, .kind = entry->head.kind, .name_length = entry->head.name_length, .key_length = entry->key_length};
  memcpy(series->key, entry->key, entry->key_length);
  series->triton = create_metric(table, entry);
  *slot = series;
  return series;
}

static TritonError *apply_change(TritonMetric *metric, int kind, double value) {
  if (kind == METRIC_COUNTER) return TRITONSERVER_MetricIncrement(metric, value);
  if (kind == METRIC_GAUGE) return TRITONSERVER_MetricSet(metric, value);
  return TRITONSERVER_MetricObserve(metric, value);
}

static void apply_changes(Series *series, const MetricEntry *entry) {
  for (uint32_t i = 0; i < entry->head.changes; i++) {
    WireChange change = metric_entry_change(entry, i);
    for (uint64_t repeat = 0; repeat < change.count && series->triton != NULL; repeat++) {
      TritonError *error = apply_change(series->triton, entry->head.kind, change.value);
      if (error == NULL) continue;
      failure_log(error, "changing a metric, which is left out from now on");
      metric_free(series->triton);
      series->triton = NULL;
    }
  }
}

const char *metrics_table_apply(MetricsTable *table, const uint8_t *payload, size_t length) {
  Cursor cursor = {.at = payload, .left = length};
  while (cursor.left > 0) {
    MetricEntry entry;
    const char *problem = metric_entry_read(&entry, &cursor);
    if (problem != NULL) return problem;
    Series *series = find_or_create(table, &entry);
    if (series != NULL) apply_changes(series, &entry);
  }
  return NULL;
}
