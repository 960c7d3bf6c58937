/* The entry points that Triton calls, and the gate. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "execute.h"
#include "link_reader.h"
#include "loopback.h"
#include "queue.h"
#include "triton_metrics.h"

/* A model without instances' work: while loading it fails, the server is not ready (docs/request-path.md). */
static const char *const GATES[] = {"pytriton_gate", "pytriton_gate_2"};

enum { DESCRIPTOR_TABLE_SIZE = 16384 };

/* Enumerations of the ABI changed once: compare ours with the names that this server gives them. */
static const char *check_abi(void) {
  static const struct {
    int value;
    const char *name;
  } TYPES[] = {{TRITON_TYPE_BOOL, "BOOL"}, {TRITON_TYPE_FP64, "FP64"}, {TRITON_TYPE_BYTES, "BYTES"}, {TRITON_TYPE_BF16, "BF16"}};
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
  if (text == NULL || end == text || *end != '\0' || descriptor < 0 || descriptor > 1 << 20) return -1;
  return fcntl((int)descriptor, F_SETFD, FD_CLOEXEC) == 0 ? (int)descriptor : -1;
}

/* Linux halts every thread that opens a descriptor while the process's table of them grows, for 0.7 s on a busy machine:
 * clients' connections with them. So it grows once, now, to what many channels and connections take. */
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
    failure_set(&failure, TRITON_ERROR_UNSUPPORTED, "this tritonserver numbers %s differently from the ABI this backend knows", mismatch);
    return failure_to_error(&failure);
  }
  int descriptor = link_descriptor();
  if (descriptor < 0) {
    /* Nobody would ever stop this server or give it a worker. */
    fprintf(stderr, "pytriton backend: no link to a host; start this server with pytriton-host\n");
    _exit(1);
  }
  grow_descriptor_table(descriptor);
  queue_gauges_open();
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
  queue_gauges_close();
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
    return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "the gate is closed: the host does not report ready");
  }
  Pool *pool = link_find_pool(link, name, version);
  if (pool != NULL) {
    queue_add_model(pool);
    return TRITONBACKEND_ModelSetState(model, pool);
  }
  failure_set(&failure, TRITON_ERROR_UNAVAILABLE, "the host declared no model %s, version %llu", name, (unsigned long long)version);
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
  return TRITONBACKEND_ModelSetState(model, NULL); /* the pool is the link's */
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
  if (instance == NULL) return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "no memory for an instance");
  instance->link = link;
  instance->pool = pool;
  instance->triton = triton_instance;
  instance->batch.declaration = instance->answered.declaration = &instance->pool->declaration;
  if (!batch_ensure_capacity(&instance->batch) || !batch_ensure_capacity(&instance->answered)) {
    free_instance(instance);
    return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "no memory for an instance");
  }
  queue_count_instances(pool, 1);
  return TRITONBACKEND_ModelInstanceSetState(triton_instance, instance);
}

/* Also called after a failed Initialize, then without state. */
TritonError *TRITONBACKEND_ModelInstanceFinalize(TritonInstance *triton_instance) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  Instance *instance = state;
  if (error != NULL || instance == NULL) return error;
  queue_count_instances(instance->pool, -1);
  free_instance(instance);
  return TRITONBACKEND_ModelInstanceSetState(triton_instance, NULL);
}

/* Asked by servers that know it, at /v2/models/NAME/ready and since 2.68 at /v2/health/ready as well. */
TritonError *TRITONBACKEND_ModelInstanceReady(TritonInstance *triton_instance) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  const Instance *instance = state;
  if (error != NULL || instance == NULL || pool_is_ready(instance->pool)) return error; /* no instance: the gate */
  return TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "the model has no live worker");
}

/* Once this returns NULL, every request is answered and released by us, perhaps later and in another thread. */
TritonError *TRITONBACKEND_ModelInstanceExecute(TritonInstance *triton_instance, TritonRequest **requests, uint32_t count) {
  void *state = NULL;
  TritonError *error = TRITONBACKEND_ModelInstanceState(triton_instance, &state);
  if (error != NULL) return error;
  Instance *instance = state;
  if (instance == NULL) return TRITONSERVER_ErrorNew(TRITON_ERROR_UNSUPPORTED, "the gate is no model to send requests to");
  if (instance->pool->declaration.loopback)
    loopback_execute(instance, requests, count);
  else
    execute(instance, requests, count);
  return NULL;
}
