/* One request from Triton, from its arrival until it is released. */
#ifndef PYTRITON_REQUEST_H
#define PYTRITON_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "declaration.h"
#include "failure.h"
#include "triton_abi.h"

/* The part of an input of a batch that one request has. */
typedef struct {
  TritonInput *input; /* NULL: the request omits this optional input */
  const int64_t *shape;
  uint64_t bytes, elements;
  uint32_t rank, buffers;
  const uint8_t *text; /* BYTES only: the elements in one piece, in Triton's form */
  uint8_t *owned;      /* BYTES only: allocated when the elements came in several buffers */
  const uint8_t *lent; /* the bytes, when the worker reads them through a loan */
  uint64_t loan_offset;
  uint32_t loan; /* number of the loan; 0: none */
} Part;

typedef struct Request {
  TritonRequest *triton;
  struct Request *next; /* next request in the queue */
  uint64_t arrived_at;  /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t expires_at;  /* end of its time in the queue; UINT64_MAX: never */
  uint64_t *requested;  /* bit i % 64 of word i / 64: output i */
  uint32_t rows;
  uint32_t first_row; /* position of its rows in the batch */
  int failed;         /* code of the error response that was sent; 0: none */
  bool cancelled;
  bool grouped;              /* Triton's batcher has passed it on with others */
  bool starts, ends;         /* the first, the last request of its sequence */
  struct Sequence *sequence; /* NULL: the model has none, or the request is not in the queue yet */
  Part parts[];              /* one for each declared input */
} Request;

static inline bool request_wants(const Request *request, uint32_t output) {
  return request->requested[output / 64] >> output % 64 & 1;
}

/* Reads a request. NULL, with failure filled, when it cannot be executed. */
Request *request_new(const Declaration *declaration, TritonRequest *triton, uint64_t now, Failure *failure);

void request_free(const Declaration *declaration, Request *request);

/* Whether both requests fit in one batch: they have the same inputs and, unless the declaration says APART, the same
 * shapes except for the rows. */
bool request_can_join(const Declaration *declaration, const Request *one, const Request *other);

/* The bytes of the part, when they lie in one buffer in CPU memory; else NULL. */
const uint8_t *part_bytes(const Part *part);

/* Copies the bytes of the part from all its buffers. name is the name of the input, for the failure. */
bool part_copy(const Part *part, const char *name, uint8_t *to, Failure *failure);

bool request_is_cancelled(const Request *request);

/* The request's own timeout in microseconds; 0: none, or not supported by the server. */
uint64_t request_timeout(TritonRequest *triton);

/* Sends an error response. */
void request_send_error(const Declaration *declaration, TritonRequest *triton, const Failure *failure);

#endif
