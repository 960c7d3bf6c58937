/* What a worker answered to a batch, checked: our copy of the response block and where its tensors lie. */
#ifndef PYTRITON_RESPONSE_BLOCK_H
#define PYTRITON_RESPONSE_BLOCK_H

#include "batch.h"

/* Memory that others may write at any time. */
typedef struct {
  const uint8_t *bytes;
  uint64_t size;
} Area;

typedef struct {
  Area block;   /* in the response segment: read once, then never again */
  bool more;    /* one response of a stream, after which others come */
  bool retired; /* the request segment must not be written again, and the worker has no loans any more */
} Answer;

typedef struct {
  const Batch *batch;
  const WireOutcome *outcomes;
  const WireTensor *entries;
  const WireResponseParameter *parameters;
  uint32_t entry_count, parameter_count;
  Area response, request;
  bool ends;           /* nothing comes after this; only a stream has answers of which that is not true */
  const char *problem; /* what only showed when the tensors were read */
  bool lent;           /* there are outputs that lie in an input that was lent */
  uint8_t **saved;     /* by output: what was lent and is given back, where an output before it takes its place; NULL: none is */
} ResponseBlock;

/* The longest block that a batch may be answered with. */
uint64_t response_block_max_size(const Batch *batch);

/* Find the parts of the block that batch->block holds, and check each of them. NULL, or what is wrong. */
const char *response_block_check(Batch *batch, uint64_t length, ResponseBlock *block);

/* Where the data of an entry lie, or NULL if that is nowhere. */
const uint8_t *response_block_data(const ResponseBlock *block, const WireTensor *entry);

/* What the callable gave back of an input that was lent to it: taken from where Triton has that; else NULL. */
const uint8_t *response_block_lent_data(const Batch *batch, const WireTensor *entry);

#endif
