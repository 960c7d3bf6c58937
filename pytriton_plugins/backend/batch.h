/* One batch: the requests that Triton hands to an instance at once, and what we know of each. */
#ifndef PYTRITON_BATCH_H
#define PYTRITON_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "declaration.h"
#include "failure.h"
#include "triton_abi.h"

/* One input of one request. */
typedef struct {
  TritonInput *input; /* NULL: the request leaves this optional input out */
  const int64_t *shape;
  uint64_t bytes, elements;
  uint32_t rank, buffers;
  const uint8_t *text; /* BYTES only: the elements in one piece, as Triton writes them */
  uint8_t *owned;      /* BYTES only: to free, when the elements came in several pieces */
} Part;

typedef struct {
  TritonRequest *request;
  uint32_t rows, first_row;
  uint64_t requested; /* bit i: output i */
  bool failed;
} Item;

typedef struct {
  TritonInstance *instance;
  const Declaration *declaration;
  Item *items;
  uint32_t count, rows;
  Part *parts; /* declaration->input_count for each item */
  size_t item_room, part_room;
  uint8_t *block; /* our copy of the response block */
  size_t block_room;
  uint32_t *cover; /* output_count for each item: 1 + position of the entry that covers it, or 0 */
  size_t cover_room;
} Batch;

/* Make room for count elements; contents are lost. False when there is no memory. */
bool batch_reserve(void **array, size_t *room, size_t count, size_t size);

/* Read the requests' properties. Requests that cannot be executed are answered here; the rest are the batch. */
bool batch_collect(Batch *batch, TritonRequest **requests, uint32_t count, Failure *failure);

void batch_free_parts(Batch *batch);
void batch_free(Batch *batch);

static inline Part *batch_part(const Batch *batch, uint32_t item, uint32_t input) {
  return &batch->parts[(size_t)item * batch->declaration->input_count + input];
}

/* Bytes of the request segment that the batch needs. */
uint64_t batch_request_bytes(const Batch *batch);

/* Write block and tensors; returns the length of the block. segment has room for batch_request_bytes. */
bool batch_write(const Batch *batch, uint8_t *segment, uint64_t number, uint64_t *length, Failure *failure);

/* Check the worker's answer and send every request of the batch its response. False, with wrong filled and nothing
 * sent, when the answer breaks the protocol; true with wrong filled when that only showed while some had been sent. */
bool batch_respond(Batch *batch, const uint8_t *answer, uint64_t length, const uint8_t *segment, uint64_t size, const char **wrong);

/* Answer one request, or all of the batch, with a failure. */
void batch_fail_item(Batch *batch, Item *item, const Failure *failure);
void batch_fail(Batch *batch, const Failure *failure);

#endif
