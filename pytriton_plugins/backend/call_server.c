/* Makes and frees what all calls share. */
#include "call_server.h"

#include <stdlib.h>

#include "call.h"

static bool is_supported(void) {
  return TRITONSERVER_ErrorCode != NULL && TRITONBACKEND_ModelServer != NULL && TRITONSERVER_ResponseAllocatorNew != NULL &&
         TRITONSERVER_ServerInferAsync != NULL && INFERENCE(New) != NULL && RESULT(Output) != NULL && RESULT(Parameter) != NULL;
}

CallServer *call_server_new(struct Link *link) {
  CallServer *server = calloc(1, sizeof *server);
  if (server == NULL) return NULL;
  atomic_init(&server->references, 1);
  server->link = link;
  pthread_mutex_init(&server->chains, NULL);
  if (!is_supported()) return server;
  TritonError *error = TRITONSERVER_ResponseAllocatorNew(&server->allocator, call_allocate, call_free_buffer, call_start_response);
  if (error != NULL) server->allocator = NULL;
  failure_log(error, "creating the allocator of calls");
  return server;
}

void call_server_release(CallServer *server) {
  if (server == NULL || atomic_fetch_sub(&server->references, 1) > 1) return;
  if (server->allocator != NULL) failure_log(TRITONSERVER_ResponseAllocatorDelete(server->allocator), "deleting the allocator of calls");
  pthread_mutex_destroy(&server->chains);
  free(server);
}

void call_server_find(CallServer *server, TritonModel *model) {
  TritonServer *triton;
  if (server->allocator == NULL || atomic_load(&server->triton) != NULL) return;
  TritonError *error = TRITONBACKEND_ModelServer(model, &triton);
  if (error == NULL) atomic_store(&server->triton, triton);
  failure_log(error, "finding the server of a model");
}

void call_failure(TritonError *error, Failure *failure) {
  int code = TRITONSERVER_ErrorCode(error);
  failure_set(failure, code == TRITON_ERROR_UNKNOWN ? WIRE_OUTCOME_UNKNOWN : code, "%s", TRITONSERVER_ErrorMessage(error));
}

bool call_succeeded(TritonError *error, Failure *failure) {
  if (error == NULL) return true;
  call_failure(error, failure);
  TRITONSERVER_ErrorDelete(error);
  return false;
}
