/* Declarations with XNU's spellings, written for the tests. */
#pragma once
#include <mach/mach.h>

kern_return_t host_security_create_task_token(host_security_t, task_t, security_token_t, audit_token_t, host_t, ledger_array_t, mach_msg_type_number_t,
                                              boolean_t, task_t *);
kern_return_t host_security_set_task_token(host_security_t, task_t, security_token_t, audit_token_t, host_t);
