/* Errors for clients and for the log. */
#ifndef PYTRITON_FAILURE_H
#define PYTRITON_FAILURE_H

#include <stdbool.h>

#include "triton_abi.h"
#include "wire.h"

typedef struct {
  int code; /* an outcome's code: Triton's, or WIRE_OUTCOME_UNKNOWN; 0: no failure */
  char text[WIRE_MAX_ERROR_TEXT + 1];
} Failure;

/* Truncates a text that is too long for the array or for gRPC, and ends it with …. */
void failure_set(Failure *failure, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fills and logs the failure of a request whose worker broke the protocol. */
void failure_protocol_error(Failure *failure, const char *model, const char *problem);

/* True when error is NULL. Else fills the failure and frees the error. */
bool failure_none(TritonError *error, Failure *failure);

/* Logs and frees the error of a call whose failure has no other effect. */
void failure_log(TritonError *error, const char *action);

/* The error for Triton; the caller frees it. */
TritonError *failure_to_error(const Failure *failure);

void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
