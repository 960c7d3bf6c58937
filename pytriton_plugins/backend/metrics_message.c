/* Reads and checks a metric of a METRIC message. The daemon is trusted; the checks keep Triton's metrics page valid. */
#include "metrics_message.h"

#include <math.h>
#include <string.h>

/* Triton truncates a text at a zero byte, and writes a line break unescaped. */
static bool is_one_line(const uint8_t *text, size_t length) {
  return memchr(text, '\0', length) == NULL && memchr(text, '\n', length) == NULL;
}

static bool has_triton_prefix(const MetricEntry *entry) {
  static const char PREFIX[] = "nv_";
  return entry->head.name_length >= sizeof PREFIX - 1 && memcmp(entry->key, PREFIX, sizeof PREFIX - 1) == 0;
}

WireChange metric_entry_change(const MetricEntry *entry, uint32_t index) {
  WireChange change;
  memcpy(&change, entry->changes + index * sizeof change, sizeof change);
  return change;
}

static const char *check_changes(const MetricEntry *entry) {
  uint64_t remaining = entry->head.kind == METRIC_HISTOGRAM ? WIRE_MAX_OBSERVATIONS : entry->head.changes;
  for (uint32_t i = 0; i < entry->head.changes; i++) {
    WireChange change = metric_entry_change(entry, i);
    if (change.count == 0 || change.count > remaining) return "a metric with no change, or too many";
    if (!isfinite(change.value)) return "a metric with a change that is not finite";
    if (entry->head.kind == METRIC_COUNTER && change.value < 0) return "a counter with a negative change";
    remaining -= change.count;
  }
  return NULL;
}

const char *metric_entry_read(MetricEntry *entry, Cursor *cursor) {
  WireMetric *head = &entry->head;
  if (!cursor_read(cursor, head, sizeof *head)) return "a metric is truncated";
  if (head->kind < METRIC_COUNTER || head->kind > METRIC_HISTOGRAM) return "a metric of an unknown kind";
  if (head->labels > WIRE_MAX_LABELS || head->buckets > WIRE_MAX_BUCKETS) return "a metric with too many labels or buckets";
  if ((head->kind == METRIC_HISTOGRAM) != (head->buckets > 0)) return "a histogram without buckets, or buckets without one";
  entry->buckets = cursor_skip(cursor, head->buckets * sizeof(double));
  entry->changes = cursor_skip(cursor, head->changes * sizeof(WireChange));
  entry->help = cursor_skip(cursor, head->help_length);
  entry->key = cursor_skip(cursor, head->name_length);
  for (uint8_t i = 0; i < head->labels; i++) {
    WireLabel label = {0};
    cursor_read(cursor, &label, sizeof label);
    const uint8_t *text = cursor_skip(cursor, (size_t)label.name_length + label.value_length);
    if (text != NULL && !is_one_line(text, (size_t)label.name_length + label.value_length)) return "a label of several lines";
  }
  if (cursor->cut) return "a metric is truncated";
  entry->key_length = (size_t)(cursor->at - entry->key);
  if (head->name_length == 0 || has_triton_prefix(entry) || !is_one_line(entry->key, head->name_length))
    return "a metric with a missing, invalid or reserved name";
  return is_one_line(entry->help, head->help_length) ? check_changes(entry) : "a help text of several lines";
}

void metric_entry_labels(const MetricEntry *entry, MetricLabel *labels, char *buffer) {
  const uint8_t *at = entry->key + entry->head.name_length;
  for (uint8_t i = 0; i < entry->head.labels; i++) {
    WireLabel label;
    memcpy(&label, at, sizeof label);
    at += sizeof label;
    labels[i] = (MetricLabel){buffer, buffer + label.name_length + 1};
    memcpy(buffer, at, label.name_length);
    memcpy(buffer + label.name_length + 1, at + label.name_length, label.value_length);
    at += label.name_length + label.value_length;
    buffer += label.name_length + label.value_length + 2;
  }
}
