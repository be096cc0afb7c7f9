/* Names that a call returned in a list. */
__attribute__((unused)) static void give_list(struct words *out, const uint32_t *list, uint32_t count)
{
	uint32_t each, place = out->count, told = 0;

	give(out, 0);
	for (each = 0; each < count; each++) {
#ifdef AGENT_REPLY_PORT
		if (list[each] == AGENT_REPLY_PORT)     /* it isn't one of the run's */
			continue;
#endif
		give(out, list[each]);
		told++;
	}
	out->word[place] = told;
}
