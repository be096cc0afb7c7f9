/* Sending and receiving. A message has a typed item for each descriptor, and behind them an array of inline words, of which the first is the
   message's data. The host says how many words there are: that is how a message gets the size that it is to have. */
#include "calls.h"
#include "routines.h"
#include "system.h"

#define BUFFER_WORDS 2048u
#define ARRAYS 8u
#define ARRAY_NAMES 32u

/* What the host calls the kinds of descriptors. */
enum { PORT_DESCRIPTOR, ARRAY_DESCRIPTOR };

static union {
	mach_msg_header_t header;
	uint32_t word[BUFFER_WORDS];
} message;
static mach_port_t arrays[ARRAYS][ARRAY_NAMES];

static uint32_t *put_type(uint32_t *at, mach_msg_type_t type)
{
	memcpy(at, &type, sizeof type);
	return at + 1;
}

static uint32_t *put_port(uint32_t *at, struct words *in)
{
	uint32_t name = take(in);
	mach_msg_type_t type = {.msgt_name = take(in), .msgt_size = 32, .msgt_number = 1, .msgt_inline = TRUE};

	at = put_type(at, type);
	*at++ = name;
	return at;
}

static uint32_t *put_array(uint32_t *at, struct words *in, mach_port_t names[])
{
	mach_msg_type_t type = {.msgt_name = take(in), .msgt_size = 32, .msgt_inline = FALSE};
	uint32_t count = take(in), each;

	for (each = 0; each < count; each++) {
		uint32_t name = take(in);

		if (each < ARRAY_NAMES)
			names[each] = name;
	}
	type.msgt_number = count < ARRAY_NAMES ? count : ARRAY_NAMES;
	at = put_type(at, type);
	*at++ = (uint32_t) names;
	return at;
}

/* Put a message into the buffer. Arguments: dest, its disposition, reply, its disposition, id, number of descriptors and each of them, data,
   inline words, bytes or 0 for just what there is. */
static void compose(struct words *in)
{
	mach_port_t dest = take(in);
	uint32_t dest_disposition = take(in);
	mach_port_t reply = take(in);
	uint32_t reply_disposition = take(in), count, each, data, inline_words, bytes;
	uint32_t *at = message.word + sizeof message.header / sizeof *at;

	memset(&message.header, 0, sizeof message.header);
	message.header.msgh_remote_port = dest;
	message.header.msgh_local_port = reply;
	message.header.msgh_bits = MACH_MSGH_BITS(dest_disposition, reply_disposition);
	message.header.msgh_id = (mach_msg_id_t) take(in);
	count = take(in);
	if (count)
		message.header.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
	for (each = 0; each < count && each < ARRAYS; each++)
		at = take(in) == PORT_DESCRIPTOR ? put_port(at, in) : put_array(at, in, arrays[each]);
	data = take(in);
	inline_words = take(in);
	at = put_type(at, (mach_msg_type_t) {
		.msgt_name = MACH_MSG_TYPE_INTEGER_32, .msgt_size = 32, .msgt_number = inline_words, .msgt_inline = TRUE});
	for (each = 0; each < inline_words; each++)
		*at++ = each ? 0 : data;
	bytes = take(in);
	message.header.msgh_size = bytes ? bytes : (uint32_t) ((char *) at - (char *) &message);
}

/* The option for one half of the call: whether to wait there. */
static mach_msg_option_t unless_waiting(struct words *in, mach_msg_option_t option)
{
	return take(in) ? 0 : option;
}

