/* Errors on their way to a client or to the log. */
#ifndef PYTRITON_FAILURE_H
#define PYTRITON_FAILURE_H

#include <stdbool.h>

#include "triton_abi.h"
#include "wire.h"

typedef struct {
  int code; /* an outcome's code, which but for WIRE_OUTCOME_UNKNOWN is Triton's; 0: no failure */
  char text[WIRE_MAX_ERROR_TEXT + 1];
} Failure;

/* A text that is longer than there is room for, or than gRPC carries to a client, is cut and ends with …. */
void failure_set(Failure *failure, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The failure of a request whose worker broke the protocol, which is logged too. */
void failure_protocol_error(Failure *failure, const char *model, const char *problem);

/* False, with failure filled, when error is one; frees it. */
bool failure_none(TritonError *error, Failure *failure);

/* For calls whose failure changes nothing for anybody: log it and go on. */
void failure_log(TritonError *error, const char *action);

/* What Triton is told; to be freed. */
TritonError *failure_to_error(const Failure *failure);

void log_line(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
