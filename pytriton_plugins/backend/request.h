/* One request that Triton handed to us, and what we know of it until it is answered and released. */
#ifndef PYTRITON_REQUEST_H
#define PYTRITON_REQUEST_H

#include <stdbool.h>
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
  const uint8_t *lent; /* the bytes, where the worker has them by a loan */
  uint64_t loan_offset;
  uint32_t loan; /* its number; 0: none */
} Part;

typedef struct Request {
  TritonRequest *triton;
  struct Request *next; /* behind it in the queue */
  uint64_t arrived_at;  /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t expires_at;  /* when it has waited too long; UINT64_MAX: never */
  uint64_t *requested;  /* bit i % 64 of word i / 64: output i */
  uint32_t rows;
  uint32_t first_row; /* in its batch */
  int failed;         /* the code of the error that it was answered with; 0: none */
  bool cancelled;
  Part parts[]; /* one for each declared input */
} Request;

static inline bool request_wants(const Request *request, uint32_t output) {
  return request->requested[output / 64] >> output % 64 & 1;
}

/* Read the properties of a request; NULL, with failure filled, when it cannot be executed. */
Request *request_new(const Declaration *declaration, TritonRequest *triton, uint64_t now, Failure *failure);

void request_free(const Declaration *declaration, Request *request);

/* Whether the two may stand in one batch: the same inputs, and like shapes but for the rows, unless tensors stand apart. */
bool request_can_join(const Declaration *declaration, const Request *one, const Request *other);

/* The part's bytes, if they came in one piece in CPU memory, else NULL. */
const uint8_t *part_bytes(const Part *part);

/* Copy the part's bytes, in however many buffers they came. name: the input's, for the failure. */
bool part_copy(const Part *part, const char *name, uint8_t *to, Failure *failure);

bool request_is_cancelled(const Request *request);

/* The request's own time-out in microseconds; 0: it has none, or the server does not tell. */
uint64_t request_timeout(TritonRequest *triton);

/* Answer a request with a failure. */
void request_send_error(const Declaration *declaration, TritonRequest *triton, const Failure *failure);

#endif
