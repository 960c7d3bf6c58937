/* The thread that reads the link: it handles each message of the host, and looks after idle channels once a second. */
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

enum { TIDY_MS = 1000 };

static void acknowledge(Link *link, uint64_t token, uint64_t value) {
  link_send(link, &(WireLink){.kind = LINK_ACK, .token = token, .value = value});
}

static bool read_file(int descriptor, uint8_t *to, uint64_t length) {
  uint64_t at = 0;
  while (at < length) {
    ssize_t got = pread(descriptor, to + at, length - at, (off_t)at);
    if (got <= 0) return false;
    at += (uint64_t)got;
  }
  return true;
}

/* A declaration that is too long for a message stands in the file that comes with it. */
static const char *read_long(Declaration *declaration, const WireLink *message, const Descriptors *received) {
  struct stat file;
  if (received->count != 1) return "a declaration without its file";
  const char *wrong = "a declaration that cannot be read";
  if (fstat(received->descriptors[0], &file) != 0 || (uint64_t)file.st_size != message->value) return wrong;
  uint8_t *content = malloc(message->value);
  if (content != NULL && read_file(received->descriptors[0], content, message->value))
    wrong = declaration_read(declaration, content, message->value);
  free(content);
  return wrong;
}

static const char *on_model(Link *link, const WireLink *message, const uint8_t *payload, size_t length, const Descriptors *received) {
  Declaration declaration;
  bool is_long = message->value > 0;
  const char *wrong = is_long ? read_long(&declaration, message, received) : declaration_read(&declaration, payload, length);
  if (wrong != NULL) return wrong;
  Pool *pool = pool_new(message->model, &declaration);
  if (pool == NULL) return "no memory for a model";
  pthread_mutex_lock(&link->lock);
  pool->next = link->pools;
  link->pools = pool;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, 0);
  return NULL;
}

static const char *on_channel(Link *link, const WireLink *message, Descriptors *received) {
  Pool *pool = link_find_number(link, message->model);
  if (pool == NULL) return "a channel for an unknown model";
  if (received->count != 2) return "a channel without its two descriptors";
  received->count = 0; /* the pool's from now on */
  return pool_add_channel(pool, message->channel, received->descriptors[0], message->segment, received->descriptors[1]);
}

static void on_channel_gone(Link *link, uint32_t number, bool (*take_away)(Pool *, uint32_t)) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (take_away(pool, number)) break;
  pthread_mutex_unlock(&link->lock);
}

static void on_busy(Link *link, const WireLink *message) {
  bool busy = false;
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next)
    if (pool_has_channel(pool, message->channel, &busy)) break;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, busy);
}

static const char *on_answer(Link *link, const WireLink *message, const char *refusal, Descriptors *received) {
  if (refusal == NULL && received->count != 1) return "a segment without its descriptor";
  waiters_answer(&link->waiters, message->token, message->segment, refusal, received);
  return NULL;
}

static void on_stop(Link *link) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) pool_stop(pool);
  pthread_mutex_unlock(&link->lock);
}

static const char *on_hello(Link *link, const WireLink *message) {
  if (message->value != WIRE_VERSION) return "the host speaks another protocol version";
  link_send(link, &(WireLink){.kind = LINK_BACKEND_HELLO, .token = message->token, .value = WIRE_VERSION});
  return NULL;
}

static const char *on_gate(Link *link, const WireLink *message) {
  pthread_mutex_lock(&link->lock);
  link->gate_open = message->value == 1;
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, 0);
  return NULL;
}

static const char *on_give_up(Link *link, const WireLink *message, const char *text) {
  Pool *pool = link_find_number(link, message->model);
  if (pool != NULL) pool_give_up(pool, message->value == 1, text);
  return NULL;
}

/* Of all models, or of one: then those of them that wait for a worker stand in the upper half. */
static void on_count(Link *link, const WireLink *message) {
  uint64_t waiting = 0;
  uint32_t held = 0;
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) {
    if (message->model != 0 && message->model != pool->number) continue;
    held += (uint32_t)atomic_load(&pool->held);
    if (message->model != 0) waiting = queue_length(pool);
  }
  pthread_mutex_unlock(&link->lock);
  acknowledge(link, message->token, waiting << 32 | held);
}

