/* Sends batches to a worker and waits for its answers: a short spin while it pays, then poll(). */
#define _GNU_SOURCE
#include "channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

bool channel_send(Channel *channel, uint64_t length) {
  bool is_new = channel->request.descriptor >= 0, lends = channel->loans.unsent > 0;
  uint32_t flags = (is_new ? WIRE_NEW_SEGMENT : 0) | (lends ? WIRE_NEW_LOAN : 0);
  WireChannelMessage message = {
      .kind = WIRE_EXECUTE, .flags = flags, .segment = channel->request.number, .batch = ++channel->batch, .length = length};
  channel->sent_followup = false;
  return sockets_send(channel->socket, &message, sizeof message, -1, SEND_TIMEOUT_MS) && (!is_new || send_segment(channel)) &&
         (!lends || send_loans(channel));
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

static long spin(Channel *channel, WireChannelMessage *message, Descriptors *received) {
  uint64_t end = clock_ns() + MAX_SPIN_NS;
  long length;
  while ((length = sockets_receive(channel->socket, message, sizeof *message, received, MSG_DONTWAIT)) == SOCKETS_EMPTY) {
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
  if (newly_cancelled == 0 || waiting > 0 || !batch->declaration->awaits) return;
  channel->sent_followup = true;
  notify_worker(channel, WIRE_CANCEL, 0, channel->batch);
}

/* SOCKETS_EMPTY: no answer in time. */
static long receive_answer(Channel *channel, Batch *batch, uint64_t until, WireChannelMessage *message, Descriptors *received) {
  long length = SOCKETS_EMPTY;
  bool watches = batch->declaration->details || batch->declaration->stream || batch->declaration->awaits;
  uint64_t step_ms = watches ? CANCELLATION_POLL_MS : POLL_INTERVAL_MS;
  if (channel->spin_score > 0 || channel->batch % SPIN_RETRY_BATCHES == 1) length = spin(channel, message, received);
  while (length == SOCKETS_EMPTY) {
    struct pollfd wait = {.fd = channel->socket, .events = POLLIN};
    uint64_t now = clock_ns(), remaining_ms = now < until ? (until - now) / NS_PER_MS + 1 : 0;
    int ready = poll(&wait, 1, (int)(remaining_ms < step_ms ? remaining_ms : step_ms));
    if (ready == 0 && remaining_ms == 0) return SOCKETS_EMPTY;
    if (ready == 0 && watches) check_cancellation(channel, batch);
    length = sockets_receive(channel->socket, message, sizeof *message, received, MSG_DONTWAIT);
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

Exchange channel_receive(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **problem) {
  WireChannelMessage message;
  Descriptors received;
  long length = receive_answer(channel, batch, until, &message, &received);
  if (length == SOCKETS_EMPTY) return EXCHANGE_TIMED_OUT;
  /* The unread message is the batch or its segment, which a worker reads before it runs the batch, or it was sent later. */
  if (length == SOCKETS_END_UNREAD) return channel->sent_followup ? EXCHANGE_LOST : EXCHANGE_NOT_SENT;
  if (length == SOCKETS_END) return EXCHANGE_LOST;
  *problem = length == (long)sizeof message ? check_answer(channel, &message, &received) : "a message of a wrong size";
  if (length > 0) descriptors_close(&received);
  if (*problem != NULL) return EXCHANGE_BROKEN;
  bool more = message.kind == WIRE_PART;
  *answer = (Answer){{channel->response.bytes + message.offset, message.length}, more, (message.flags & WIRE_RETIRED) != 0};
  return more ? EXCHANGE_PART : EXCHANGE_DONE;
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
