/* The request block and the tensors behind it, written into the request segment. */
#ifndef PYTRITON_REQUEST_BLOCK_H
#define PYTRITON_REQUEST_BLOCK_H

#include "batch.h"

/* Bytes of the request segment that the batch needs. */
uint64_t batch_request_bytes(const Batch *batch);

/* Write block and tensors; returns the length of the block. segment has room for batch_request_bytes. */
bool batch_write(Batch *batch, uint8_t *segment, uint64_t *length, Failure *failure);

#endif
