/* The request block and the tensors behind it, written into the request segment. */
#ifndef PYTRITON_REQUEST_BLOCK_H
#define PYTRITON_REQUEST_BLOCK_H

#include "batch.h"

/* Bytes that the batch needs in the request segment. */
uint64_t request_block_bytes(const Batch *batch);

/* Writes block, tensors and details into the segment, which has request_block_bytes bytes. Sets the length of the block. */
bool request_block_write(Batch *batch, uint8_t *segment, uint64_t *length, Failure *failure);

#endif
