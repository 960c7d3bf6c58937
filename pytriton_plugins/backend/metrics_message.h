/* One metric of a METRIC message. */
#ifndef PYTRITON_METRICS_MESSAGE_H
#define PYTRITON_METRICS_MESSAGE_H

#include "cursor.h"
#include "triton_metrics.h"
#include "wire.h"

/* The pointers point into the message. */
typedef struct {
  WireMetric head;
  const uint8_t *buckets, *changes, *help, *key;
  size_t key_length; /* of name and labels, which identify a series */
} MetricEntry;

/* Reads and checks the next metric. NULL, or what is wrong with it. */
const char *metric_entry_read(MetricEntry *entry, Cursor *cursor);

WireChange metric_entry_change(const MetricEntry *entry, uint32_t index);

/* Fills the labels. Their texts go into buffer, which has key_length bytes: each ends with a zero byte. */
void metric_entry_labels(const MetricEntry *entry, MetricLabel *labels, char *buffer);

#endif
