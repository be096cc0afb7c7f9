/* Declarations with XNU's spellings, written for the tests: what an exported program needs of <mach/mach.h>. */
#pragma once
#include <stdint.h>

typedef int kern_return_t, mach_msg_return_t, boolean_t, integer_t, mach_msg_id_t, mach_msg_option_t;
typedef unsigned int natural_t;
typedef natural_t mach_port_t, mach_port_name_t, mach_port_right_t, mach_port_type_t, mach_port_urefs_t, mach_port_seqno_t;
typedef natural_t mach_port_mscount_t, mach_port_msgcount_t, mach_port_rights_t, mach_msg_type_number_t, mach_msg_type_name_t;
typedef natural_t mach_msg_bits_t, mach_msg_size_t, mach_msg_timeout_t, mach_msg_copy_options_t, mach_msg_descriptor_type_t;
typedef natural_t exception_mask_t, vm_inherit_t;
typedef int mach_port_delta_t, mach_port_flavor_t, exception_behavior_t, thread_state_flavor_t, task_flavor_t, task_special_port_t;
typedef mach_port_t task_t, task_inspect_t, task_read_t, task_name_t, host_t, host_priv_t, ipc_space_t, ipc_space_read_t, ipc_space_inspect_t;
typedef mach_port_t exception_port_t, vm_map_t, vm_map_read_t;
typedef mach_port_t *mach_port_array_t, *exception_handler_array_t;
typedef mach_port_name_t *mach_port_name_array_t;
typedef mach_port_type_t *mach_port_type_array_t;
typedef exception_mask_t *exception_mask_array_t;
typedef exception_behavior_t *exception_behavior_array_t;
typedef thread_state_flavor_t *exception_flavor_array_t;
typedef integer_t *mach_port_info_t, *task_info_t;
typedef uint64_t mach_port_context_t, mach_vm_address_t;
typedef uintptr_t vm_offset_t, vm_address_t, vm_size_t;

#define TRUE 1
#define FALSE 0
#define KERN_SUCCESS 0
#define KERN_INVALID_ADDRESS 1
#define KERN_PROTECTION_FAILURE 2
#define KERN_NO_SPACE 3
#define KERN_INVALID_ARGUMENT 4
#define KERN_FAILURE 5
#define KERN_RESOURCE_SHORTAGE 6
#define KERN_NO_ACCESS 8
#define KERN_ALREADY_IN_SET 11
#define KERN_NOT_IN_SET 12
#define KERN_NAME_EXISTS 13
#define KERN_INVALID_NAME 15
#define KERN_INVALID_TASK 16
#define KERN_INVALID_RIGHT 17
#define KERN_INVALID_VALUE 18
#define KERN_UREFS_OVERFLOW 19
#define KERN_INVALID_CAPABILITY 20
#define KERN_RIGHT_EXISTS 21
#define KERN_INVALID_HOST 22

#define MACH_PORT_NULL ((mach_port_t) 0)
#define MACH_PORT_DEAD ((mach_port_t) ~0)
#define MACH_PORT_RIGHT_SEND ((mach_port_right_t) 0)
#define MACH_PORT_RIGHT_RECEIVE ((mach_port_right_t) 1)
#define MACH_PORT_RIGHT_SEND_ONCE ((mach_port_right_t) 2)
#define MACH_PORT_RIGHT_PORT_SET ((mach_port_right_t) 3)
#define MACH_PORT_RIGHT_DEAD_NAME ((mach_port_right_t) 4)
#define MACH_PORT_TYPE(right) ((mach_port_type_t) 1 << ((right) + 16))
#define MACH_PORT_TYPE_SEND MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND)
#define MACH_PORT_TYPE_RECEIVE MACH_PORT_TYPE(MACH_PORT_RIGHT_RECEIVE)
#define MACH_PORT_TYPE_SEND_ONCE MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_SET MACH_PORT_TYPE(MACH_PORT_RIGHT_PORT_SET)
#define MACH_PORT_TYPE_DEAD_NAME MACH_PORT_TYPE(MACH_PORT_RIGHT_DEAD_NAME)
#define MACH_PORT_TYPE_ALL_RIGHTS (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_PORT_SET | MACH_PORT_TYPE_DEAD_NAME)
#define MACH_PORT_TYPE_DNREQUEST 0x80000000
#define MACH_PORT_RECEIVE_STATUS 2
#define MACH_PORT_RECEIVE_STATUS_COUNT ((natural_t) (sizeof(mach_port_status_t) / sizeof(natural_t)))

