/* The graph of models that wait for each other.
 *
 * A model can progress if it has a free channel, no channel at all (then its own limits end the wait), or a channel that
 * can progress: one whose batch waits for no call, or for one call that can run. All others are stuck: nothing but the end
 * of one of these calls can help. For a request that runs already only its own channel counts, and for one of a sequence
 * the channel that has its state. A call for which
 * the worker has to make room is not waited for: it goes on when the callable reads it.
 *
 * The graph changes while it is read, so a model counts as stuck only when two readings have the same stuck channels with
 * the same calls: then all of them existed at one time.
 *
 * Triton does not say at which of its models a call of an ensemble is, nor which of two pools with one name it has chosen.
 * So such a call counts as stuck if one of them is stuck, although it may have passed that model already.
 *
 * The newest call of a stuck graph is refused. It waits in the queue of its model: if it ran there, its batch would have a
 * newer call. */
#include "call_chain.h"

#include <string.h>

#include "calls.h"
#include "pool.h"

enum { MAX_NODES = 256 }; /* of one graph; a call of a larger one is not refused */
enum { MAX_READINGS = 8 };

/* A model, one of its sequences, or one request that it has. */
typedef struct Node {
  Pool *pool;
  uint64_t correlation; /* of the sequence; 0: any channel can run the request */
  const void *request;  /* NULL: any */
  struct Node *next;    /* a model that it waits for */
  const char *via;      /* the ensemble that contains that model; NULL: it is called itself */
  bool moves, is_named;
} Node;

typedef struct {
  Node nodes[MAX_NODES];
  uint32_t count;
  uint64_t seen;   /* a hash of the channels and calls that are stuck */
  uint64_t newest; /* the largest order of these calls */
  bool is_cut;
} Graph;

/* A new model counts as stuck until it is read. NULL: the graph is full. */
static Node *find_node(Graph *graph, Pool *pool, uint64_t correlation, const void *request) {
  if (!pool->declaration.sequence) correlation = 0;
  for (uint32_t i = 0; i < graph->count; i++) {
    Node *node = &graph->nodes[i];
    if (node->pool == pool && node->correlation == correlation && node->request == request) return node;
  }
  graph->is_cut |= graph->count == MAX_NODES;
  if (graph->is_cut) return NULL;
  graph->nodes[graph->count] = (Node){.pool = pool, .correlation = correlation, .request = request};
  return &graph->nodes[graph->count++];
}

/* A model that keeps the call from running; NULL: none. */
static Node *find_obstacle(Graph *graph, const CallWait *wait) {
  for (uint32_t i = 0; i < wait->count; i++) {
    Node *node = find_node(graph, wait->targets[i], wait->correlation, wait->ensemble == NULL ? wait->request : NULL);
    if (node != NULL && !node->moves) return node;
  }
  return NULL;
}

static void note(Graph *graph, uint64_t value) {
  static const uint64_t PRIME = 1099511628211u;
  graph->seen = (graph->seen ^ value) * PRIME;
}

static bool is_unread(const Call *call) {
  return call->awaits_room && !call->asks_room;
}

static bool calls_move(Graph *graph, Node *node, const Calls *calls) {
  bool are_waited_for = false;
  for (const Call *call = calls->open; call != NULL; call = call->next) {
    if (is_unread(call)) continue;
    are_waited_for = true;
    node->next = find_obstacle(graph, &call->wait);
    node->via = call->wait.ensemble;
    if (node->next == NULL) return true;
    if (call->wait.order > graph->newest) graph->newest = call->wait.order;
    note(graph, call->wait.order);
  }
  return !are_waited_for;
}

static bool channel_moves(Graph *graph, Node *node, const Channel *channel) {
  Calls *calls = channel->calls;
  if (!channel->busy || calls == NULL) return true;
  pthread_mutex_lock(&calls->lock);
  note(graph, channel->number);
  note(graph, calls->last);
  bool moves = calls_move(graph, node, calls);
  pthread_mutex_unlock(&calls->lock);
  return moves;
}

