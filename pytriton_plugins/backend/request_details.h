/* What the worker learns of requests beside their tensors: ids, parameters, and whether anybody still waits. */
#ifndef PYTRITON_REQUEST_DETAILS_H
#define PYTRITON_REQUEST_DETAILS_H

#include <stdint.h>

#include "batch.h"

/* Bytes that the details of the batch need. */
uint64_t request_details_bytes(const Batch *batch);

/* Write them; there is room for request_details_bytes bytes. */
void request_details_write(const Batch *batch, uint8_t *to);

/* Let the worker see that the request, by its place in the batch, was cancelled. */
void request_details_cancel(uint8_t *details, uint32_t request);

#endif
