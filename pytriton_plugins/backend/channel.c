/* Sends batches to a worker and waits for its answers: a short spin while it pays, then poll(). */
#define _GNU_SOURCE
#include "channel.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "clock.h"
#include "request_details.h"
#include "sockets.h"

/* A worker answers a small batch in less time than it takes to put this thread to sleep and wake it. Therefore the thread
 * spins first, as long as that was useful lately. The score rises with every answer that a spin finds, and falls with
 * every spin that finds none. Every SPIN_RETRY_BATCHES batches one spin checks whether the callable became fast again. */
enum { MAX_SPIN_NS = 60000, SPIN_PAUSES = 24, MAX_SPIN_SCORE = 8, SPIN_RETRY_BATCHES = 64 };
enum { SEND_TIMEOUT_MS = 1000, POLL_INTERVAL_MS = 50, CANCELLATION_POLL_MS = 20 };

/* The descriptor has a message of its own: a worker that looks for descriptors in every message is slower. */
static bool send_segment(Channel *channel) {
  WireChannelMessage message = {.kind = WIRE_SEGMENT, .segment = channel->request.number, .batch = channel->batch};
  if (!sockets_send(channel->socket, &message, sizeof message, channel->request.descriptor, SEND_TIMEOUT_MS)) return false;
  close(channel->request.descriptor);
  channel->request.descriptor = -1;
  return true;
}

static bool send_loans(Channel *channel) {
  Loans *loans = &channel->loans;
  for (uint32_t i = 0; loans->unsent > 0; i++) {
    Loan *loan = &loans->loans[i];
    if (loan->descriptor < 0) continue;
    WireChannelMessage message = {.kind = WIRE_LOAN,
                                  .flags = loans->unsent > 1 ? WIRE_NEW_LOAN : 0,
                                  .segment = i + 1,
                                  .batch = channel->batch,
                                  .offset = loan->window.offset,
                                  .length = loan->window.length};
    if (!sockets_send(channel->socket, &message, sizeof message, loan->descriptor, SEND_TIMEOUT_MS)) return false;
    loans_mark_sent(loans, loan);
  }
  return true;
}

bool channel_send(Channel *channel, const Batch *batch, uint64_t length) {
  bool is_new = channel->request.descriptor >= 0, lends = channel->loans.unsent > 0;
  uint32_t flags = (is_new ? WIRE_NEW_SEGMENT : 0) | (lends ? WIRE_NEW_LOAN : 0);
  WireChannelMessage message = {
      .kind = WIRE_EXECUTE, .flags = flags, .segment = channel->request.number, .batch = ++channel->batch, .length = length};
  channel->sent_followup = false;
  if (channel->calls != NULL) calls_begin(channel->calls, channel->batch, batch);
  return sockets_send(channel->socket, &message, sizeof message, -1, SEND_TIMEOUT_MS) && (!is_new || send_segment(channel)) &&
         (!lends || send_loans(channel));
}

typedef struct {
  WireChannelMessage message;
  Descriptors received;
  size_t length;
} Incoming;

/* Messages of calls have a payload, which stays in calls->message. */
static long receive(Channel *channel, Incoming *incoming) {
  Calls *calls = channel->calls;
  void *to = calls == NULL ? (void *)&incoming->message : calls->message;
  size_t room = calls == NULL ? sizeof incoming->message : sizeof calls->message;
  long length = sockets_receive(channel->socket, to, room, &incoming->received, MSG_DONTWAIT);
  incoming->length = length < 0 ? 0 : (size_t)length;
  if (calls != NULL && incoming->length >= sizeof incoming->message) memcpy(&incoming->message, calls->message, sizeof incoming->message);
  return length;
}

static void spin_pause(void) {
  for (int i = 0; i < SPIN_PAUSES; i++) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
  }
}

static long spin(Channel *channel, Incoming *incoming) {
  uint64_t end = clock_ns() + MAX_SPIN_NS;
  long length;
  while ((length = receive(channel, incoming)) == SOCKETS_EMPTY) {
    if (clock_ns() >= end) break;
    spin_pause();
  }
  if (length != SOCKETS_EMPTY) {
    if (channel->spin_score < MAX_SPIN_SCORE) channel->spin_score++;
  } else if (channel->spin_score > 0) {
    channel->spin_score--;
  }
  return length;
}

