/* Handles the messages of calls in the thread that has the channel, and sends their results from any thread. */
#define _GNU_SOURCE
#include "calls.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call_chain.h"
#include "call_request.h"

enum { MAX_UNSENT = 4 * WIRE_MAX_CALLS };

Calls *calls_new(CallServer *server, int socket) {
  Calls *calls = calloc(1, sizeof *calls);
  if (calls == NULL) return NULL;
  atomic_init(&calls->references, 1);
  pthread_mutex_init(&calls->lock, NULL);
  calls->server = call_server_share(server);
  calls->socket = socket;
  calls->segment.descriptor = -1;
  calls->end = &calls->first;
  return calls;
}

static void drop_unsent(Calls *calls) {
  while (calls->first != NULL) {
    Unsent *unsent = calls->first;
    calls->first = unsent->next;
    free(unsent);
  }
  calls->end = &calls->first;
  calls->unsent = 0;
}

void calls_release(Calls *calls) {
  if (atomic_fetch_sub(&calls->references, 1) > 1) return;
  segment_close(&calls->segment);
  drop_unsent(calls);
  free(calls->requests);
  pthread_mutex_destroy(&calls->lock);
  call_server_release(calls->server);
  free(calls);
}

void calls_drop(Calls *calls) {
  pthread_mutex_lock(&calls->lock);
  drop_unsent(calls);
  while (calls->open != NULL) {
    Call *call = calls->open;
    calls_remove(calls, call);
    call_detach(call);
    call_release(call);
  }
  pthread_mutex_unlock(&calls->lock);
}

void calls_close(Calls *calls) {
  if (calls == NULL) return;
  calls_drop(calls);
  pthread_mutex_lock(&calls->lock);
  calls->socket = -1;
  pthread_mutex_unlock(&calls->lock);
  calls_release(calls);
}

void calls_begin(Calls *calls, uint64_t number, const Batch *batch) {
  calls->is_cancelled = false;
  pthread_mutex_lock(&calls->lock);
  calls->batch = number;
  calls->used_request = false;
  bool has_room = batch_reserve((void **)&calls->requests, &calls->request_capacity, batch->count, sizeof *calls->requests);
  calls->request_count = has_room ? batch->count : 0;
  for (uint32_t i = 0; i < calls->request_count; i++) calls->requests[i] = batch->requests[i]->triton;
  pthread_mutex_unlock(&calls->lock);
}

bool calls_have_request(const Calls *calls, const void *request) {
  uint32_t i = 0;
  while (i < calls->request_count && calls->requests[i] != request) i++;
  return i < calls->request_count;
}

bool calls_are_open(Calls *calls) {
  pthread_mutex_lock(&calls->lock);
  bool are_open = calls->count > 0 || calls->unsent > 0;
  pthread_mutex_unlock(&calls->lock);
  return are_open;
}

bool calls_use_request(Calls *calls) {
  pthread_mutex_lock(&calls->lock);
  bool used = calls->used_request;
  pthread_mutex_unlock(&calls->lock);
  return used;
}

void calls_remove(Calls *calls, Call *call) {
  Call **place = &calls->open;
  while (*place != call) place = &(*place)->next;
  *place = call->next;
  calls->count--;
  calls->used_request |= call->request != NULL && !call->is_complete;
}

static void keep_unsent(Calls *calls, size_t length) {
  Unsent *unsent = malloc(sizeof *unsent + length);
  if (unsent == NULL) {
    shutdown(calls->socket, SHUT_RDWR); /* the worker would wait for ever */
    return;
  }
  calls->unsent++;
  unsent->next = NULL;
  unsent->length = length;
  memcpy(unsent->message, calls->result, length);
  *calls->end = unsent;
  calls->end = &unsent->next;
}

