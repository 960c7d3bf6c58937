/* Handles each message of the daemon, and frees unused memory of the channels once a second. */
#define _GNU_SOURCE
#include "link_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "queue.h"

enum { RECLAIM_INTERVAL_MS = 1000 };

static void acknowledge(Link *link, uint64_t token, uint64_t value) {
  link_send(link, &(WireLink){.kind = LINK_ACK, .token = token, .value = value});
}

static bool read_file(int descriptor, uint8_t *to, uint64_t length) {
  uint64_t at = 0;
  while (at < length) {
    ssize_t count = pread(descriptor, to + at, length - at, (off_t)at);
    if (count <= 0) return false;
    at += (uint64_t)count;
  }
  return true;
}

/* A declaration that is too long for a message comes in a file. */
static const char *read_declaration_file(Declaration *declaration, const WireLink *message, const Descriptors *received) {
  struct stat file;
  if (received->count != 1) return "a declaration without its file";
  const char *problem = "a declaration that cannot be read";
  if (fstat(received->descriptors[0], &file) != 0 || (uint64_t)file.st_size != message->value) return problem;
  uint8_t *content = malloc(message->value);
  if (content != NULL && read_file(received->descriptors[0], content, message->value))
    problem = declaration_read(declaration, content, message->value);
  free(content);
  return problem;
}

static const char *handle_model(Link *link, const WireLink *message, const uint8_t *payload, size_t length, const Descriptors *received) {
  Declaration declaration;
  bool is_file = message->value > 0;
  const char *problem = is_file ? read_declaration_file(&declaration, message, received) : declaration_read(&declaration, payload, length);
  if (problem != NULL) return problem;
  Pool *pool = pool_new(message->model, &declaration, link->calls);
  if (pool == NULL) return "out of memory for a model";
  pthread_mutex_lock(&link->lock);
  pool->next = link->pools;
  link->pools = pool;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, 0);
  return NULL;
}

static const char *handle_channel(Link *link, const WireLink *message, Descriptors *received) {
  Pool *pool = link_find_pool_by_number(link, message->model);
  if (pool == NULL) return "a channel for an unknown model";
  if (received->count != 2) return "a channel without its two descriptors";
  received->count = 0; /* the pool owns them from now on */
  return pool_add_channel(pool, message->channel, received->descriptors[0], message->segment, received->descriptors[1]);
}

static void handle_channel_gone(Link *link, const WireLink *message) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (pool_drop_channel(pool, message->channel)) break;
  pthread_mutex_unlock(&link->lock);
}

static void handle_retire(Link *link, const WireLink *message) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (pool_retire_channel(pool, message->channel, message->value)) break;
  pthread_mutex_unlock(&link->lock);
}

static void handle_busy(Link *link, const WireLink *message) {
  bool busy = false;
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (pool_has_channel(pool, message->channel, &busy)) break;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, busy);
}

static const char *handle_answer(Link *link, const WireLink *message, const char *refusal, Descriptors *received) {
  if (refusal == NULL && received->count != 1) return "a segment without its descriptor";
  pending_replies_resolve(&link->replies, message->token, message->segment, refusal, received);
  return NULL;
}

static void handle_stop(Link *link) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) pool_stop(pool);
  pthread_mutex_unlock(&link->lock);
}

static const char *handle_hello(Link *link, const WireLink *message) {
  if (message->value != WIRE_VERSION) return "the daemon uses another protocol version";
  link_send(link, &(WireLink){.kind = LINK_BACKEND_HELLO, .token = message->token, .value = WIRE_VERSION});
  return NULL;
}

static const char *handle_gate(Link *link, const WireLink *message) {
  pthread_mutex_lock(&link->lock);
  link->gate_open = message->value == 1;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, 0);
  return NULL;
}

static const char *handle_give_up(Link *link, const WireLink *message, const char *text) {
  Pool *pool = link_find_pool_by_number(link, message->model);
  if (pool != NULL) pool_give_up(pool, message->value, text);
  return NULL;
}

/* Counts the requests of all models, or of one: then the upper half has the number that wait for a worker, else the number
 * of live sequences. */
static void handle_count(Link *link, const WireLink *message) {
  uint64_t upper = 0;
  uint32_t in_flight = 0;
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) {
    if (message->model != 0 && message->model != pool->number) continue;
    in_flight += (uint32_t)atomic_load(&pool->in_flight);
    upper += message->model != 0 ? queue_length(pool) : queue_live_sequences(pool);
  }
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, upper << 32 | in_flight);
}