/* While a call is open, the workers and the thread of the called model need the processors. */
static bool may_spin(const Channel *channel) {
  if (channel->spin_score == 0 && channel->batch % SPIN_RETRY_BATCHES != 1) return false;
  return channel->calls == NULL || !calls_are_open(channel->calls);
}

static void notify_worker(Channel *channel, uint32_t kind, uint32_t number, uint64_t batch) {
  WireChannelMessage message = {.kind = kind, .segment = number, .batch = batch};
  sockets_send(channel->socket, &message, sizeof message, -1, 0);
}

/* Triton does not report cancellations, so every request is checked. */
static void check_cancellation(Channel *channel, Batch *batch) {
  uint32_t waiting = 0, newly_cancelled = 0;
  for (uint32_t i = 0; i < batch->count; i++) {
    Request *request = batch->requests[i];
    if (!request->cancelled && request_is_cancelled(request)) {
      request->cancelled = true;
      newly_cancelled++;
      if (batch->details != 0) request_details_cancel(channel->request.bytes + batch->details, i);
    }
    waiting += !request->cancelled;
  }
  if (waiting == 0 && channel->calls != NULL) calls_cancel(channel->calls);
  if (newly_cancelled == 0 || waiting > 0 || !batch->declaration->awaits) return;
  channel->sent_followup = true;
  notify_worker(channel, WIRE_CANCEL, 0, channel->batch);
}

/* Done every CANCELLATION_POLL_MS while a batch is in its worker. */
static void watch(Channel *channel, Batch *batch) {
  channel->watched_at = clock_ns();
  check_cancellation(channel, batch);
  if (channel->calls != NULL) calls_check_chains(channel->calls);
}

/* SOCKETS_EMPTY: no message in time. */
static long receive_message(Channel *channel, Batch *batch, uint64_t until, Incoming *incoming) {
  long length = SOCKETS_EMPTY;
  bool watches = batch->declaration->details || batch->declaration->stream || batch->declaration->awaits;
  uint64_t step_ms = watches ? CANCELLATION_POLL_MS : POLL_INTERVAL_MS;
  if (may_spin(channel)) length = spin(channel, incoming);
  while (length == SOCKETS_EMPTY) {
    bool has_unsent = channel->calls != NULL && calls_flush(channel->calls);
    struct pollfd wait = {.fd = channel->socket, .events = has_unsent ? POLLIN | POLLOUT : POLLIN};
    uint64_t now = clock_ns(), remaining_ms = now < until ? (until - now) / NS_PER_MS + 1 : 0;
    int ready = poll(&wait, 1, (int)(remaining_ms < step_ms ? remaining_ms : step_ms));
    if (ready == 0 && remaining_ms == 0) return SOCKETS_EMPTY;
    if (ready == 0 && watches) watch(channel, batch);
    length = receive(channel, incoming);
  }
  return length;
}

static const char *accept_segment(Channel *channel, const WireChannelMessage *message, Descriptors *received) {
  if (!(message->flags & WIRE_NEW_SEGMENT)) {
    if (received->count != 0) return "an unexpected descriptor";
    return message->segment == channel->response.number ? NULL : "a segment that was never sent";
  }
  if (received->count != 1 || message->segment == 0) return "a new segment without its descriptor or number";
  segment_close(&channel->response);
  received->count = 0;
  const char *refusal = segment_open(&channel->response, message->segment, received->descriptors[0], false);
  if (refusal != NULL) return refusal;
  close(channel->response.descriptor);
  channel->response.descriptor = -1;
  return NULL;
}

static const char *check_answer(Channel *channel, const WireChannelMessage *message, Descriptors *received) {
  bool known = message->kind == WIRE_DONE || (message->kind == WIRE_PART && channel->declaration->stream);
  if (!known || message->slot != 0) return "a message that is not DONE";
  if (message->batch != channel->batch) return "an answer to another batch";
  const char *problem = accept_segment(channel, message, received);
  if (problem != NULL) return problem;
  uint64_t size = channel->response.size;
  if (message->offset % WIRE_BLOCK_ALIGNMENT != 0 || message->offset > size || message->length > size - message->offset)
    return "a response block outside its segment";
  return NULL;
}

