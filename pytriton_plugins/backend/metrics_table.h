/* The metrics that the daemon reports over the backend link. Only the thread that reads the link uses them. */
#ifndef PYTRITON_METRICS_TABLE_H
#define PYTRITON_METRICS_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct MetricsTable MetricsTable;

MetricsTable *metrics_table_new(void);
void metrics_table_free(MetricsTable *table);

/* Creates the new metrics of a METRIC message, and applies all its changes. NULL, or what is wrong with it. */
const char *metrics_table_apply(MetricsTable *table, const uint8_t *payload, size_t length);

#endif
