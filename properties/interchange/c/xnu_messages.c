/* What a message has: id, ports, the form of the reply right, descriptors, the first word of its data. */
__attribute__((unused)) static void give_message(struct words *out, const mach_msg_header_t *header)
{
	const char *at = (const char *) (header + 1);
	uint32_t count = 0, each, other;

	give(out, (uint32_t) header->msgh_id);
	give(out, header->msgh_local_port);
	give(out, header->msgh_remote_port);
	give(out, MACH_MSGH_BITS_REMOTE(header->msgh_bits));
	if (header->msgh_bits & MACH_MSGH_BITS_COMPLEX) {
		count = ((const mach_msg_body_t *) at)->msgh_descriptor_count;
		at += sizeof(mach_msg_body_t);
	}
	give(out, count);
	for (each = 0; each < count; each++) {
		const mach_msg_type_descriptor_t *kind = (const mach_msg_type_descriptor_t *) at;

		if (kind->type == MACH_MSG_PORT_DESCRIPTOR) {
			const mach_msg_port_descriptor_t *port = (const mach_msg_port_descriptor_t *) at;

			give(out, 0);
			give(out, port->name);
			give(out, port->disposition);
			at += sizeof *port;
		} else {
			const mach_msg_ool_ports_descriptor_t *ports = (const mach_msg_ool_ports_descriptor_t *) at;

			give(out, 1);
			give(out, ports->disposition);
			give(out, ports->count);
			for (other = 0; other < ports->count; other++)
				give(out, ((const mach_port_name_t *) ports->address)[other]);
			at += sizeof *ports;
		}
	}
	give(out, at < (const char *) header + header->msgh_size ? *(const uint32_t *) at : 0);
}

__attribute__((unused)) static mach_port_t special_port_of_host(int which)
{
	mach_port_t port = MACH_PORT_NULL;

	host_get_special_port(mach_host_self(), HOST_LOCAL_NODE, which, &port);
	return port;
}

__attribute__((unused)) static mach_port_t special_port_of_task(int which)
{
	mach_port_t port = MACH_PORT_NULL;

	task_get_special_port(mach_task_self(), which, &port);
	return port;
}
