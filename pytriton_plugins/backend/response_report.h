/* Statistics of each response of a stream, for Triton's statistics endpoint. */
#ifndef PYTRITON_RESPONSE_REPORT_H
#define PYTRITON_RESPONSE_REPORT_H

#include "instance.h"

/* Reports the response, error or end that was just sent to the stream's request. The wait for it began at
 * times->response_start, and it came at `arrived`. Sets times->response_start for the next one. */
void response_report(Instance *instance, Times *times, uint64_t arrived, bool has_outputs);

#endif
