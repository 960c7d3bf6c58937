/* The metrics that the host tells of over the backend link. Only the thread that reads the link uses them. */
#ifndef PYTRITON_METRICS_TABLE_H
#define PYTRITON_METRICS_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct MetricsTable MetricsTable;

MetricsTable *metrics_table_new(void);
void metrics_table_free(MetricsTable *table);

/* Make what a METRIC message tells of for the first time, and change all of it. NULL, or what was wrong. */
const char *metrics_table_apply(MetricsTable *table, const uint8_t *payload, size_t length);

#endif
