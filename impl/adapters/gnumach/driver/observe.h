/* What the spaces of all agents show. */
#pragma once
#include <stdint.h>

/* Put what there is on the line; of an agent that shows what it showed before, only that. */
void put_observation(void);

/* Nothing was shown before. */
void forget_observations(void);
void forget_observation_of(uint32_t number);
