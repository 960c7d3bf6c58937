/* Finds calls that can only wait for themselves. */
#ifndef PYTRITON_CALL_CHAIN_H
#define PYTRITON_CALL_CHAIN_H

#include "pool.h"

/* Whether a call of the model can only wait for itself, and is the one to refuse. `order` is the order of the call. Fills
 * the failure then, with the chain of models. */
bool call_chain_is_stuck(Pool *target, uint64_t order, Failure *failure);

#endif