static const char *handle_metric(Link *link, const WireLink *message, const uint8_t *payload, size_t length) {
  const char *problem = metrics_table_apply(link->metrics, payload, length);
  if (problem == NULL) acknowledge(link, message->token, 0);
  return problem;
}

static const char *handle_ensemble(Link *link, const WireLink *message, const uint8_t *payload, size_t length) {
  pthread_mutex_lock(&link->lock);
  const char *problem = ensembles_apply(&link->ensembles, payload, length);
  pthread_mutex_unlock(&link->lock);
  if (problem == NULL) acknowledge(link, message->token, 0);
  return problem;
}

/* NULL, or what is wrong with the message. A zero byte follows the payload. */
static const char *dispatch(Link *link, const WireLink *message, const uint8_t *payload, size_t length, Descriptors *received) {
  switch (message->kind) {
    case LINK_HELLO: return handle_hello(link, message);
    case LINK_MODEL: return handle_model(link, message, payload, length, received);
    case LINK_CHANNEL: return handle_channel(link, message, received);
    case LINK_CHANNEL_GONE: handle_channel_gone(link, message); return NULL;
    case LINK_RETIRE: handle_retire(link, message); return NULL;
    case LINK_SEGMENT: return handle_answer(link, message, NULL, received);
    case LINK_REFUSED: return handle_answer(link, message, (const char *)payload, received);
    case LINK_GATE: return handle_gate(link, message);
    case LINK_STOP: handle_stop(link); return NULL;
    case LINK_COUNT: handle_count(link, message); return NULL;
    case LINK_GIVE_UP: return handle_give_up(link, message, (const char *)payload);
    case LINK_BUSY: handle_busy(link, message); return NULL;
    case LINK_METRIC: return handle_metric(link, message, payload, length);
    case LINK_ENSEMBLE: return handle_ensemble(link, message, payload, length);
    default: return "a message of an unknown kind";
  }
}

/* Without its daemon this server must not continue: it would hold the ports and serve models that have no workers. */
static void end_process(Link *link, const char *why) {
  pthread_mutex_lock(&link->lock);
  bool stopping = link->stopping;
  pthread_mutex_unlock(&link->lock);
  if (stopping) return;
  fprintf(stderr, "pytriton backend: %s; ending tritonserver\n", why);
  _exit(1);
}

static void reclaim_idle_channels(Link *link) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) pool_reclaim(pool);
  pthread_mutex_unlock(&link->lock);
}

/* Waits for a message, and frees unused memory once a second, also when messages never stop. */
static void await_message(Link *link, uint64_t *reclaimed_at) {
  struct pollfd wait = {.fd = link->socket, .events = POLLIN};
  int ready;
  do {
    ready = poll(&wait, 1, RECLAIM_INTERVAL_MS);
    uint64_t now = clock_ns();
    if (now - *reclaimed_at >= RECLAIM_INTERVAL_MS * NS_PER_MS) {
      reclaim_idle_channels(link);
      *reclaimed_at = now;
    }
  } while (ready == 0 || (ready < 0 && errno == EINTR));
}

static void *read_link(void *argument) {
  Link *link = argument;
  static const size_t MAX_LENGTH = WIRE_MAX_MESSAGE;
  uint8_t *buffer = malloc(MAX_LENGTH + 1);
  uint64_t reclaimed_at = clock_ns();
  if (buffer == NULL) end_process(link, "out of memory for the backend link");
  while (buffer != NULL) {
    Descriptors received;
    WireLink message;
    await_message(link, &reclaimed_at);
    long length = sockets_receive(link->socket, buffer, MAX_LENGTH, &received, 0);
    if (length <= 0) {
      end_process(link, length == SOCKETS_BROKEN ? "a broken message from the daemon" : "the daemon exited");
      break;
    }
    const char *problem = "a message that is too short";
    if ((size_t)length >= sizeof message) {
      buffer[length] = 0;
      memcpy(&message, buffer, sizeof message);
      problem = dispatch(link, &message, buffer + sizeof message, (size_t)length - sizeof message, &received);
    }
    descriptors_close(&received);
    if (problem != NULL) end_process(link, problem);
  }
  free(buffer);
  return NULL;
}

bool link_reader_start(Link *link, Failure *failure) {
  if (pthread_create(&link->reader, NULL, read_link, link) == 0) return true;
  failure_set(failure, TRITON_ERROR_INTERNAL, "cannot start the thread of the backend link");
  return false;
}

void link_reader_stop(Link *link) {
  pthread_mutex_lock(&link->lock);
  link->stopping = true;
  pthread_mutex_unlock(&link->lock);
  shutdown(link->socket, SHUT_RDWR);
  pthread_join(link->reader, NULL);
}