/* The typed items of the message: each descriptor, then whether there is inline data, its first word, and how many words there are. */
static void tell_body(struct words *out)
{
	const uint32_t *at = message.word + sizeof message.header / sizeof *at;
	const uint32_t *end = message.word + message.header.msgh_size / sizeof *at;
	uint32_t has_data = 0, data = 0, data_words = 0, place = out->count, count = 0, each;

	give(out, 0);
	while (at < end) {
		mach_msg_type_t type;

		memcpy(&type, at++, sizeof type);
		if (!MACH_MSG_TYPE_PORT_ANY(type.msgt_name)) {
			has_data = 1;
			data_words = type.msgt_number;
			data = data_words ? at[0] : 0;
			at += data_words;
		} else if (type.msgt_inline) {
			count++;
			give(out, PORT_DESCRIPTOR);
			give(out, *at++);
			give(out, type.msgt_name);
		} else {
			const mach_port_t *names = (const mach_port_t *) *at++;

			count++;
			give(out, ARRAY_DESCRIPTOR);
			give(out, type.msgt_name);
			give(out, type.msgt_number);
			for (each = 0; each < type.msgt_number; each++)
				give(out, names[each]);
		}
	}
	out->word[place] = count;
	give(out, has_data);
	give(out, data);
	give(out, data_words);
}

/* After a send that timed out the buffer holds the message as it was handed back. */
static void tell_sent(kern_return_t code, struct words *out)
{
	if ((code & ~(MACH_MSG_VM_SPACE | MACH_MSG_IPC_SPACE | MACH_MSG_VM_KERNEL | MACH_MSG_IPC_KERNEL)) == MACH_SEND_TIMED_OUT) {
		give(out, message.header.msgh_remote_port);
		give(out, message.header.msgh_local_port);
		tell_body(out);
	}
}

/* Results: id, local, reply, its form, whether the message is complex, its size, and of a message that was received its body. Of one that
   stays in the queue the kernel tells the size only, and leaves the rest of the buffer as it was. */
static void tell_received(kern_return_t code, mach_msg_option_t option, struct words *out)
{
	int stays = code == MACH_RCV_TOO_LARGE && (option & MACH_RCV_LARGE);

	if (code != MACH_MSG_SUCCESS && code != MACH_RCV_TOO_LARGE)
		return;
	give(out, (uint32_t) message.header.msgh_id);
	give(out, message.header.msgh_local_port);
	give(out, message.header.msgh_remote_port);
	give(out, MACH_MSGH_BITS_REMOTE(message.header.msgh_bits));
	give(out, message.header.msgh_seqno);
	give(out, !stays && (message.header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0);
	give(out, message.header.msgh_size);
	if (code == MACH_MSG_SUCCESS)
		tell_body(out);
}

/* Arguments: those of a message, wait. */
static kern_return_t send(struct words *in, struct words *out)
{
	kern_return_t code;

	compose(in);
	code = mach_msg(&message.header, MACH_SEND_MSG | unless_waiting(in, MACH_SEND_TIMEOUT), message.header.msgh_size, 0, MACH_PORT_NULL, 0,
	                MACH_PORT_NULL);
	tell_sent(code, out);
	return code;
}

/* Receive into the buffer, and before that send what is in it, if `option` says so. Arguments: the name, bytes of room, whether a larger
   message stays, whether to wait. */
static kern_return_t then_receive(mach_msg_option_t option, struct words *in, struct words *out)
{
	mach_port_t name = take(in);
	uint32_t room = take(in);
	kern_return_t code;

	option |= MACH_RCV_MSG;
	if (take(in))
		option |= MACH_RCV_LARGE;
	option |= unless_waiting(in, MACH_RCV_TIMEOUT);
	code = mach_msg(&message.header, option, message.header.msgh_size, room < sizeof message ? room : sizeof message, name, 0, MACH_PORT_NULL);
	if (option & MACH_SEND_MSG)
		tell_sent(code, out);
	tell_received(code, option, out);
	return code;
}

static kern_return_t receive(struct words *in, struct words *out)
{
	memset(&message.header, 0, sizeof message.header);
	return then_receive(0, in, out);
}

/* Arguments: those of a message, whether to wait for room; then those of a receive. */
static kern_return_t send_and_receive(struct words *in, struct words *out)
{
	compose(in);
	return then_receive(MACH_SEND_MSG | unless_waiting(in, MACH_SEND_TIMEOUT), in, out);
}

void add_message_calls(routine table[])
{
	table[CALL_mach_msg_send] = send;
	table[CALL_mach_msg_receive] = receive;
	table[CALL_mach_msg] = send_and_receive;
}