static const char *on_metric(Link *link, const WireLink *message, const uint8_t *payload, size_t length) {
  const char *wrong = metrics_table_apply(link->metrics, payload, length);
  if (wrong == NULL) acknowledge(link, message->token, 0);
  return wrong;
}

/* NULL, or what was wrong with the message. payload is followed by a zero byte. */
static const char *dispatch(Link *link, const WireLink *message, const uint8_t *payload, size_t length, Descriptors *received) {
  switch (message->kind) {
    case LINK_HELLO: return on_hello(link, message);
    case LINK_MODEL: return on_model(link, message, payload, length, received);
    case LINK_CHANNEL: return on_channel(link, message, received);
    case LINK_CHANNEL_GONE: on_channel_gone(link, message->channel, pool_drop_channel); return NULL;
    case LINK_RETIRE: on_channel_gone(link, message->channel, pool_retire_channel); return NULL;
    case LINK_SEGMENT: return on_answer(link, message, NULL, received);
    case LINK_REFUSED: return on_answer(link, message, (const char *)payload, received);
    case LINK_GATE: return on_gate(link, message);
    case LINK_STOP: on_stop(link); return NULL;
    case LINK_COUNT: on_count(link, message); return NULL;
    case LINK_GIVE_UP: return on_give_up(link, message, (const char *)payload);
    case LINK_BUSY: on_busy(link, message); return NULL;
    case LINK_METRIC: return on_metric(link, message, payload, length);
    default: return "a message of an unknown kind";
  }
}

/* Without its host this server must not go on: it would hold the ports and answer for workers that are gone. */
static void end_process(Link *link, const char *why) {
  pthread_mutex_lock(&link->lock);
  bool finishing = link->finishing;
  pthread_mutex_unlock(&link->lock);
  if (finishing) return;
  fprintf(stderr, "pytriton backend: %s; ending tritonserver\n", why);
  _exit(1);
}

static void tidy(Link *link) {
  pthread_mutex_lock(&link->lock);
  for (Pool *pool = link->pools; pool != NULL; pool = pool->next) pool_tidy(pool);
  pthread_mutex_unlock(&link->lock);
}

/* Wait for a message, and have the pools tidied once a second, however much the host has to say. */
static void await_message(Link *link, uint64_t *tidied) {
  struct pollfd wait = {.fd = link->socket, .events = POLLIN};
  int ready;
  do {
    ready = poll(&wait, 1, TIDY_MS);
    uint64_t now = clock_ns();
    if (now - *tidied >= TIDY_MS * 1000000ull) {
      tidy(link);
      *tidied = now;
    }
  } while (ready == 0 || (ready < 0 && errno == EINTR));
}

static void *read_link(void *argument) {
  Link *link = argument;
  static const size_t ROOM = WIRE_MAX_MESSAGE;
  uint8_t *buffer = malloc(ROOM + 1);
  uint64_t tidied = clock_ns(); /* when that was */
  if (buffer == NULL) end_process(link, "no memory for the link's buffer");
  while (buffer != NULL) {
    Descriptors received;
    WireLink message;
    await_message(link, &tidied);
    long length = sockets_receive(link->socket, buffer, ROOM, &received, 0);
    if (length <= 0) {
      end_process(link, length == SOCKETS_BROKEN ? "a broken message from the host" : "the host is gone");
      break;
    }
    const char *wrong = "a message from the host is too short";
    if ((size_t)length >= sizeof message) {
      buffer[length] = 0;
      memcpy(&message, buffer, sizeof message);
      wrong = dispatch(link, &message, buffer + sizeof message, (size_t)length - sizeof message, &received);
    }
    descriptors_close(&received);
    if (wrong != NULL) end_process(link, wrong);
  }
  free(buffer);
  return NULL;
}

bool link_reader_start(Link *link, Failure *failure) {
  if (pthread_create(&link->reader, NULL, read_link, link) == 0) return true;
  failure_set(failure, TRITON_ERROR_INTERNAL, "no thread for the link");
  return false;
}

void link_reader_stop(Link *link) {
  pthread_mutex_lock(&link->lock);
  link->finishing = true;
  pthread_mutex_unlock(&link->lock);
  shutdown(link->socket, SHUT_RDWR);
  pthread_join(link->reader, NULL);
}
