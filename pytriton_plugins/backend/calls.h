/* The calls that a worker makes while it has a batch: messages of its channel, and the calls that are open. */
#ifndef PYTRITON_CALLS_H
#define PYTRITON_CALLS_H

#include "batch.h"
#include "call.h"
#include "sockets.h"

/* A RESULT that did not fit into the socket. */
typedef struct Unsent {
  struct Unsent *next;
  size_t length;
  uint8_t message[];
} Unsent;

/* The channel has a reference, and each call. */
typedef struct Calls {
  atomic_int references;
  atomic_int lingering;                 /* calls that ended for the worker, but not for the called model */
  atomic_uint_fast64_t lingering_bytes; /* of the segments that these calls use */
  uint64_t max_lingering_bytes;
  CallServer *server;   /* a reference */
  pthread_mutex_t lock; /* guards everything below until `segment` */
  int socket;           /* of the channel; -1: the worker gets no further results */
  uint64_t batch, last; /* numbers of the batch and of the last call */
  Call *open;
  uint32_t count;
  Unsent *first, **end;
  uint32_t unsent;
  void const **requests; /* Triton's of the batch, so that a call finds where it runs */
  uint32_t request_count;
  size_t request_capacity;
  bool used_request; /* a lingering call of the batch has inputs in the request segment */
  uint8_t result[WIRE_MAX_MESSAGE];
  Segment segment;                   /* the call segment; this and everything below is used by the thread that has the channel */
  bool is_cancelled;                 /* no client waits for the batch */
  char text[WIRE_MAX_MESSAGE];       /* names, with a zero byte at the end */
  uint8_t message[WIRE_MAX_MESSAGE]; /* that was received */
} Calls;

/* NULL: out of memory. */
Calls *calls_new(CallServer *server, const Declaration *declaration, int socket);

static inline Calls *calls_share(Calls *calls) {
  atomic_fetch_add(&calls->references, 1);
  return calls;
}

void calls_release(Calls *calls);

/* Ends all calls without a result, because the channel is closed or its worker is lost; gives up the channel's reference. */
void calls_close(Calls *calls);

/* A new batch begins, with its number. */
void calls_begin(Calls *calls, uint64_t number, const Batch *batch);

/* With the lock held: whether the request is in the batch, or was in the last one. */
bool calls_have_request(const Calls *calls, const void *request);

/* Ends all open calls without a result: the exchange has failed. */
void calls_drop(Calls *calls);

/* Ends all open calls, and each later one of the batch, with CANCELLED. */
void calls_cancel(Calls *calls);

/* Whether a call has not ended for the worker. */
bool calls_are_open(Calls *calls);

/* Whether a called model may still read the request segment. */
bool calls_use_request(Calls *calls);

/* Sends results that did not fit into the socket. True: some are still left. */
bool calls_flush(Calls *calls);

/* Ends calls that can only wait for themselves. */
void calls_check_chains(Calls *calls);

static inline bool calls_has_kind(uint32_t kind) {
  return kind == WIRE_CALL || kind == WIRE_ROOM || kind == WIRE_ABANDON;
}

/* Handles a CALL, ROOM or ABANDON of `length` bytes in calls->message. NULL, or a violation of the protocol. */
const char *calls_handle(Calls *calls, const Batch *batch, const Segment *request, size_t length, Descriptors *received);

/* With the lock held: sends a RESULT of the call. False: its content is longer than a message. */
bool calls_send_result(const Call *call, uint32_t flags, const Reply *reply, const Failure *failure, uint64_t needed);

/* With the lock held: the call is no longer open. */
void calls_remove(Calls *calls, Call *call);

#endif
