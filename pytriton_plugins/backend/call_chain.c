/* The graph of models that wait for each other.
 *
 * A model can progress if it has a free channel, no channel at all (then its own limits end the wait), or a channel whose
 * batch has no open call, or one open call to a model that can progress or that is not of this backend. All others are
 * stuck: nothing but the end of one of these calls can help. The graph changes while it is read, so a model counts as
 * stuck only when two readings have the same stuck channels with the same calls: then all of them existed at one time.
 *
 * The newest call of a stuck graph is refused. It waits in the queue of its model: if it ran there, its batch would have a
 * newer call. */
#include "call_chain.h"

#include <string.h>

#include "calls.h"

enum { MAX_MODELS = 64 }; /* of one graph; a longer chain ends by its timeouts */
enum { MAX_READINGS = 8 };

typedef struct {
  Pool *pool;
  Pool *next; /* a model that it waits for */
  bool moves;
} Node;

typedef struct {
  Node nodes[MAX_MODELS];
  uint32_t count;
  uint64_t seen;   /* a hash of the channels and calls that are stuck */
  uint64_t newest; /* the largest order of these calls */
  bool is_cut;
} Graph;

static bool can_move(Graph *graph, Pool *pool) {
  uint32_t i = 0;
  while (i < graph->count && graph->nodes[i].pool != pool) i++;
  if (i == MAX_MODELS) graph->is_cut = true;
  if (i == MAX_MODELS) return true;
  if (i == graph->count) graph->nodes[graph->count++] = (Node){.pool = pool};
  return graph->nodes[i].moves;
}

static void note(Graph *graph, uint64_t value) {
  static const uint64_t PRIME = 1099511628211u;
  graph->seen = (graph->seen ^ value) * PRIME;
}

static bool channel_moves(Graph *graph, Node *node, const Channel *channel) {
  Calls *calls = channel->calls;
  if (!channel->busy || calls == NULL) return true;
  pthread_mutex_lock(&calls->lock);
  bool moves = calls->open == NULL;
  note(graph, channel->number);
  note(graph, calls->last);
  for (const Call *call = calls->open; call != NULL && !moves; call = call->next) {
    moves = call->target == NULL || can_move(graph, call->target);
    node->next = call->target;
    if (call->order > graph->newest) graph->newest = call->order;
    note(graph, call->order);
  }
  pthread_mutex_unlock(&calls->lock);
  return moves;
}

static bool pool_moves(Graph *graph, Node *node) {
  Pool *pool = node->pool;
  bool has_channel = false, moves = pool->declaration.loopback;
  pthread_mutex_lock(&pool->lock);
  for (const Channel *channel = pool->channels; channel != NULL && !moves; channel = channel->next) {
    if (channel->closing) continue;
    has_channel = true;
    moves = channel_moves(graph, node, channel);
  }
  pthread_mutex_unlock(&pool->lock);
  return moves || !has_channel;
}

/* Whether the first model of the graph can progress; reads until nothing changes. */
static bool read_graph(Graph *graph, Pool *target) {
  graph->count = 0;
  graph->is_cut = false;
  can_move(graph, target);
  bool has_changed = true;
  while (has_changed && !graph->nodes[0].moves && !graph->is_cut) {
    uint32_t known = graph->count;
    has_changed = false;
    graph->seen = graph->newest = 0;
    for (uint32_t i = 0; i < graph->count; i++) {
      Node *node = &graph->nodes[i];
      if (node->moves) continue;
      node->moves = pool_moves(graph, node);
      has_changed |= node->moves;
    }
    has_changed |= graph->count > known;
  }
  return graph->nodes[0].moves || graph->is_cut;
}

static void describe(const Graph *graph, Failure *failure) {
  static const char ARROW[] = " \xe2\x86\x92 "; /* → */
  char chain[WIRE_MAX_ERROR_TEXT / 2];
  bool is_named[MAX_MODELS] = {false};
  size_t length = 0;
  uint32_t at = 0;
  for (bool ends = false; !ends;) {
    const char *name = graph->nodes[at].pool->declaration.name;
    size_t size = strlen(name);
    if (length + sizeof ARROW + size + 1 > sizeof chain) break;
    if (length > 0) memcpy(chain + length, ARROW, sizeof ARROW - 1);
    if (length > 0) length += sizeof ARROW - 1;
    memcpy(chain + length, name, size);
    length += size;
    ends = is_named[at] || graph->nodes[at].next == NULL;
    is_named[at] = true;
    const Pool *next = graph->nodes[at].next;
    for (at = 0; !ends && graph->nodes[at].pool != next;) at++;
  }
  failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: this call can only wait for itself: %.*s",
              graph->nodes[0].pool->declaration.name, (int)length, chain);
}

bool call_chain_is_stuck(Pool *target, uint64_t order, Failure *failure) {
  Graph graph;
  if (read_graph(&graph, target)) return false;
  for (int i = 0; i < MAX_READINGS; i++) {
    uint64_t seen = graph.seen;
    if (read_graph(&graph, target)) return false;
    if (graph.seen != seen) continue;
    if (graph.newest != order) return false;
    describe(&graph, failure);
    return true;
  }
  return false; /* it changes all the time: the next check comes soon */
}
