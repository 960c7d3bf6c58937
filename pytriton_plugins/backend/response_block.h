/* The answer of a worker to a batch: the response block, checked in a private copy, and its tensors. */
#ifndef PYTRITON_RESPONSE_BLOCK_H
#define PYTRITON_RESPONSE_BLOCK_H

#include "batch.h"

/* Memory that another process may write at any time. */
typedef struct {
  const uint8_t *bytes;
  uint64_t size;
} Area;

/* Where outputs may lie, beside loans. */
typedef struct {
  Area response, request, calls; /* `calls` is empty where a worker must not answer with results of its calls */
} Areas;

typedef struct {
  Area block;   /* in the response segment; it must not be read twice */
  bool more;    /* a response of a stream, and not the last one */
  bool retired; /* the request segment must not be written again; the worker has dropped its loans */
} Answer;

typedef struct {
  const Batch *batch;
  const WireOutcome *outcomes;
  const WireTensor *entries;
  const WireResponseParameter *parameters;
  uint32_t entry_count, parameter_count;
  Areas areas;
  bool ends;           /* the last answer to the batch; only a stream has several */
  const char *problem; /* a violation of the protocol that was found while the tensors were read */
  bool lent;           /* some outputs lie in a lent input */
  uint8_t **saved;     /* by output: copies of lent inputs that an earlier output overwrites; NULL: none */
} ResponseBlock;

/* Maximum length of the response block of a batch. */
uint64_t response_block_max_size(const Batch *batch);

/* Finds and checks all parts of the block in batch->block. NULL, or what is wrong with it. */
const char *response_block_check(Batch *batch, uint64_t length, ResponseBlock *block);

/* The data of an entry, or NULL when they are outside their segment. */
const uint8_t *response_block_data(const ResponseBlock *block, const WireTensor *entry);

/* The data of an entry that lies in a lent input, in the memory of Triton; else NULL. */
const uint8_t *response_block_lent_data(const Batch *batch, const WireTensor *entry);

#endif