typedef struct mach_port_status {
	mach_port_rights_t mps_pset;
	mach_port_seqno_t mps_seqno;
	mach_port_mscount_t mps_mscount;
	mach_port_msgcount_t mps_qlimit, mps_msgcount;
	mach_port_rights_t mps_sorights;
	boolean_t mps_srights, mps_pdrequest, mps_nsrequest;
	natural_t mps_flags;
} mach_port_status_t;
typedef struct mach_port_limits {
	mach_port_msgcount_t mpl_qlimit;
} mach_port_limits_t;
typedef struct mach_port_options {
	uint32_t flags;
	mach_port_limits_t mpl;
	uint64_t reserved[2];
} mach_port_options_t, *mach_port_options_ptr_t;
#define MPO_CONTEXT_AS_GUARD 0x01
#define MPO_QLIMIT 0x02
#define MPO_TEMPOWNER 0x04
#define MPO_IMPORTANCE_RECEIVER 0x08
#define MPO_INSERT_SEND_RIGHT 0x10
#define MPO_STRICT 0x20
#define MPO_DENAP_RECEIVER 0x40
#define MPO_IMMOVABLE_RECEIVE 0x80
#define MPG_STRICT 0x01
#define MPG_IMMOVABLE_RECEIVE 0x02

typedef struct {
	mach_msg_bits_t msgh_bits;
	mach_msg_size_t msgh_size;
	mach_port_t msgh_remote_port, msgh_local_port;
	mach_port_name_t msgh_voucher_port;
	mach_msg_id_t msgh_id;
} mach_msg_header_t;
typedef struct {
	mach_msg_size_t msgh_descriptor_count;
} mach_msg_body_t;
#pragma pack(push, 4)
typedef struct {
	natural_t pad1;
	mach_msg_size_t pad2;
	unsigned int pad3 : 24;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_type_descriptor_t;
typedef struct {
	mach_port_t name;
	mach_msg_size_t pad1;
	unsigned int pad2 : 16;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
} mach_msg_port_descriptor_t;
typedef struct {
	void *address;
	boolean_t deallocate : 8;
	mach_msg_copy_options_t copy : 8;
	mach_msg_type_name_t disposition : 8;
	mach_msg_descriptor_type_t type : 8;
	mach_msg_size_t count;
} mach_msg_ool_ports_descriptor_t;
#pragma pack(pop)
#define MACH_MSG_PORT_DESCRIPTOR 0
#define MACH_MSG_OOL_PORTS_DESCRIPTOR 2
#define MACH_MSGH_BITS(remote, local) ((remote) | ((local) << 8))
#define MACH_MSGH_BITS_REMOTE(bits) ((bits) & 0x1f)
#define MACH_MSGH_BITS_COMPLEX 0x80000000U
#define MACH_MSG_TYPE_MOVE_RECEIVE 16
#define MACH_MSG_TYPE_MOVE_SEND 17
#define MACH_MSG_TYPE_MOVE_SEND_ONCE 18
#define MACH_MSG_TYPE_COPY_SEND 19
#define MACH_MSG_TYPE_MAKE_SEND 20
#define MACH_MSG_TYPE_MAKE_SEND_ONCE 21
#define MACH_SEND_MSG 0x1
#define MACH_RCV_MSG 0x2
#define MACH_RCV_LARGE 0x4
#define MACH_SEND_TIMEOUT 0x10
#define MACH_SEND_NOTIFY 0x80
#define MACH_RCV_TIMEOUT 0x100
#define MACH_SEND_INVALID_DATA 0x10000002
#define MACH_SEND_INVALID_DEST 0x10000003
#define MACH_SEND_TIMED_OUT 0x10000004
#define MACH_SEND_INVALID_REPLY 0x10000009
#define MACH_SEND_INVALID_RIGHT 0x1000000a
#define MACH_SEND_INVALID_NOTIFY 0x1000000b
#define MACH_SEND_INVALID_MEMORY 0x1000000c
#define MACH_SEND_NO_BUFFER 0x1000000d
#define MACH_SEND_TOO_LARGE 0x1000000e
#define MACH_SEND_MSG_TOO_SMALL 0x10000008
#define MACH_SEND_INVALID_TYPE 0x1000000f
#define MACH_SEND_INVALID_HEADER 0x10000010
#define MACH_RCV_INVALID_NAME 0x10004002
#define MACH_RCV_TIMED_OUT 0x10004003
#define MACH_RCV_TOO_LARGE 0x10004004
#define MACH_RCV_PORT_CHANGED 0x10004006
#define MACH_RCV_INVALID_NOTIFY 0x10004007
#define MACH_RCV_INVALID_DATA 0x10004008
#define MACH_RCV_PORT_DIED 0x10004009
#define MACH_RCV_IN_SET 0x1000400a
#define MACH_RCV_HEADER_ERROR 0x1000400b
#define MACH_RCV_BODY_ERROR 0x1000400c
#define HOST_LOCAL_NODE (-1)

extern mach_port_t mach_task_self_;
#define mach_task_self() mach_task_self_
extern vm_size_t vm_page_size;
mach_port_t mach_host_self(void);
mach_port_t mach_reply_port(void);
mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size, mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
                           mach_msg_timeout_t timeout, mach_port_name_t notify);

