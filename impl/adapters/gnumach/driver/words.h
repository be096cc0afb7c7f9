/* Calls and answers as words: what the host writes on the serial line, the driver passes on, and an agent reads. */
#pragma once
#include <stdint.h>

#define WORDS 1000u          /* with the rest of a mailbox less than a page */

struct words {
	uint32_t count;
	uint32_t at;            /* what is read next */
	uint32_t word[WORDS];
};

static inline uint32_t take(struct words *from)
{
	return from->at < from->count ? from->word[from->at++] : 0;
}

static inline void give(struct words *to, uint32_t value)
{
	if (to->count < WORDS)
		to->word[to->count++] = value;
}
