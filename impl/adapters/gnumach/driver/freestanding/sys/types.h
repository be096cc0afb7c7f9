/* What Mach's headers want of the C library's header of this name. */
#pragma once
#include <stddef.h>
#include <stdint.h>