static bool has_request(const Channel *channel, const void *request) {
  Calls *calls = channel->calls;
  if (!channel->busy || calls == NULL) return false;
  pthread_mutex_lock(&calls->lock);
  bool found = calls_have_request(calls, request);
  pthread_mutex_unlock(&calls->lock);
  return found;
}

/* The only channel that can answer the request; NULL: any. */
static const Channel *find_channel(Pool *pool, const Node *node) {
  const Channel *channel = node->request == NULL ? NULL : pool->channels;
  while (channel != NULL && !has_request(channel, node->request)) channel = channel->next;
  return channel == NULL && node->correlation != 0 ? sequences_channel(pool, node->correlation) : channel;
}

static bool node_moves(Graph *graph, Node *node) {
  Pool *pool = node->pool;
  bool has_channel = false, moves = pool->declaration.loopback;
  pthread_mutex_lock(&pool->lock);
  const Channel *only = find_channel(pool, node);
  for (const Channel *channel = pool->channels; channel != NULL && !moves; channel = channel->next) {
    if (only == NULL ? channel->closing : channel != only) continue;
    has_channel = true;
    moves = channel_moves(graph, node, channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return moves || !has_channel;
}

/* A model that keeps the call from running; reads until nothing changes. NULL: none. */
static Node *read_graph(Graph *graph, const CallWait *wait) {
  graph->count = 0;
  graph->is_cut = false;
  Node *obstacle = find_obstacle(graph, wait);
  for (bool has_changed = true; has_changed && obstacle != NULL && !graph->is_cut; obstacle = find_obstacle(graph, wait)) {
    uint32_t known = graph->count;
    has_changed = false;
    graph->seen = graph->newest = 0;
    for (uint32_t i = 0; i < graph->count; i++) {
      Node *node = &graph->nodes[i];
      if (node->moves) continue;
      node->moves = node_moves(graph, node);
      has_changed |= node->moves;
    }
    has_changed |= graph->count > known;
  }
  return graph->is_cut ? NULL : obstacle;
}

typedef struct {
  char text[WIRE_MAX_ERROR_TEXT / 2];
  size_t length;
} Chain;

static void append(Chain *chain, const char *name) {
  static const char ARROW[] = " \xe2\x86\x92 "; /* → */
  size_t size = strlen(name), arrow = chain->length > 0 ? sizeof ARROW - 1 : 0;
  if (chain->length + arrow + size > sizeof chain->text) return;
  memcpy(chain->text + chain->length, ARROW, arrow);
  memcpy(chain->text + chain->length + arrow, name, size);
  chain->length += arrow + size;
}

static void describe(Node *node, const CallWait *wait, Failure *failure) {
  const char *called = wait->ensemble == NULL ? node->pool->declaration.name : wait->ensemble;
  Chain chain = {.length = 0};
  if (wait->ensemble != NULL) append(&chain, wait->ensemble);
  for (bool ends = false; node != NULL && !ends; node = node->next) {
    append(&chain, node->pool->declaration.name);
    ends = node->is_named || node->next == NULL;
    node->is_named = true;
    if (ends || node->via == NULL) continue;
    append(&chain, node->via);
    ends = node->via == wait->ensemble;
  }
  failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: this call can only wait for itself: %.*s", called, (int)chain.length,
              chain.text);
}

bool call_chain_is_stuck(const CallWait *wait, Failure *failure) {
  Graph graph;
  if (read_graph(&graph, wait) == NULL) return false;
  for (int i = 0; i < MAX_READINGS; i++) {
    uint64_t seen = graph.seen;
    Node *obstacle = read_graph(&graph, wait);
    if (obstacle == NULL) return false;
    if (graph.seen != seen) continue;
    if (graph.newest != wait->order) return false;
    describe(obstacle, wait, failure);
    return true;
  }
  return false; /* it changes all the time: the next check comes soon */
}