kern_return_t mach_port_names(ipc_space_t, mach_port_name_array_t *, mach_msg_type_number_t *, mach_port_type_array_t *, mach_msg_type_number_t *);
kern_return_t mach_port_type(ipc_space_t, mach_port_name_t, mach_port_type_t *);
kern_return_t mach_port_rename(ipc_space_t, mach_port_name_t, mach_port_name_t);
kern_return_t mach_port_allocate_name(ipc_space_t, mach_port_right_t, mach_port_name_t);
kern_return_t mach_port_allocate(ipc_space_t, mach_port_right_t, mach_port_name_t *);
kern_return_t mach_port_destroy(ipc_space_t, mach_port_name_t);
kern_return_t mach_port_deallocate(ipc_space_t, mach_port_name_t);
kern_return_t mach_port_get_refs(ipc_space_t, mach_port_name_t, mach_port_right_t, mach_port_urefs_t *);
kern_return_t mach_port_mod_refs(ipc_space_t, mach_port_name_t, mach_port_right_t, mach_port_delta_t);
kern_return_t mach_port_peek(ipc_space_t, mach_port_name_t, uint32_t, mach_port_seqno_t *, mach_msg_size_t *, mach_msg_id_t *, char *, mach_msg_type_number_t *);
kern_return_t mach_port_set_mscount(ipc_space_t, mach_port_name_t, mach_port_mscount_t);
kern_return_t mach_port_get_set_status(ipc_space_read_t, mach_port_name_t, mach_port_name_array_t *, mach_msg_type_number_t *);
kern_return_t mach_port_move_member(ipc_space_t, mach_port_name_t, mach_port_name_t);
kern_return_t mach_port_request_notification(ipc_space_t, mach_port_name_t, mach_msg_id_t, mach_port_mscount_t, mach_port_t, mach_msg_type_name_t,
                                             mach_port_t *);
