/* What a call waits for. */
#ifndef PYTRITON_CALL_WAIT_H
#define PYTRITON_CALL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct Pool;

enum { MAX_CALL_TARGETS = 32 }; /* those of an ensemble beyond these are not looked at */

/* An ensemble leads to each model of this backend that it contains. During a reload two pools have one name. */
typedef struct {
  const char *ensemble; /* its name, valid as long as the link; NULL: a model */
  uint64_t order;       /* among all calls of this backend */
  uint64_t correlation; /* number of its sequence; 0: none */
  const void *request;  /* as Triton passes it to the backend of a model; NULL: not sent, or released */
  uint32_t count;       /* 0: no model of this backend */
  struct Pool *targets[MAX_CALL_TARGETS];
} CallWait;

#endif