static bool flush(Calls *calls) {
  while (calls->first != NULL) {
    Unsent *unsent = calls->first;
    if (!sockets_send(calls->socket, unsent->message, unsent->length, -1, 0)) return true;
    calls->first = unsent->next;
    if (calls->first == NULL) calls->end = &calls->first;
    calls->unsent--;
    free(unsent);
  }
  return false;
}

bool calls_flush(Calls *calls) {
  pthread_mutex_lock(&calls->lock);
  bool are_left = flush(calls);
  pthread_mutex_unlock(&calls->lock);
  return are_left;
}

/* With the lock held. */
static bool send_result(Calls *calls, uint64_t number, uint32_t flags, const Reply *reply, const Failure *failure, uint64_t needed) {
  WireChannelMessage message = {.kind = WIRE_RESULT, .flags = flags, .batch = calls->batch, .offset = number};
  message.length = reply_write(reply, failure, needed, calls->result + sizeof message, sizeof calls->result - sizeof message);
  if (message.length == 0) return false;
  size_t length = sizeof message + message.length;
  memcpy(calls->result, &message, sizeof message);
  if (flush(calls) || !sockets_send(calls->socket, calls->result, length, -1, 0)) keep_unsent(calls, length);
  return true;
}

bool calls_send_result(const Call *call, uint32_t flags, const Reply *reply, const Failure *failure, uint64_t needed) {
  return send_result(call->calls, call->number, flags, reply, failure, needed);
}

/* Whether the worker does not read its results. */
static bool is_unread(Calls *calls) {
  pthread_mutex_lock(&calls->lock);
  bool unread = calls->unsent > MAX_UNSENT;
  pthread_mutex_unlock(&calls->lock);
  return unread;
}

static void refuse(Calls *calls, uint64_t number, const Failure *failure) {
  pthread_mutex_lock(&calls->lock);
  send_result(calls, number, WIRE_FINAL, NULL, failure, 0);
  pthread_mutex_unlock(&calls->lock);
}

void calls_cancel(Calls *calls) {
  static const Failure FAILURE = {.code = TRITON_ERROR_CANCELLED, .text = "no client waits for the request any more"};
  calls->is_cancelled = true;
  pthread_mutex_lock(&calls->lock);
  while (calls->open != NULL) call_fail(calls->open, &FAILURE);
  pthread_mutex_unlock(&calls->lock);
}

static const char *accept_segment(Calls *calls, const WireChannelMessage *message, Descriptors *received) {
  if (!(message->flags & WIRE_NEW_SEGMENT)) {
    if (received->count != 0) return "an unexpected descriptor";
    return message->segment == calls->segment.number ? NULL : "a call segment that was never sent";
  }
  if (received->count != 1 || message->segment == 0) return "a new call segment without its descriptor or number";
  segment_close(&calls->segment);
  received->count = 0;
  const char *refusal = segment_open(&calls->segment, message->segment, received->descriptors[0], true);
  if (refusal != NULL) return refusal;
  close(calls->segment.descriptor);
  calls->segment.descriptor = -1;
  return NULL;
}

/* With the lock held. NULL: the call has ended, or never began. */
static Call *find(Calls *calls, uint64_t number) {
  Call *call = calls->open;
  while (call != NULL && call->number != number) call = call->next;
  return call;
}

static const char *handle_room(Calls *calls, const WireChannelMessage *message, const uint8_t *payload) {
  WireRoom room;
  const char *problem = NULL;
  if (message->length != sizeof room) return "a message of a wrong size";
  memcpy(&room, payload, sizeof room);
  if (!call_message_area_fits(room.offset, room.length, &calls->segment)) return "an area of a call outside its segment";
  pthread_mutex_lock(&calls->lock);
  Call *call = find(calls, message->offset);
  Mapping *mapping = call == NULL ? NULL : segment_share(&calls->segment);
  if (call != NULL && !call_give_room(call, mapping, room.offset, room.length)) {
    mapping_release(mapping);
    problem = "room for a response that no call has";
  }
  pthread_mutex_unlock(&calls->lock);
  return problem;
}

