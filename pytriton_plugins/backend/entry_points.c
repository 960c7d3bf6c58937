/* The functions that Triton calls, and the gate. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "execute.h"
#include "link_reader.h"
#include "loopback.h"
#include "sequence_runner.h"
#include "queue.h"
#include "triton_metrics.h"

/* Models that never run: the server is not ready while they fail to load (docs/explanation/start.md). */
static const char *const GATES[] = {"pytriton_gate", "pytriton_gate_2"};

enum { DESCRIPTOR_TABLE_SIZE = 16384, MAX_DESCRIPTOR = 1 << 20 };

/* Enumerations of the ABI have changed before. Returns a name whose value differs in this server, or NULL. */
static const char *check_abi(void) {
  static const struct {
    int value;
    const char *name;
  } TYPES[] = {{WIRE_TYPE_BOOL, "BOOL"}, {WIRE_TYPE_FP64, "FP64"}, {WIRE_TYPE_BYTES, "BYTES"}, {WIRE_TYPE_BF16, "BF16"}};
  for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
    if (strcmp(TRITONSERVER_DataTypeString(TYPES[i].value), TYPES[i].name) != 0) return TYPES[i].name;
  if (strcmp(TRITONSERVER_MemoryTypeString(TRITON_MEMORY_CPU), "CPU") != 0) return "CPU";
  if (strcmp(TRITONSERVER_MemoryTypeString(TRITON_MEMORY_GPU), "GPU") != 0) return "GPU";
  TritonError *probe = TRITONSERVER_ErrorNew(TRITON_ERROR_INVALID_ARG, "");
  bool same = strcmp(TRITONSERVER_ErrorCodeString(probe), "Invalid argument") == 0;
  TRITONSERVER_ErrorDelete(probe);
  return same ? NULL : "Invalid argument";
}

static int link_descriptor(void) {
  const char *text = getenv("PYTRITON_BACKEND_LINK");
  char *end = NULL;
  long descriptor = text == NULL ? -1 : strtol(text, &end, 10);
  if (text == NULL || end == text || *end != '\0' || descriptor < 0 || descriptor > MAX_DESCRIPTOR) return -1;
  return fcntl((int)descriptor, F_SETFD, FD_CLOEXEC) == 0 ? (int)descriptor : -1;
}

/* Linux blocks every thread that opens a descriptor while the descriptor table of the process grows: up to 0.7 s on a busy
 * machine, also for connections of clients. Therefore it grows once, at the start. */
static void grow_descriptor_table(int descriptor) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t wanted = limit.rlim_cur < DESCRIPTOR_TABLE_SIZE ? limit.rlim_cur : DESCRIPTOR_TABLE_SIZE;
  int last = wanted == 0 ? -1 : fcntl(descriptor, F_DUPFD_CLOEXEC, (int)wanted - 1);
  if (last >= 0) close(last);
}

TritonError *TRITONBACKEND_Initialize(TritonBackend *backend) {
  Failure failure = {.code = 0};
  const char *mismatch = check_abi();
  if (mismatch != NULL) {
    failure_set(&failure, TRITON_ERROR_UNSUPPORTED, "the ABI of this tritonserver is not supported: the value of %s differs", mismatch);
    return failure_to_error(&failure);
  }
  int descriptor = link_descriptor();
  if (descriptor < 0) {
    /* Without the daemon this server would never get a worker, and would never stop. */
    fprintf(stderr, "pytriton backend: no link to the daemon; start this server with pytriton-host\n");
    _exit(1);
  }
  grow_descriptor_table(descriptor);
  gauges_open();
  Link *link = link_new(descriptor, &failure);
  if (link == NULL) return failure_to_error(&failure);
  if (link_reader_start(link, &failure)) return TRITONBACKEND_BackendSetState(backend, link);
  link_free(link);
  return failure_to_error(&failure);
}

TritonError *TRITONBACKEND_Finalize(TritonBackend *backend) {
  void *link = NULL;
  TritonError *error = TRITONBACKEND_BackendState(backend, &link);
  if (error == NULL && link != NULL) {
    link_reader_stop(link);
    link_free(link);
  }
  gauges_close();
  return error;
}

static TritonError *find_link(TritonModel *model, Link **link) {
  TritonBackend *backend;
  TritonError *error = TRITONBACKEND_ModelBackend(model, &backend);
  return error != NULL ? error : TRITONBACKEND_BackendState(backend, (void **)link);
}