kern_return_t mach_port_insert_right(ipc_space_t, mach_port_name_t, mach_port_t, mach_msg_type_name_t);
kern_return_t mach_port_extract_right(ipc_space_t, mach_port_name_t, mach_msg_type_name_t, mach_port_t *, mach_msg_type_name_t *);
kern_return_t mach_port_set_seqno(ipc_space_t, mach_port_name_t, mach_port_seqno_t);
kern_return_t mach_port_get_attributes(ipc_space_read_t, mach_port_name_t, mach_port_flavor_t, mach_port_info_t, mach_msg_type_number_t *);
kern_return_t mach_port_set_attributes(ipc_space_t, mach_port_name_t, mach_port_flavor_t, mach_port_info_t, mach_msg_type_number_t);
kern_return_t mach_port_assert_attributes(ipc_space_t, mach_port_name_t, mach_port_flavor_t, mach_port_info_t, mach_msg_type_number_t);
kern_return_t mach_port_insert_member(ipc_space_t, mach_port_name_t, mach_port_name_t);
kern_return_t mach_port_extract_member(ipc_space_t, mach_port_name_t, mach_port_name_t);
kern_return_t mach_port_get_context(ipc_space_read_t, mach_port_name_t, mach_port_context_t *);
kern_return_t mach_port_set_context(ipc_space_t, mach_port_name_t, mach_port_context_t);
kern_return_t mach_port_construct(ipc_space_t, mach_port_options_ptr_t, mach_port_context_t, mach_port_name_t *);
kern_return_t mach_port_destruct(ipc_space_t, mach_port_name_t, mach_port_delta_t, mach_port_context_t);
kern_return_t mach_port_guard(ipc_space_t, mach_port_name_t, mach_port_context_t, boolean_t);
kern_return_t mach_port_unguard(ipc_space_t, mach_port_name_t, mach_port_context_t);
kern_return_t mach_port_guard_with_flags(ipc_space_t, mach_port_name_t, mach_port_context_t, uint64_t);
kern_return_t mach_port_swap_guard(ipc_space_t, mach_port_name_t, mach_port_context_t, mach_port_context_t);
kern_return_t mach_port_kobject(ipc_space_read_t, mach_port_name_t, natural_t *, mach_vm_address_t *);
kern_return_t mach_port_kernel_object(ipc_space_read_t, mach_port_name_t, unsigned *, unsigned *);
kern_return_t mach_port_get_srights(ipc_space_t, mach_port_name_t, mach_port_rights_t *);
kern_return_t mach_port_dnrequest_info(ipc_space_t, mach_port_name_t, unsigned *, unsigned *);

typedef struct {
	unsigned val[2];
} security_token_t;
typedef struct {
	unsigned val[8];
} audit_token_t;
typedef mach_port_t ledger_t, *ledger_array_t, host_security_t;
typedef integer_t ledger_item_t;
kern_return_t task_create(task_t, ledger_array_t, mach_msg_type_number_t, boolean_t, task_t *);
kern_return_t task_terminate(task_t);
kern_return_t task_suspend(task_read_t);
kern_return_t task_resume(task_read_t);
kern_return_t task_info(task_name_t, task_flavor_t, task_info_t, mach_msg_type_number_t *);
kern_return_t task_get_special_port(task_inspect_t, int, mach_port_t *);
kern_return_t task_set_special_port(task_t, int, mach_port_t);
kern_return_t mach_ports_register(task_t, mach_port_array_t, mach_msg_type_number_t);
kern_return_t mach_ports_lookup(task_t, mach_port_array_t *, mach_msg_type_number_t *);
kern_return_t task_set_exception_ports(task_t, exception_mask_t, mach_port_t, exception_behavior_t, thread_state_flavor_t);
kern_return_t task_get_exception_ports(task_t, exception_mask_t, exception_mask_array_t, mach_msg_type_number_t *, exception_handler_array_t,
                                       exception_behavior_array_t, exception_flavor_array_t);
kern_return_t task_swap_exception_ports(task_t, exception_mask_t, mach_port_t, exception_behavior_t, thread_state_flavor_t, exception_mask_array_t,
                                        mach_msg_type_number_t *, exception_handler_array_t, exception_behavior_array_t, exception_flavor_array_t);
kern_return_t host_get_special_port(host_priv_t, int, int, mach_port_t *);
kern_return_t host_set_special_port(host_priv_t, int, mach_port_t);

kern_return_t vm_allocate(vm_map_t, vm_address_t *, vm_size_t, int);
kern_return_t vm_deallocate(vm_map_t, vm_address_t, vm_size_t);
kern_return_t vm_inherit(vm_map_t, vm_address_t, vm_size_t, vm_inherit_t);
kern_return_t vm_read(vm_map_read_t, vm_address_t, vm_size_t, vm_offset_t *, mach_msg_type_number_t *);
kern_return_t vm_write(vm_map_t, vm_address_t, vm_offset_t, mach_msg_type_number_t);
kern_return_t vm_copy(vm_map_t, vm_address_t, vm_size_t, vm_address_t);