/* Handles a message of a call; the worker has read its batch by then. */
static const char *handle_call(Channel *channel, Batch *batch, Incoming *incoming) {
  const char *problem = calls_handle(channel->calls, batch, &channel->request, incoming->length, &incoming->received);
  channel->sent_followup = true;
  descriptors_close(&incoming->received);
  /* A worker that never stops calling would keep the thread from it. */
  if (problem == NULL && clock_ns() - channel->watched_at > CANCELLATION_POLL_MS * NS_PER_MS) watch(channel, batch);
  return problem;
}

static bool is_call(const Channel *channel, const Incoming *incoming) {
  return channel->calls != NULL && incoming->length >= sizeof incoming->message && calls_has_kind(incoming->message.kind);
}

static Exchange receive_answer(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **problem) {
  Incoming incoming;
  const WireChannelMessage *message = &incoming.message;
  long length;
  while ((length = receive_message(channel, batch, until, &incoming)) > 0 && is_call(channel, &incoming)) {
    if ((*problem = handle_call(channel, batch, &incoming)) != NULL) return EXCHANGE_BROKEN;
    if (until != UINT64_MAX && clock_ns() >= until) return EXCHANGE_TIMED_OUT;
  }
  if (length == SOCKETS_EMPTY) return EXCHANGE_TIMED_OUT;
  /* The unread message is the batch or its segment, which a worker reads before it runs the batch, or it was sent later. */
  if (length == SOCKETS_END_UNREAD) return channel->sent_followup ? EXCHANGE_LOST : EXCHANGE_NOT_SENT;
  if (length == SOCKETS_END) return EXCHANGE_LOST;
  *problem = length == (long)sizeof *message ? check_answer(channel, message, &incoming.received) : "a message of a wrong size";
  if (length > 0) descriptors_close(&incoming.received);
  if (*problem != NULL) return EXCHANGE_BROKEN;
  bool more = message->kind == WIRE_PART;
  *answer = (Answer){{channel->response.bytes + message->offset, message->length}, more, (message->flags & WIRE_RETIRED) != 0};
  return more ? EXCHANGE_PART : EXCHANGE_DONE;
}

Exchange channel_receive(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **problem) {
  Exchange result = receive_answer(channel, batch, until, answer, problem);
  Calls *calls = channel->calls;
  if (calls == NULL || result == EXCHANGE_PART) return result;
  if (result == EXCHANGE_DONE && calls_are_open(calls)) {
    *problem = "an answer while calls are open";
    result = EXCHANGE_BROKEN;
  }
  if (result != EXCHANGE_DONE)
    calls_drop(calls);
  else
    answer->retired |= calls_use_request(calls);
  return result;
}

bool channel_acknowledge(Channel *channel, Batch *batch) {
  check_cancellation(channel, batch);
  channel->sent_followup = true;
  bool is_unwanted = batch->requests[0]->cancelled || batch->requests[0]->failed;
  WireChannelMessage message = {.kind = WIRE_TAKEN, .flags = is_unwanted ? WIRE_CANCELLED : 0, .batch = channel->batch};
  return sockets_send(channel->socket, &message, sizeof message, -1, SEND_TIMEOUT_MS);
}

void channel_retire_request(Channel *channel) {
  uint32_t number = channel->request.number;
  segment_close(&channel->request);
  channel->request.number = number; /* the daemon needs the number of the segment that the next one replaces */
  loans_revoke_all(&channel->loans);
}

/* Frees the pages of both segments. The segments keep their size, and get new pages when they are used. */
static void trim(Channel *channel, uint64_t now) {
  uint32_t trim_ms = channel->declaration->trim_ms;
  if (trim_ms == 0 || channel->batch == channel->trimmed_batch || now - channel->idle_since < trim_ms * NS_PER_MS) return;
  segment_trim(&channel->request);
  notify_worker(channel, WIRE_TRIM, 0, 0);
  channel->trimmed_batch = channel->batch;
}

void channel_reclaim(Channel *channel) {
  uint64_t now = clock_ns();
  uint32_t number;
  channel->reclaim_due = false;
  while ((number = loans_expire(&channel->loans, now)) != 0) notify_worker(channel, WIRE_FORGET, number, 0);
  trim(channel, now);
}
