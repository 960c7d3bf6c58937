/* The declaration of a model: names, data types and shapes of its tensors, and how its batches are made. */
#ifndef PYTRITON_DECLARATION_H
#define PYTRITON_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

typedef struct {
  char *name;
  uint8_t dtype, rank; /* rank and dims of the wire shape, without the batch axis */
  bool optional;
  uint32_t item_size; /* 0 for BYTES */
  int64_t dims[WIRE_MAX_RANK];
} DeclaredTensor;

typedef struct {
  char *name;
  uint32_t version, wait_ms;
  uint32_t max_rows;   /* of one batch */
  uint32_t timeout_ms; /* of one batch in its worker; 0: unlimited */
  uint32_t trim_ms;    /* idle time after which the memory of a channel is freed; 0: never */
  uint32_t queue_ms;   /* timeout of a request in the queue; 0: unlimited */
  uint32_t queue_size; /* maximum length of the queue; 0: unlimited */
  uint64_t delay_ns;   /* maximum wait of a request for others to join its batch */
  uint32_t preferred_count;
  uint32_t *preferred;  /* numbers of rows that make a batch without delay, in rising order */
  uint32_t max_live;    /* sequences at a time */
  uint32_t max_idle_ms; /* idle time after which a sequence ends */
  bool batched, loopback;
  bool sequence;     /* its requests belong to sequences, whose state the workers have */
  bool shared;       /* requests of different sequences may share a batch */
  bool lend;         /* inputs in a client's own shared memory may be lent to the worker, not copied */
  bool details;      /* the callable uses request details: ids, parameters, cancellation */
  bool stream;       /* one request at a time, with any number of responses */
  bool apart;        /* each request has tensors of its own, whose shapes may differ */
  bool spare;        /* the server is ready without it */
  bool own_timeouts; /* a request's own timeout overrides a longer queue_ms */
  bool lenient;      /* outputs may be missing, and have any shape with the rows of their requests */
  bool awaits;       /* the worker accepts CANCEL when every request of the batch was cancelled */
  uint64_t largest_response;
  uint32_t input_count, output_count;
  DeclaredTensor *inputs, *outputs;
  const DeclaredTensor **inputs_by_name, **outputs_by_name; /* the same, sorted by name */
} Declaration;

/* Number of 64-bit words with one bit for each output. */
static inline uint32_t declaration_words(const Declaration *declaration) {
  return (declaration->output_count + 63) / 64;
}

/* Reads the payload of MODEL. NULL, or what is wrong with it: then nothing is left to free. */
const char *declaration_read(Declaration *declaration, const uint8_t *payload, size_t length);

void declaration_free(Declaration *declaration);

/* The index of the input or output with the name, or -1. Checks the index `guess` first. */
int declaration_find_input(const Declaration *declaration, uint32_t guess, const char *name);
int declaration_find_output(const Declaration *declaration, uint32_t guess, const char *name);

#endif
