/* What the host declares of a model: names, dtypes and shapes of its tensors. */
#ifndef PYTRITON_DECLARATION_H
#define PYTRITON_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

typedef struct {
  char *name;
  uint8_t dtype, rank; /* rank and dims of the wire shape, batch axis left out */
  bool optional;
  uint32_t item_size; /* 0 for BYTES */
  int64_t dims[WIRE_MAX_RANK];
} DeclaredTensor;

typedef struct {
  char *name;
  uint32_t version, wait_ms;
  uint32_t max_rows;   /* of one batch */
  uint32_t timeout_ms; /* that one batch may take in its worker; 0: any */
  uint32_t trim_ms;    /* after so much idle time a channel's memory is given back; 0: never */
  uint32_t queue_ms;   /* that a request may wait for a worker; 0: any */
  uint32_t queue_size; /* requests that may wait for a worker; 0: any */
  uint64_t delay_ns;   /* that a request may wait for others to join it in a batch */
  uint32_t preferred_count;
  uint32_t *preferred; /* rows that make a batch at once, in rising order */
  bool batched, loopback;
  bool lend;         /* inputs in a client's own shared memory need not be copied for the worker */
  bool details;      /* the callable wants to know more of a request than its tensors */
  bool stream;       /* it answers one request at a time, with any number of responses */
  bool apart;        /* each request's tensors stand by themselves: their shapes may differ */
  bool spare;        /* the server is ready without it */
  bool own_timeouts; /* a request's own time-out counts where it is less than queue_ms */
  bool awaits;       /* the worker can be told that nobody waits for the batch any more */
  uint64_t largest_response;
  uint32_t input_count, output_count;
  DeclaredTensor *inputs, *outputs;
  const DeclaredTensor **inputs_by_name, **outputs_by_name; /* the same in the order of their names */
} Declaration;

/* Words of 64 bits that hold a bit for each output. */
static inline uint32_t declaration_words(const Declaration *declaration) {
  return (declaration->output_count + 63) / 64;
}

/* Read the payload of MODEL. NULL, or what is wrong with it; then nothing is left to free. */
const char *declaration_read(Declaration *declaration, const uint8_t *payload, size_t length);

void declaration_free(Declaration *declaration);

/* Which input or output has that name, or -1; guess is looked at first. */
int declaration_find_input(const Declaration *declaration, uint32_t guess, const char *name);
int declaration_find_output(const Declaration *declaration, uint32_t guess, const char *name);

#endif
