/* One call of a model: Triton's request, and the results on their way to the worker. */
#ifndef PYTRITON_CALL_H
#define PYTRITON_CALL_H

#include "call_message.h"
#include "call_reply.h"
#include "call_server.h"
#include "call_wait.h"

struct Calls;

/* Memory that Triton reads until it releases the request. */
typedef struct CallMemory {
  struct CallMemory *next;
  uint8_t bytes[];
} CallMemory;

/* References: the channel while the call is open, Triton until it releases the request, and Triton until the last
 * response. The lock of `calls` guards everything that changes. */
typedef struct Call {
  atomic_int references;
  struct Calls *calls; /* a reference */
  struct Call *next;   /* open calls of the channel */
  uint64_t number;
  CallWait wait;
  TritonInference *inference; /* NULL: not sent yet, or released */
  Mapping *inputs, *request;  /* the segments that have the inputs; request NULL: none */
  CallMemory *memory;
  Mapping *area_mapping;
  uint64_t area_offset, area_length, area_used;
  Reply *first, **end; /* responses for which the worker has no room yet */
  uint64_t held_bytes;
  uint32_t held;
  uint32_t started;  /* responses that the model has started */
  bool is_open;      /* the worker waits for results */
  bool is_stream;    /* any number of responses */
  bool is_complete;  /* the model sends no further response */
  bool awaits_room;  /* the next response waits for ROOM */
  bool asks_room;    /* it is there, and the worker was told its size */
  bool is_lingering; /* ended for the worker before the model answered */
  Failure *failure;  /* the end, after the responses that wait; NULL: success */
  char model[WIRE_MAX_MODEL_NAME + 1];
} Call;

/* NULL: out of memory. The call has one reference. */
Call *call_new(struct Calls *calls, const CallMessage *message, uint64_t number);

void call_release(Call *call);

/* With the lock held: adds a reference for the release of the request and one for the last response. */
void call_expect(Call *call, TritonInference *inference);

/* Triton has refused the request after call_expect. */
void call_refused(Call *call);

/* With the lock held: the worker has given an area. False: no response waits for one. */
bool call_give_room(Call *call, Mapping *mapping, uint64_t offset, uint64_t length);

/* With the lock held: ends the call with the failure, unless it has ended; the called model is cancelled. */
void call_fail(Call *call, const Failure *failure);

/* With the lock held: drops the call, which the channel no longer has; the called model is cancelled. The caller releases
 * the reference of the channel without the lock. */
void call_detach(Call *call);

/* Functions that Triton calls. */
void call_released(TritonInference *inference, uint32_t flags, void *user);
void call_responded(TritonResult *result, uint32_t flags, void *user);
TritonError *call_allocate(TritonAllocator *allocator, const char *output, size_t bytes, int memory_type, int64_t memory_id, void *user,
                           void **buffer, void **buffer_user, int *actual_type, int64_t *actual_id);
TritonError *call_free_buffer(TritonAllocator *allocator, void *buffer, void *buffer_user, size_t bytes, int memory_type,
                              int64_t memory_id);
TritonError *call_start_response(TritonAllocator *allocator, void *user);

#endif
