/* The request block and the tensors behind it, written into the request segment. */
#ifndef PYTRITON_REQUEST_BLOCK_H
#define PYTRITON_REQUEST_BLOCK_H

#include "batch.h"

/* Bytes of the request segment that the batch needs. */
uint64_t request_block_bytes(const Batch *batch);

/* Write block and tensors; returns the length of the block. segment has room for request_block_bytes. */
bool request_block_write(Batch *batch, uint8_t *segment, uint64_t *length, Failure *failure);

#endif
