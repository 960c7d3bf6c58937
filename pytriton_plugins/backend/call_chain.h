/* Finds calls that can only wait for themselves. */
#ifndef PYTRITON_CALL_CHAIN_H
#define PYTRITON_CALL_CHAIN_H

#include "pool.h"

/* Whether no request of the model can run before a call ends that waits for one. Fills the failure then, with the chain of
 * models. */
bool call_chain_is_stuck(Pool *target, Failure *failure);

#endif
