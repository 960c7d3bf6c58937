/* Loans: inputs in a client's own shared memory that the worker reads in place, without a copy. */
#ifndef PYTRITON_LOAN_H
#define PYTRITON_LOAN_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"

/* The part of a client's file that Triton has mapped. */
typedef struct {
  uint64_t device, file, offset, length;
} Window;

typedef struct {
  Window window;  /* length 0: none */
  uint64_t used;  /* nanoseconds of CLOCK_MONOTONIC */
  int descriptor; /* open until it is sent to the worker, then -1 */
} Loan;

typedef struct {
  Window window;
  uint64_t at; /* nanoseconds of CLOCK_MONOTONIC: time of the first batch that used it */
} Seen;

typedef struct {
  Loan loans[WIRE_MAX_LOANS];    /* index: number - 1 */
  Seen seen[WIRE_MAX_LOANS * 2]; /* recent windows: one that is used once only is cheaper to copy */
  uint32_t next_seen;
  uint32_t unsent; /* number of loans that the worker does not have yet */
} Loans;

void loans_init(Loans *loans);

/* Creates the loans that the batch allows, and records them in its parts. The descriptors of new loans are then unsent. */
void loans_create(Loans *loans, Batch *batch);

/* Closes the descriptor of a loan that was sent to the worker. */
void loans_mark_sent(Loans *loans, Loan *loan);

/* Revokes all loans: the worker no longer has them. */
void loans_revoke_all(Loans *loans);

/* Revokes one loan that was unused for LOAN_TIMEOUT_MS, and returns its number; 0: none. */
uint32_t loans_expire(Loans *loans, uint64_t now);

#endif
