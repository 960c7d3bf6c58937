/* One metric as a METRIC message tells of it. */
#ifndef PYTRITON_METRICS_MESSAGE_H
#define PYTRITON_METRICS_MESSAGE_H

#include "cursor.h"
#include "triton_metrics.h"
#include "wire.h"

/* The pointers lead into the message. */
typedef struct {
  WireMetric head;
  const uint8_t *buckets, *changes, *help, *key;
  size_t key_length; /* of name and labels, by which a series is known */
} MetricEntry;

/* Read the next metric and check all of it. NULL, or what was wrong. */
const char *metric_entry_read(MetricEntry *entry, Cursor *cursor);

WireChange metric_entry_change(const MetricEntry *entry, uint32_t index);

/* The labels' texts, each with a zero byte behind it, go into room for as many bytes as the key has. */
void metric_entry_labels(const MetricEntry *entry, MetricLabel *labels, char *room);

#endif