TritonError *TRITONBACKEND_ModelInitialize(TritonModel *model) {
  const char *name;
  uint64_t version;
  Link *link;
  Failure failure = {.code = 0};
  TritonError *error = TRITONBACKEND_ModelName(model, &name);
  if (error == NULL) error = TRITONBACKEND_ModelVersion(model, &version);
  if (error == NULL) error = find_link(model, &link);
  if (error != NULL) return error;
  if (strcmp(name, GATES[0]) == 0 || strcmp(name, GATES[1]) == 0) {
    if (link_gate_is_open(link)) return NULL;
    return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "the gate is closed: the daemon is not ready");
  }
  call_server_find(link->calls, model);
  Pool *pool = link_find_pool(link, name, version);
  if (pool != NULL) {
    queue_add_model(pool);
    return TRITONBACKEND_ModelSetState(model, pool);
  }
  failure_set(&failure, TRITON_ERROR_UNAVAILABLE, "model %s: version %llu is not declared by the daemon", name,
              (unsigned long long)version);
  return failure_to_error(&failure);
}

TritonError *TRITONBACKEND_ModelFinalize(TritonModel *model) {
  void *pool = NULL;
  TritonError *error = TRITONBACKEND_ModelState(model, &pool);
  if (error != NULL || pool == NULL) return error; /* no pool: the gate */
  Link *link;
  bool last = queue_remove_model(pool);
  error = find_link(model, &link);
  if (error != NULL) return error;
  if (last) link_report_model_gone(link, pool);
  return TRITONBACKEND_ModelSetState(model, NULL); /* the link owns the pool */
}

static void free_instance(Instance *instance) {
  batch_free(&instance->batch);
  batch_free(&instance->answered);
  free(instance);
}

TritonError *TRITONBACKEND_ModelInstanceInitialize(TritonInstance *triton_instance) {
  TritonModel *model;
  Link *link;
  void *pool = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceModel(triton_instance, &model);
  if (error == NULL) error = TRITONBACKEND_ModelState(model, &pool);
  if (error == NULL) error = find_link(model, &link);
  if (error != NULL || pool == NULL) return error; /* no pool: the gate */
  Instance *instance = calloc(1, sizeof *instance);
  if (instance == NULL) return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "out of memory for a model instance");
  instance->link = link;
  instance->pool = pool;
  instance->triton = triton_instance;
  instance->batch.declaration = instance->answered.declaration = &instance->pool->declaration;
  if (!batch_ensure_capacity(&instance->batch) || !batch_ensure_capacity(&instance->answered)) {
    free_instance(instance);
    return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "out of memory for a model instance");
  }
  if (instance->pool->declaration.sequence && !sequence_runner_start(instance)) {
    free_instance(instance);
    return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "cannot start a thread for a model instance");
  }
  queue_count_instances(pool, 1);
  return TRITONBACKEND_ModelInstanceSetState(triton_instance, instance);
}

/* Also called after a failed Initialize; then there is no state. */
TritonError *TRITONBACKEND_ModelInstanceFinalize(TritonInstance *triton_instance) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  Instance *instance = state;
  if (error != NULL || instance == NULL) return error;
  sequence_runner_stop(instance);
  queue_count_instances(instance->pool, -1);
  free_instance(instance);
  return TRITONBACKEND_ModelInstanceSetState(triton_instance, NULL);
}

/* Newer servers call this for /v2/models/NAME/ready, and since 2.68 also for /v2/health/ready. */
TritonError *TRITONBACKEND_ModelInstanceReady(TritonInstance *triton_instance) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  const Instance *instance = state;
  if (error != NULL || instance == NULL) return error; /* no instance: the gate */
  const char *why_not = pool_why_not_ready(instance->pool);
  return why_not == NULL ? NULL : TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, why_not);
}

/* After this returns NULL, the backend owns the requests, and may answer and release them later in another thread. */
TritonError *TRITONBACKEND_ModelInstanceExecute(TritonInstance *triton_instance, TritonRequest **requests, uint32_t count) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  if (error != NULL) return error;
  Instance *instance = state;
  if (instance == NULL) return TRITONSERVER_ErrorNew(TRITON_ERROR_UNSUPPORTED, "the gate does not accept requests");
  if (instance->pool->declaration.loopback)
    loopback_execute(instance, requests, count);
  else if (instance->pool->declaration.sequence)
    execute_sequences(instance, requests, count);
  else
    execute(instance, requests, count);
  return NULL;
}
