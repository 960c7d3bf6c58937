/* What all calls of this backend share: Triton's server, and the allocator of outputs. */
#ifndef PYTRITON_CALL_SERVER_H
#define PYTRITON_CALL_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "failure.h"
#include "triton_infer_abi.h"

struct Link;

/* Calls of a model that hangs can outlive the backend's own objects, so each call has a reference. */
typedef struct CallServer {
  atomic_int references;
  _Atomic(TritonServer *) triton; /* NULL: no model is loaded yet, or the server cannot run calls */
  atomic_uint_fast64_t opened;    /* number of calls so far */
  TritonAllocator *allocator;     /* NULL: the server cannot run calls */
  struct Link *link;              /* valid while a model is loaded */
  pthread_mutex_t chains;         /* held while a call is checked that may wait for itself */
} CallServer;

/* NULL: out of memory. */
CallServer *call_server_new(struct Link *link);

void call_server_release(CallServer *server);

static inline CallServer *call_server_share(CallServer *server) {
  atomic_fetch_add(&server->references, 1);
  return server;
}

/* Records the server of a model. */
void call_server_find(CallServer *server, TritonModel *model);

/* True when error is NULL. Else fills the failure with the code of the error, and frees the error. */
bool call_succeeded(TritonError *error, Failure *failure);

/* Fills the failure with the code and text of an error that another object owns. */
void call_failure(TritonError *error, Failure *failure);

#endif
