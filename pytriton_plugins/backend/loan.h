/* Inputs that lie in a client's own shared memory, lent to the worker instead of copied for it. */
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
  int descriptor; /* kept until the worker has it, else -1 */
} Loan;

typedef struct {
  Window window;
  uint64_t at; /* nanoseconds of CLOCK_MONOTONIC: the batch it first came with */
} Seen;

typedef struct {
  Loan loans[WIRE_MAX_LOANS];    /* by number, from 1 */
  Seen seen[WIRE_MAX_LOANS * 2]; /* of late: what comes but once is cheaper copied */
  uint32_t next_seen;
  uint32_t unsent; /* how many loans the worker does not have yet */
} Loans;

void loans_init(Loans *loans);

/* Lend what can be lent of the batch: its parts say which, and where. The descriptors of new loans wait to be sent. */
void loans_create(Loans *loans, Batch *batch);

/* The worker has the loan now. */
void loans_mark_sent(Loans *loans, Loan *loan);

/* Call in all loans: the worker no longer has them. */
void loans_revoke_all(Loans *loans);

/* The number of a loan that nobody has used for a while, which is called in with this; 0: there is none. */
uint32_t loans_expire(Loans *loans, uint64_t now);

#endif
