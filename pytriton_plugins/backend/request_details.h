/* Details of requests for the worker, beside their tensors: ids, parameters, cancellation. */
#ifndef PYTRITON_REQUEST_DETAILS_H
#define PYTRITON_REQUEST_DETAILS_H

#include <stdint.h>

#include "batch.h"

/* Bytes that the details of the batch need. */
uint64_t request_details_bytes(const Batch *batch);

/* Writes the details; `to` has request_details_bytes bytes. */
void request_details_write(const Batch *batch, uint8_t *to);

/* Marks a request, by its index in the batch, as cancelled. */
void request_details_cancel(uint8_t *details, uint32_t request);

#endif