static void handle_abandon(Calls *calls, uint64_t number) {
  static const Failure FAILURE = {.code = TRITON_ERROR_CANCELLED, .text = "the caller abandoned the call"};
  pthread_mutex_lock(&calls->lock);
  Call *call = find(calls, number);
  if (call != NULL) call_fail(call, &FAILURE);
  pthread_mutex_unlock(&calls->lock);
}

/* A failure that is known before Triton gets the call. False: none. */
static bool is_refused(Calls *calls, Failure *failure) {
  if (atomic_load(&calls->server->triton) == NULL)
    failure_set(failure, TRITON_ERROR_UNSUPPORTED, "this tritonserver cannot run calls between models; use a newer one");
  else if (calls->is_cancelled)
    failure_set(failure, TRITON_ERROR_CANCELLED, "no client waits for the request any more");
  else if (atomic_load(&calls->lingering) >= WIRE_MAX_LINGERING)
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "%d abandoned calls still run in the called models", WIRE_MAX_LINGERING);
  return failure->code != 0;
}

static const char *handle_call(Calls *calls, const Batch *batch, const Segment *request, const WireChannelMessage *message,
                               const uint8_t *payload) {
  CallMessage read;
  Failure failure = {.code = 0};
  const char *problem = call_message_read(&read, payload, message->length, &calls->segment, request);
  if (problem != NULL) return problem;
  if (message->offset <= calls->last) return "a call with the number of an earlier one";
  pthread_mutex_lock(&calls->lock);
  calls->last = message->offset;
  if (calls->count >= WIRE_MAX_CALLS) problem = "more open calls than a channel may have";
  pthread_mutex_unlock(&calls->lock);
  if (problem != NULL) return problem;
  if (is_refused(calls, &failure) || !call_request_send(calls, batch, request, &read, message->offset, &failure))
    refuse(calls, message->offset, &failure);
  return NULL;
}

const char *calls_handle(Calls *calls, const Batch *batch, const Segment *request, size_t length, Descriptors *received) {
  WireChannelMessage message;
  memcpy(&message, calls->message, sizeof message);
  const uint8_t *payload = calls->message + sizeof message;
  if (message.slot != 0 || message.batch != calls->batch) return "a call of another batch";
  if (message.length != length - sizeof message) return "a message of a wrong size";
  if (is_unread(calls)) return "a worker that does not read the results of its calls";
  if (message.kind == WIRE_ABANDON) {
    if (message.offset > calls->last) return "a number that no call has";
    handle_abandon(calls, message.offset);
    return message.length == 0 && message.flags == 0 ? NULL : "a message of a wrong size";
  }
  const char *problem = accept_segment(calls, &message, received);
  if (problem != NULL) return problem;
  if (message.kind == WIRE_CALL) return handle_call(calls, batch, request, &message, payload);
  return message.offset > calls->last ? "a number that no call has" : handle_room(calls, &message, payload);
}

void calls_check_chains(Calls *calls) {
  struct {
    uint64_t number;
    CallWait wait;
  } waiting[WIRE_MAX_CALLS];
  uint32_t count = 0;
  Failure failure;
  pthread_mutex_lock(&calls->lock);
  for (Call *call = calls->open; call != NULL; call = call->next) {
    waiting[count].number = call->number;
    waiting[count++].wait = call->wait;
  }
  pthread_mutex_unlock(&calls->lock);
  for (uint32_t i = 0; i < count; i++) {
    if (waiting[i].wait.count == 0) continue;
    pthread_mutex_lock(&calls->server->chains);
    if (call_chain_is_stuck(&waiting[i].wait, &failure)) {
      pthread_mutex_lock(&calls->lock);
      Call *call = find(calls, waiting[i].number);
      if (call != NULL) call_fail(call, &failure);
      pthread_mutex_unlock(&calls->lock);
    }
    pthread_mutex_unlock(&calls->server->chains);
  }
}
