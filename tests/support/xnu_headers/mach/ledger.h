/* Declarations with XNU's spellings, written for the tests. */
#pragma once
#include <mach/mach.h>

kern_return_t ledger_create(ledger_t, ledger_t, ledger_t *, ledger_item_t);
kern_return_t ledger_terminate(ledger_t);
kern_return_t ledger_transfer(ledger_t, ledger_t, ledger_item_t);
kern_return_t ledger_read(ledger_t, ledger_item_t *, ledger_item_t *);
