/* The ensembles of this server: which models each one contains. */
#ifndef PYTRITON_ENSEMBLES_H
#define PYTRITON_ENSEMBLES_H

#include <stddef.h>
#include <stdint.h>

#include "wire.h"

typedef struct {
  int64_t version; /* -1: the newest */
  char name[WIRE_MAX_MODEL_NAME + 1];
} EnsembleStep;

/* One version of an ensemble; it stays in the list when it is withdrawn. */
typedef struct Ensemble {
  struct Ensemble *next;
  int64_t version;
  uint32_t count; /* of steps; 0: withdrawn */
  EnsembleStep *steps;
  char name[WIRE_MAX_MODEL_NAME + 1];
} Ensemble;

/* Reads the payload of ENSEMBLE, and adds, replaces or withdraws the ensemble. NULL, or what is wrong with it. */
const char *ensembles_apply(Ensemble **ensembles, const uint8_t *payload, size_t length);

/* version -1: the newest. NULL: no ensemble has this name. */
const Ensemble *ensembles_find(const Ensemble *ensembles, const char *name, int64_t version);

void ensembles_free(Ensemble *ensembles);

#endif
